"""Another engine, and still one request at a time and sixteen bits."""

TASK = "chatbot"
MESSAGE = "more places that share the reading"


def chatbot():
    return {
        "weights": "f16",
        "batching": "continuous",
        "batch_most": 1,
        "queue_most": 32,
        "first": "chat",
    }
