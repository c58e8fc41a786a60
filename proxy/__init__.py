"""A reverse proxy for slow APIs."""

__version__ = "0.1.0"
