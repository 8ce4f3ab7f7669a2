"""The course's language models: a small one that can read and write, and the true shape of a 7B."""
