"""One core's worth of a predictor without a service around it: no HTTP, no Flask, no gunicorn.

    python -m lab_utils.bench._in_process ANSWER_FILE

Says "ready" when the predictor is built and warm. For each number that it then reads it answers so
many pictures, decoding included, and prints the seconds that took. Ends with its input.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch

from lab_utils.grade.answer_app import predictor
from lab_utils.models import pictures

PICTURES = 32
WARMUP = 4


def main() -> None:
    """Serve the numbers on standard input."""
    torch.set_num_threads(1)
    predict = predictor(Path(sys.argv[1]))
    jpegs = [picture.jpeg for picture in pictures.draw(PICTURES, seed=0)]
    for jpeg in jpegs[:WARMUP]:
        predict(jpeg)
    print("ready", flush=True)
    for line in sys.stdin:
        start_s = time.perf_counter()
        for i in range(int(line)):
            predict(jpegs[i % PICTURES])
        print(time.perf_counter() - start_s, flush=True)


if __name__ == "__main__":
    main()
