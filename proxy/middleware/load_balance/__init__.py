"""Which server gets an attempt, and which is left alone."""
