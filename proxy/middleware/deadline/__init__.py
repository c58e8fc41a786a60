"""How long the client will wait."""
