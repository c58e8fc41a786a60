"""Assembly and life cycle."""
