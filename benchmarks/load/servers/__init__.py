"""What is started as a process of its own: the raw upstream, and the peers written in Python."""
