"""As many replicas all day as the busiest hour needs: right for the users, dear at night."""

TASK = "autoscaler"
MESSAGE = "times the replica-hours were paid"
POINTS = 1.5


def autoscaler():
    return {
        "minReplicas": 6,
        "maxReplicas": 6,
        "metric": "in_flight",
        "target": 5,
        "scaleDownWindowSeconds": 60,
    }
