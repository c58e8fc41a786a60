"""Reload again and again under load: what fails, what is cut, what is late, what is left."""
