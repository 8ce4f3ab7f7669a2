"""Asks Triton through its own client library, tritonclient, over HTTP or gRPC.

    python -I client.py http 127.0.0.1:8000 guard 100 < tokens.json
    python -I client.py grpc 127.0.0.1:8001 guard 100 < tokens.json

Run by its path in Triton's environment, so it imports nothing of lab_utils. Prints one JSON object:
the answers to the first request and the seconds of each.
"""

import json
import sys
import time
from importlib import import_module

import numpy as np


def main() -> None:
    """Ask one request after the other, over one connection."""
    protocol, address, model, count = sys.argv[1:]
    tokens = np.array([json.load(sys.stdin)])
    triton = import_module(f"tritonclient.{protocol}")
    with triton.InferenceServerClient(address) as client:
        given = triton.InferInput("TOKENS", tokens.shape, "INT64")
        given.set_data_from_numpy(tokens)
        latencies_s = []
        for _ in range(int(count)):
            start_s = time.perf_counter()
            answer = client.infer(model, [given])
            latencies_s.append(time.perf_counter() - start_s)
    outputs = {name: answer.as_numpy(name).tolist() for name in ("PERPLEXITY", "REFUSED")}
    print(json.dumps({"outputs": outputs, "latencies_s": latencies_s}))


if __name__ == "__main__":
    main()
