"""A limit on what an upstream has at a time, and the queue in front of it."""
