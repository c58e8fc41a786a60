"""``sidecar-proxy top``: what the page shows, at a glance, in a terminal."""
