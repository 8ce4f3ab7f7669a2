"""Real servers and tools: where they are, and how they are started and stopped."""
