"""Load where wrk does not fit; each is a process that prints one JSON object."""
