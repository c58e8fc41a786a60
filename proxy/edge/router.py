"""Which route takes a request."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Annotated, Final, Generic, TypeVar

import msgspec

from proxy.core.errors import MethodNotAllowed, NoRoute
from proxy.core.options import Table, described
from proxy.core.patterns import Paths
from proxy.edge.route_fields import is_told
from proxy.http.authority import WILDCARD, host_pattern, hostname
from proxy.http.fields import RawHeaders, values
from proxy.http.grammar import TOKEN
from proxy.http.target import literal_path

T_co = TypeVar("T_co", covariant=True)

_EXACT, _WILD, _ANY = range(3)
_REGEX, _PREFIX = range(2)
_CATCH_ALL: Final = (_ANY, 0, _PREFIX, 0, 0)

USUAL: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY")
"""What ``Allow`` names for a route that takes every method."""
_USUAL: Final = frozenset(USUAL)
_REFLECTING: Final = frozenset({"TRACE", "TRACK"})
"""Methods that send back what came, credentials included: only routes that name them take them."""


class RouteOptions(Table, frozen=True, kw_only=True):
    """Which requests a route takes."""

    host: Annotated[
        str, described('"api.example.com", or "*.example.com" for every name below; else any.')
    ] = ""
    path: Annotated[
        str,
        described(
            'Prefix of whole segments. "/v1" and "/v1/" mean the same: /v1 and all below it, not '
            "/v10. No access control: it takes neither //v1 nor /v1;a nor /v1%2Fa, which a server "
            "may read as /v1."
        ),
    ] = "/"
    path_regex: Annotated[
        str, described("Regular expression (RE2) that matches the whole path, instead of path.")
    ] = ""
    methods: Annotated[
        tuple[str, ...],
        described(
            "Methods that the route takes, HEAD only if it is named; without this option all but "
            'TRACE and TRACK. There is no "*": leave the option out.'
        ),
    ] = ()
    headers: Annotated[
        dict[str, str],
        described('Fields that the request must carry with these values; "*" is any value.'),
    ] = msgspec.field(default_factory=dict)
    upstream: Annotated[str, described("Name of the upstream that requests are forwarded to.")]


def rank(options: RouteOptions) -> tuple[int, ...]:
    """Where a route stands: of two that match, the smaller one wins, on a tie the first.

    Exact host before wildcard before none; regex before prefix; the longer; then the one that
    names more. Any restriction of the method counts as one name, each field as one.
    """
    host = host_pattern(options.host)
    kind = _ANY if not host else _WILD if host.startswith(WILDCARD) else _EXACT
    named = bool(options.methods) + len(options.headers)
    if options.path_regex:
        path = (_REGEX, -len(options.path_regex))
    else:
        path = (_PREFIX, -len(literal_path(options.path, what="path")))
    return (kind, -len(host) if kind == _WILD else 0, *path, -named)


RANKED_BY: Final = ("host", "host", "path", "path", "choice of methods and headers")
"""What the numbers of a rank speak of."""


class _Rule(Generic[T_co]):
    """What a route asks of a request beyond host and path."""

    __slots__ = ("fields", "methods", "target")

    def __init__(self, options: RouteOptions, target: T_co) -> None:
        for name in (*options.methods, *options.headers):
            if not TOKEN.fullmatch(name.encode()):
                raise ValueError(f"{name!r} is not the name of a method or a field")
        self.methods = frozenset(options.methods)
        self.fields = [
            (name.lower().encode(), None if value == "*" else value.strip().encode())
            for name, value in options.headers.items()
        ]
        self.target = target

    def takes(self, method: str) -> bool:
        """Whether the route takes this method, by its name or because it takes all."""
        if self.methods:
            return method in self.methods
        return method in _USUAL or method.upper() not in _REFLECTING

    def carried_by(self, headers: RawHeaders) -> bool:
        """Whether the request has the fields that the route names."""
        for wanted, value in self.fields:
            given = values(headers, wanted)
            if not given or (value is not None and value not in [each.strip() for each in given]):
                return False
        return True


class _Rules(Generic[T_co]):
    """The rules of one path, in the order of rank."""

    __slots__ = ("_by_value", "_others", "_rules")

    def __init__(self) -> None:
        self._rules: list[_Rule[T_co]] = []
        self._others: list[int] = []
        """Numbers of the rules that ask for no field with one given value."""
        self._by_value: dict[bytes, dict[bytes, list[int]]] = {}
        """All others, by the name and the value of the first such field."""

    def add(self, rule: _Rule[T_co]) -> None:
        """A rule that ranks below those before it."""
        number = len(self._rules)
        self._rules.append(rule)
        for name, value in rule.fields:
            if value is not None:
                self._by_value.setdefault(name, {}).setdefault(value, []).append(number)
                return
        self._others.append(number)

    def possible(self, headers: RawHeaders) -> Sequence[_Rule[T_co]]:
        """Those that the request may satisfy, in the order of rank."""
        if not self._by_value:
            return self._rules
        found = self._others.copy()
        for name, by_value in self._by_value.items():
            for value in {given.strip() for given in values(headers, name)}:
                found += by_value.get(value, ())
        return [self._rules[number] for number in sorted(found)]


class _Paths(Generic[T_co]):
    """The rules of one host pattern by path, the more specific ones first."""

    __slots__ = ("_by_regex", "_lengths", "_prefixes", "_regexes")

    def __init__(self, ranked: Sequence[tuple[RouteOptions, _Rule[T_co]]]) -> None:
        self._by_regex: list[_Rule[T_co]] = []
        self._prefixes: dict[str, _Rules[T_co]] = {}
        patterns: list[str] = []
        for options, rule in ranked:
            if options.path_regex:
                patterns.append(options.path_regex)
                self._by_regex.append(rule)
            else:
                prefix = literal_path(options.path, what="path").decode()
                self._prefixes.setdefault(prefix, _Rules()).add(rule)
        self._regexes = Paths(patterns) if patterns else None
        self._lengths = sorted({len(prefix) for prefix in self._prefixes}, reverse=True)

    def matching(self, path: str, headers: RawHeaders) -> Iterator[_Rule[T_co]]:
        """Rules whose path this is, less those that want a field with another value."""
        if self._regexes is not None:
            for index in self._regexes.matching(path):
                yield self._by_regex[index]
        size = len(path)
        for length in self._lengths:
            if length == size or (length < size and path[length] == "/"):
                rules = self._prefixes.get(path[:length])
                if rules is not None:
                    yield from rules.possible(headers)


class _Hosts(Generic[T_co]):
    """The rules of all host patterns."""

    __slots__ = ("_by_name", "_wild", "anywhere")

    def __init__(self, ranked: Sequence[tuple[RouteOptions, T_co]]) -> None:
        hosts: dict[str, list[tuple[RouteOptions, _Rule[T_co]]]] = {}
        for options, target in ranked:
            rules = hosts.setdefault(host_pattern(options.host), [])
            rules.append((options, _Rule(options, target)))
        paths = {host: _Paths(rules) for host, rules in hosts.items()}
        # What a request falls through to is written out for each name, so that finding it is one
        # look-up for each label of its host at most.
        self.anywhere = [paths[""]] if "" in paths else []
        """What a request of any host falls through to."""
        suffixes = [host[1:] for host in paths if host.startswith(WILDCARD)]
        self._wild: dict[str, list[_Paths[T_co]]] = {}
        for suffix in sorted(suffixes, key=len):  # wider ones first
            self._wild[suffix] = [paths["*" + suffix], *self._by_suffix(suffix[1:])]
        self._by_name = {
            host: [paths[host], *self._by_suffix(host)]
            for host in paths
            if host and not host.startswith(WILDCARD)
        }

    @property
    def named(self) -> bool:
        """Whether any route names a host."""
        return bool(self._by_name or self._wild)

    def _by_suffix(self, name: str) -> list[_Paths[T_co]]:
        """What is found for a name of which nothing but its end is known, the longest end first."""
        if self._wild:
            dot = name.find(".")
            while dot >= 0:
                if (candidates := self._wild.get(name[dot:])) is not None:
                    return candidates
                dot = name.find(".", dot + 1)
        return self.anywhere

    def of(self, host: str) -> Sequence[_Paths[T_co]]:
        """The rules that may take a request to this host, the more specific ones first."""
        name = hostname(host)
        candidates = self._by_name.get(name)
        return self._by_suffix(name) if candidates is None else candidates


class Router(Generic[T_co]):
    """Finds the most specific route. Built once; a new configuration is a new router."""

    __slots__ = ("_hosts", "find", "identifies")

    find: Callable[[str, str, str, RawHeaders], T_co]
    """``find(method, host, path, headers)``: host as the client sent it, path in its normal form.

    Raises NoRoute, or MethodNotAllowed where routes match but for the method.
    """

    def __init__(self, routes: Sequence[tuple[RouteOptions, T_co]]) -> None:
        """Raises ValueError where an option makes no sense."""
        ranked = sorted(routes, key=lambda route: rank(route[0]))
        hosts = self._hosts = _Hosts(ranked)
        self.identifies = any(is_told(n.encode()) for each, _ in routes for n in each.headers)
        # Not methods of its own, with which it would hold itself beyond a reload.
        self.find = partial(_find_by_host if hosts.named else _find_anywhere, hosts)
        # Nothing ranks below a catch-all, so one that stands first stands alone.
        if ranked and rank(ranked[0][0]) == _CATCH_ALL:
            self.find = partial(_find_only, (hosts, ranked[0][1]))

    def allowed(self, host: str, path: str, headers: RawHeaders) -> tuple[str, ...]:
        """The methods that some route takes here, as ``Allow`` names them."""
        return _allowed(self._hosts.of(host), path, headers)

    def at(self, host: str, path: str, headers: RawHeaders) -> Iterator[T_co]:
        """The routes here, in the order of their rank, whatever methods they take."""
        rules = (rule for paths in self._hosts.of(host) for rule in paths.matching(path, headers))
        return (rule.target for rule in rules if rule.carried_by(headers))


def _find_only(
    known: tuple[_Hosts[T_co], T_co], method: str, host: str, path: str, headers: RawHeaders
) -> T_co:
    hosts, only = known
    if method not in _USUAL and method.upper() in _REFLECTING:
        return _choose(hosts.anywhere, method, path, headers)
    return only


def _find_anywhere(
    hosts: _Hosts[T_co], method: str, host: str, path: str, headers: RawHeaders
) -> T_co:
    return _choose(hosts.anywhere, method, path, headers)


def _find_by_host(
    hosts: _Hosts[T_co], method: str, host: str, path: str, headers: RawHeaders
) -> T_co:
    return _choose(hosts.of(host), method, path, headers)


def _allowed(candidates: Sequence[_Paths[T_co]], path: str, headers: RawHeaders) -> tuple[str, ...]:
    allow: set[str] = set()
    for paths in candidates:
        for rule in paths.matching(path, headers):
            if rule.carried_by(headers):
                allow.update(rule.methods or USUAL)
    return tuple(sorted(allow))


def _choose(
    candidates: Sequence[_Paths[T_co]], method: str, path: str, headers: RawHeaders
) -> T_co:
    allow: set[str] = set()
    for paths in candidates:
        for rule in paths.matching(path, headers):
            if rule.fields and not rule.carried_by(headers):
                continue
            if rule.takes(method):
                return rule.target
            allow.update(rule.methods or USUAL)
    if allow:
        raise MethodNotAllowed(f"no route takes {method} on {path}", tuple(sorted(allow)))
    raise NoRoute(f"no route for {path}")
