"""A bounded queue in the order of arrival: who waits for an answer waits behind who does not."""

TASK = "chatbot"
MESSAGE = "Take the chats first"


def chatbot():
    return {
        "weights": "q4_0",
        "batching": "continuous",
        "batch_most": 16,
        "queue_most": 32,
        "first": "neither",
    }
