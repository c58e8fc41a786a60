"""Sends requests to servers: their names, connections, TLS, credentials and health checks."""
