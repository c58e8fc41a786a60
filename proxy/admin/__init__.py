"""The admin listener: API, page, metrics, and the commands that ask it."""
