"""Nobody is refused, and in a rush hardly anybody is answered in time."""

TASK = "chatbot"
MESSAGE = "Bound the queue"


def chatbot():
    return {
        "weights": "q4_0",
        "batching": "continuous",
        "batch_most": 16,
        "queue_most": 100_000,
        "first": "chat",
    }
