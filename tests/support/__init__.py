"""What the tests stand on: raw sockets on both sides, and a clock that jumps."""
