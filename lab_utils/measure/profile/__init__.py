"""Where did the time go? Five profilers, one result: `result.Profile`.

cprofile   every Python call, by the wall clock, in this thread
pyspy      samples of any running Python process, from outside
pytorch    every torch operator, with the Python lines that led to it, and its memory
onnx       every node of an ONNX Runtime session
nsight     named ranges and the waits in the operating system's libraries, across processes
scheduler  no profiler, but the one who knows: on a core, waiting for a core, or asleep
"""
