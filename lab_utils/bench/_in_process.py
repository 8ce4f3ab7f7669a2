"""One core's worth of a predictor without a service around it: no HTTP, no Flask, no gunicorn.

    python -m lab_utils.bench._in_process ANSWER_FILE SOCKET

Started and asked as `components/asked.py` says: for {"jpegs": [bytes, …]} it answers them,
decoding included, and sends {"duration_s": …}.
"""

from __future__ import annotations

import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from lab_utils.grade.answer_app import predictor
from lab_utils.models import pictures

WARMUP = 4


def main() -> None:
    """Answer until the line is closed."""
    line = Connection(int(sys.argv[2]))
    torch.set_num_threads(1)
    predict = predictor(Path(sys.argv[1]))
    for picture in pictures.draw(WARMUP, seed=0):
        predict(picture.jpeg)
    line.send({"ready": True})
    while True:
        try:
            jpegs = line.recv()["jpegs"]
        except EOFError:
            return
        start_s = time.perf_counter()
        for jpeg in jpegs:
            predict(jpeg)
        line.send({"duration_s": time.perf_counter() - start_s})


if __name__ == "__main__":
    main()
