"""The credentials that the proxy shows an upstream: one or several, which may change."""
