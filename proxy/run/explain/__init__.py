"""``sidecar-proxy explain``."""
