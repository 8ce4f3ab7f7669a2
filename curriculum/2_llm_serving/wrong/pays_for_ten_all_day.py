"""Ten replicas from the first minute: nobody waits, and most of them idle."""

TASK = "autoscaler"
MESSAGE = "Begin with fewer replicas"


def autoscaler():
    return {
        "minReplicas": 10,
        "maxReplicas": 10,
        "metric": "in_flight",
        "target": 5,
        "scaleDownWindowSeconds": 60,
    }
