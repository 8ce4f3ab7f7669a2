"""Real model servers that speak the Open Inference Protocol, and a client for all of them.

    with MLServer({"fraud-1": file}) as server:            # or KServe(…)
        score = OpenInference(server.grpc_address, "fraud-1")
        await score(rows)                                  # (N, features) float32 → (N, …)
        server.load("fraud-2", other)                      # beside the first, while that answers
        server.unload("fraud-1")

Each is a process in an environment of its own. What runs a model in there is ONNX Runtime, on one
thread: `mlserver_scorer.py` and `kserve_server.py` are the few lines that a team writes for it.

The protocol: https://github.com/kserve/open-inference-protocol, with the model repository extension
of Triton, which both servers answer over HTTP. (KServe 0.21's gRPC form of it fails: it reads a
name out of an answer that is None.)
"""
