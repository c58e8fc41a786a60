"""A copy of a request that takes unusually long."""
