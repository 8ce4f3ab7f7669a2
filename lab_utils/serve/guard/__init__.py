"""A guard before a chatbot: it says how much a prompt surprises a small language model."""
