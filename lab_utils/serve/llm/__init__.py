"""A language model served: its engine, the service before it, and what it takes."""
