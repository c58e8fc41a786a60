"""An API recorded for tests, and replayed without it."""
