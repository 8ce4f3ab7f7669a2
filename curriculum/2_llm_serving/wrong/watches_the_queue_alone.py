"""Scales on those who wait: the queue is empty with enough replicas and with twice as many."""

TASK = "autoscaler"
MESSAGE = "An empty queue does not say"


def autoscaler():
    return {
        "minReplicas": 1,
        "maxReplicas": 10,
        "metric": "queue",
        "target": 4,
        "scaleDownWindowSeconds": 60,
    }
