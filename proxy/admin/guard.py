"""Which requests the admin listener answers: those that its operator's own tools send.

A page of another site can make a browser ask us in two ways: by a name of its own that it lets
point to our address (DNS rebinding; the Host is then foreign), or by a request across sites (the
Origin is then foreign). Neither is answered.
"""

import ipaddress
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from proxy.admin.options import AdminOptions
from proxy.http.authority import hostname

Next = Callable[[web.Request], Awaitable[web.StreamResponse]]

_LOCAL: Final = "localhost"
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_ELSEWHERE: Final = (
    "what changes something is refused, unless [admin] listen is a loopback address or a unix "
    "socket\n"
)


class Guard:
    """Refuses requests with a foreign Host or Origin; an aiohttp middleware."""

    __slots__ = ("_changes", "_hosts", "_names")

    __middleware_version__ = 1

    def __init__(self, options: AdminOptions) -> None:
        """``options``: the names of the admin listener."""
        self.follow(options)

    def follow(self, options: AdminOptions) -> None:
        """Know these names from now on."""
        self._changes = is_local(options.listen)
        self._hosts = {_name(host) for host in options.hosts}
        self._names = {_LOCAL, _name(options.listen), *self._hosts}

    async def __call__(self, request: web.Request, handler: Next) -> web.StreamResponse:
        """Answer with 403 what comes by another name or from another site."""
        hosts = request.headers.getall("Host", [])
        names = [*hosts, request.rel_url.authority] if request.rel_url.absolute else hosts
        if len(hosts) > 1 or not all(map(self._is_ours, names)):
            return _refused("this Host is not a name of the admin listener")
        for origin in request.headers.getall("Origin", []):
            authority = origin.partition("://")[2].lower()
            if authority not in map(str.lower, hosts) and _name(authority) not in self._hosts:
                return _refused("requests from pages of other sites are refused")
        if request.method not in _READING and not self._changes:
            return web.Response(status=403, text=_ELSEWHERE)
        return await handler(request)

    def _is_ours(self, authority: str) -> bool:
        """Whether no site of somebody else can have this name.

        Addresses are nobody's name, and localhost names never leave the machine (RFC 6761 6.3).
        """
        name = _name(authority)
        return name in self._names or name.endswith("." + _LOCAL) or _is_address(name)


def _refused(why: str) -> web.Response:
    return web.Response(status=403, text=f"{why}; [admin] hosts names more\n")


def _name(authority: str) -> str:
    """The host of an authority in lower case, without port, brackets and final dot."""
    if authority.count(":") > 1 and not authority.startswith("["):  # an address without brackets
        return authority.lower()
    return hostname(authority).strip("[]")


def is_local(listen: str) -> bool:
    """Whether only this host can reach this address of a listener."""
    if listen.startswith("unix:"):
        return True
    name = _name(listen)
    return name == _LOCAL or (_is_address(name) and ipaddress.ip_address(name).is_loopback)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
