"""Scales on the processor, which is busy whether one asks or fifty."""

TASK = "autoscaler"
MESSAGE = "busy with a single request"


def autoscaler():
    return {
        "minReplicas": 1,
        "maxReplicas": 10,
        "metric": "cpu",
        "target": 80,
        "scaleDownWindowSeconds": 60,
    }
