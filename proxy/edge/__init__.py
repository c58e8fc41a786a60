"""The door that clients knock at."""
