"""Comments while a stream of events is silent, and an event that says what went wrong."""
