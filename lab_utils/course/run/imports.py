"""What lessons import: importing this module, in the process that kernels are forked from, does so.

Not among them: onnxruntime and openvino, which start threads when imported; ipywidgets and
matplotlib's inline backend, which look for a running kernel when imported.
"""

# ruff: noqa: F401
import sqlite3

import flask
import httpx
import ipykernel.debugger
import ipykernel.kernelapp
import IPython.core.debugger
import IPython.extensions.storemagic
import matplotlib.backends.backend_agg
import matplotlib.pyplot
import PIL.JpegImagePlugin
import PIL.PngImagePlugin
import scipy.stats
import skimage.io
import sklearn.datasets
import sklearn.linear_model
import threadpoolctl  # type: ignore[import-untyped]
import torch._dynamo
import torch.profiler
import torchvision
import tornado.platform.asyncio
import tornado.queues
from matplotlib.backends.registry import backend_registry

import lab_utils.models.resnet

# It reads every installed package's entry points, once.
backend_registry.list_all()  # type: ignore[no-untyped-call]
