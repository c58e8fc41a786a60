"""Streams of events that outlive a connection of their client."""
