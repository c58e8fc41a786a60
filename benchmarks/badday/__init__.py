"""The same seeded bad day for several proxies, one after the other."""
