"""Follows the right figure, up to three replicas where five are needed."""

TASK = "autoscaler"
MESSAGE = "allow enough replicas"


def autoscaler():
    return {
        "minReplicas": 1,
        "maxReplicas": 3,
        "metric": "in_flight",
        "target": 5,
        "scaleDownWindowSeconds": 60,
    }
