"""What waiting in the right order is worth: ``python -m benchmarks.waiting``."""
