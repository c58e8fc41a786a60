"""Figures that the documentation quotes, and what measures them."""
