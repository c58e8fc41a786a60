"""HTTP/1.1 as upstreams speak it."""
