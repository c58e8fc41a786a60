"""The listener: reads requests, finds their route, writes replies, and holds clients to limits."""
