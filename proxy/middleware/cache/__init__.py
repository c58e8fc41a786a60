"""Answers from stored replies."""
