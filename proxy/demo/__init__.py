"""A slow API to try the proxy on: it waits, streams, fails and echoes. Its own process."""
