"""Builds the proxy from its configuration, runs it, reloads it and stops it."""
