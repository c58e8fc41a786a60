"""What a route may change: the path, the fields, and addresses on their way up or down."""

from typing import Annotated, Protocol, TypeAlias, runtime_checkable

import msgspec

from proxy.core.options import Table, described


class RewriteOptions(Table, frozen=True, kw_only=True):
    """Search and replace on the path, once, between strip_prefix and add_prefix."""

    pattern: Annotated[
        str,
        described(
            "Regular expression (RE2), searched for in the path without its query; "
            "the first match is replaced, ^ and $ tie it to the whole path."
        ),
    ]
    replacement: Annotated[
        str,
        described(
            "What takes the place of the match; \\1 is the first group, \\g<name> a named one."
        ),
    ]


class HeaderRules(Table, frozen=True, kw_only=True):
    """Changes to header fields: remove, then set, then add."""

    set: Annotated[
        dict[str, str],
        described(
            "Fields that replace all of their name; values know {client_addr} {request_id} {host}."
        ),
    ] = msgspec.field(default_factory=dict)
    add: Annotated[
        dict[str, str], described("Fields that are added to those of their name; values as in set.")
    ] = msgspec.field(default_factory=dict)
    remove: Annotated[tuple[str, ...], described("Names of fields that are removed.")] = ()


StripPrefix: TypeAlias = Annotated[
    str, described("Segments that are taken off the start of the path, where it has them.")
]
AddPrefix: TypeAlias = Annotated[
    str, described("Segments that are put before the path, after all other changes.")
]
RewriteTable: TypeAlias = Annotated[
    RewriteOptions | None,
    described("Search and replace on the path, between strip_prefix and add_prefix."),
]
RewriteLocation: TypeAlias = Annotated[
    bool,
    described(
        "Where host or path are changed, change Location, Content-Location, Refresh and the "
        "Domain and Path of cookies back to what the client knows."
    ),
]
RequestHeaders: TypeAlias = Annotated[
    HeaderRules | None,
    described(
        "Changes to the fields of requests; remove and set find a name with _ in place of - too."
    ),
]
ResponseHeaders: TypeAlias = Annotated[
    HeaderRules | None,
    described(
        "Changes to the fields of replies. What remove and set name is also left out of trailers "
        "and of informational replies (103). Answers that the proxy itself makes in place of a "
        "reply, such as 502 and 429, are not changed."
    ),
]


@runtime_checkable
class Changes(Protocol):
    """What ``Rewrite`` reads of the options of a route, which stand in ``[[routes]]``."""

    @property
    def strip_prefix(self) -> str:
        """A path, or nothing."""

    @property
    def add_prefix(self) -> str:
        """A path, or nothing."""

    @property
    def rewrite(self) -> RewriteOptions | None:
        """A table, or nothing."""

    @property
    def rewrite_location(self) -> bool:
        """Whether addresses are turned around."""

    @property
    def request_headers(self) -> HeaderRules | None:
        """Rules, or nothing."""

    @property
    def response_headers(self) -> HeaderRules | None:
        """Rules, or nothing."""
