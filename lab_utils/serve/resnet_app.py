"""The job's service: Flask in front of ResNet-50, as a first version would be written.

`picture_app` says what it answers.
"""

from __future__ import annotations

from flask import Flask

from lab_utils.serve.picture_app import serve
from lab_utils.serve.resnet_request import ResNetRequest


def create_app() -> Flask:
    """The WSGI application; loads the model, so it takes a second or two."""
    return serve(ResNetRequest.load().answer)
