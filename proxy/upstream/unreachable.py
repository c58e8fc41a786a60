"""Why a server cannot be connected to, in a sentence."""

import ssl
from typing import Final

from aiohttp import ClientConnectorCertificateError, ClientRequest

from proxy.core.clock import monotonic
from proxy.core.errors import UpstreamError
from proxy.upstream.certificate import MISMATCH, names
from proxy.upstream.translate import Place, connect_error

_REMEMBERED: Final = 60.0
"""Seconds for which the names of a wrong certificate are remembered."""


class Unreachable:
    """Knows where connections to one server go."""

    __slots__ = ("_named", "_named_until", "_template", "name")

    def __init__(self, template: ClientRequest, name: str) -> None:
        """``name``: what sentences call the server, else its URL."""
        self._template = template
        self._named = ""
        self._named_until = 0.0
        self.name = name or str(template.url.origin())

    async def why(self, error: Exception, *, looking_up: bool, patience: float) -> UpstreamError:
        """The error to raise. ``patience``: of the clock that was running, in seconds."""
        url, tls = self._template.url, self._template.is_ssl()
        place = Place(self.name, url.host or "", url.port or 0, patience)
        failed = connect_error(error, tls=tls, looking_up=looking_up, place=place)
        if isinstance(error, ClientConnectorCertificateError):
            failed.detail += await self._names(error.certificate_error)
        return failed

    async def _names(self, error: Exception) -> str:
        """What to say where the certificate is for other names; found out once in a while."""
        if getattr(error, "verify_code", 0) not in MISMATCH:
            return ""
        now = monotonic()
        if now >= self._named_until:
            self._named_until = now + _REMEMBERED
            template = self._template
            context = template.ssl if isinstance(template.ssl, ssl.SSLContext) else None
            host, port = template.url.host or "", template.url.port or 443
            self._named = await names(host, port, template.server_hostname or "", context)
        return f"; it is for {self._named}" if self._named else ""
