"""What RFCs say about bytes and fields: bytes in, values out; no asyncio, no aiohttp."""
