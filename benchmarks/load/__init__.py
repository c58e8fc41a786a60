"""The proxy side by side with its peers: ``python -m benchmarks.load``."""
