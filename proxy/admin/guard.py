"""Which requests the admin listener answers: those that its operator's own tools send.

A page of another site can make a browser ask us in two ways: by a name of its own that it lets
point to our address (DNS rebinding; the Host is then foreign), or by a request across sites (the
Origin is then foreign, or Sec-Fetch-Site says so). Neither is answered, but for a link to a page.

What changes something needs a token too, where others than this machine reach the listener.
"""

import hmac
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from proxy.admin.options import AdminOptions
from proxy.core.looks import Looks
from proxy.core.secret_file import SecretFile, filled
from proxy.http.authority import hostname
from proxy.net.addresses import is_ip, is_local

Next = Callable[[web.Request], Awaitable[web.StreamResponse]]

_LOCAL: Final = "localhost"
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_NO_TOKEN: Final = "nothing can be changed from outside this machine without [admin] token_file\n"
_WRONG_TOKEN: Final = "this changes something: expected Authorization: Bearer TOKEN\n"


class Guard:
    """Refuses requests with a foreign Host or Origin; an aiohttp middleware."""

    __slots__ = ("_hosts", "_looks", "_names", "_open", "_token")

    __middleware_version__ = 1

    def __init__(self, options: AdminOptions) -> None:
        """``options``: the names of the admin listener. Raises OSError or ValueError where its
        token file cannot be used."""
        self._open = is_local(options.listen)
        self._token = SecretFile(options.token_file, filled) if options.token_file else None
        self._looks = None if self._token is None else Looks(self._token.changed)
        self._hosts = {_name(host) for host in options.hosts}
        self._names = {_LOCAL, _name(options.listen), *self._hosts}

    def follow(self, other: "Guard") -> None:
        """Go by the options of this one from now on."""
        self._open, self._token, self._looks = other._open, other._token, other._looks
        self._hosts, self._names = other._hosts, other._names

    async def __call__(self, request: web.Request, handler: Next) -> web.StreamResponse:
        """Answer with 403 what comes by another name or from another site."""
        hosts = request.headers.getall("Host", [])
        # With an absolute-form target its authority counts (RFC 9112 3.2.2), and is ``host``.
        names = hosts if request.raw_path.startswith(("/", "*")) else [*hosts, request.host]
        if len(hosts) > 1 or not all(map(self._is_ours, names)):
            return _refused("this Host is not a name of the admin listener")
        for origin in request.headers.getall("Origin", []):
            authority = origin.partition("://")[2].lower()
            if authority not in map(str.lower, hosts) and _name(authority) not in self._hosts:
                return _refused("requests from pages of other sites are refused")
        if _from_other_page(request):
            return _refused("requests from pages of other sites are refused")
        if request.method not in _SAFE and not self._open:
            token, looks = self._token, self._looks
            if token is None or looks is None:
                return web.Response(status=403, text=_NO_TOKEN)
            if token.may_change:
                await looks.look()  # each time: it may be another one now
            if not _authorized(token, request.headers.get("Authorization", "")):
                asked = {"WWW-Authenticate": "Bearer"}
                return web.Response(status=401, text=_WRONG_TOKEN, headers=asked)
        return await handler(request)

    def _is_ours(self, authority: str) -> bool:
        """Whether no site of somebody else can have this name.

        Addresses are nobody's name, and localhost names never leave the machine (RFC 6761 6.3).
        """
        name = _name(authority)
        return name in self._names or name.endswith("." + _LOCAL) or is_ip(name)


def _authorized(wanted: SecretFile, given: str) -> bool:
    """Whether the token is the one in the file."""
    scheme, _, token = given.partition(" ")
    known = hmac.compare_digest(token.strip().encode("utf-8", "surrogateescape"), wanted.value)
    return scheme.lower() == "bearer" and known


def _from_other_page(request: web.Request) -> bool:
    """Whether a browser says so (W3C Fetch Metadata); following a link to us is no harm."""
    sites = request.headers.getall("Sec-Fetch-Site", [])
    if {"none", "same-origin"}.issuperset(sites):
        return False
    link = (request.headers.get("Sec-Fetch-Mode"), request.headers.get("Sec-Fetch-Dest"))
    return link != ("navigate", "document") or request.method not in _SAFE


def _refused(why: str) -> web.Response:
    return web.Response(status=403, text=f"{why}; [admin] hosts names more\n")


def _name(authority: str) -> str:
    """The host of an authority in lower case, without port, brackets and final dot."""
    if authority.count(":") > 1 and not authority.startswith("["):  # an address without brackets
        return authority.lower()
    return hostname(authority).strip("[]")
