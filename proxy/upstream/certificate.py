"""Which names a server's certificate has, once it had not the one that was wanted."""

import asyncio
import ssl
from typing import Any, Final

from proxy.net.look_ups import connected
from proxy.net.trust import same_on_every_python

_PATIENCE: Final = 2.0
"""Seconds: it is for a sentence only."""
MISMATCH: Final = frozenset({62, 64})
"""X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH."""
_SHOWN: Final = 8


async def names(host: str, port: int, asked: str, context: ssl.SSLContext | None) -> str:
    """The names, with commas; empty where they cannot be had.

    Only where nothing but the name was wrong: the chain is checked here as well, by the
    authorities of ``context``, and nothing is sent.
    """
    try:
        async with asyncio.timeout(_PATIENCE):
            _, writer = await asyncio.open_connection(
                sock=await connected(host, port),
                ssl=_unnamed(context),
                server_hostname=asked or host,
            )
            certificate = writer.get_extra_info("peercert")
            writer.close()
    except (OSError, ValueError):  # TimeoutError and ssl.SSLError are OSErrors
        return ""
    return listed(certificate or {})


def listed(certificate: dict[str, Any]) -> str:
    """The names in a certificate as ``SSLSocket.getpeercert`` gives it."""
    found = [value for kind, value in certificate.get("subjectAltName", ())]
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return ", ".join(found[:_SHOWN]) + more


def _unnamed(context: ssl.SSLContext | None) -> ssl.SSLContext:
    """Checks the same chain, and no name. The context in use is never changed."""
    made = ssl.create_default_context()
    if context is not None and (trusted := context.get_ca_certs(binary_form=True)):
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        made.load_verify_locations(cadata=b"".join(trusted))
    made.check_hostname = False
    return same_on_every_python(made)
