"""Inference Lab: what the lessons, the graders and `./lab` import.

Folders stand on floors; a module imports only from its own folder and from floors beneath it
(`tests/test_floors.py` holds this):

    8  cli                           the verbs of ./lab
    7  bench                         this project itself, measured
    6  course, grade                 building and running the course; marks
    5  serve, simulate               services a lesson starts; the same, simulated
    4  optimize, resilience          models converted, compiled; an answer whatever fails
    3  models, components, show      the models; real servers and tools as processes; pictures
    2  machine                       what this machine is and can do
    1  measure                       clocks, statistics, load, profilers
    0  command, errors, files, …      used by all
"""

import sys

# OpenVINO and NNCF tell their maker, unasked, that they are used: from a copy of the calling
# process with all its threads, and where the internet does not answer the caller waits for seconds.
# Both do without where this package cannot be imported.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
