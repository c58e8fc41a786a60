"""The proxy within an application of aiohttp."""
