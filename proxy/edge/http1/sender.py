"""Who is at the other end of a client's connection, as far as anybody has said it."""

import asyncio
from hashlib import sha256
from typing import NamedTuple

from proxy.http.client_cert import client_cert_fields
from proxy.http.fields import Fields


class Sender(NamedTuple):
    """See ``ClientStream`` for the first three."""

    peer: str
    peer_known: bool
    identity: Fields
    name: str
    """Made of the others: where it is the same, the same bytes say the same."""


def sender(transport: asyncio.BaseTransport, introduced: str | None) -> Sender:
    """``introduced``: what a balancer has said of its client, its address or empty; None: nobody.

    Somebody without an address has the balancer's, but is not believed as the balancer is.
    """
    end = transport.get_extra_info("peername")
    peer = introduced or (end[0] if isinstance(end, tuple) else "")
    known = introduced != ""
    name = peer if known else f"{peer} for somebody"
    encryption = transport.get_extra_info("ssl_object")
    if encryption is None or (certificate := encryption.getpeercert(binary_form=True)) is None:
        return Sender(peer, known, [], name)
    subject = encryption.getpeercert().get("subject", ())
    identity = client_cert_fields(certificate, subject)
    return Sender(peer, known, identity, name + sha256(certificate).hexdigest())
