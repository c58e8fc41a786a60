"""Decisions as plain objects: no waiting, no HTTP."""
