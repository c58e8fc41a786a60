"""A seeded mix of everything that can go wrong, and a check of every single answer."""
