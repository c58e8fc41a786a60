"""The fields by which a route is chosen: nobody chooses by saying who he is himself.

A route may ask for fields that the proxy sets, such as X-Client-Cert-Subject and X-Forwarded-Proto.
What a client sends under such a name is dropped before it goes upstream, unless a trusted proxy has
sent it, and so it decides nothing here either. All others count as they were sent: Upgrade and
Connection, which do not go further, tell requests apart as well.
"""

from proxy.edge.forwarded import is_of_proxies
from proxy.http.client_cert import names_client_cert
from proxy.http.fields import RawHeaders


def is_told(name: bytes) -> bool:
    """Whether the proxy itself says this of a client, or a proxy that it trusts."""
    return names_client_cert(name) or is_of_proxies(name)


def route_fields(raw: RawHeaders, told: RawHeaders) -> RawHeaders:
    """``raw``: as they came; ``told``: as they go upstream, before rules of a route."""
    own = [field for field in raw if not is_told(field[0])]
    return own + [field for field in told if is_told(field[0])]
