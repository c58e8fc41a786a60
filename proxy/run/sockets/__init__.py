"""The sockets that clients and operators come by."""
