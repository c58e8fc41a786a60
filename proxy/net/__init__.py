"""Timers, sockets and queues; no HTTP."""
