"""What the servers have seen."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class Seen:
    """One arrival of a request at a server."""

    server: int
    nonce: str
    method: str
    target: str
    length: int = 0
    """Bytes of its body that came."""
    digest: str = ""
    state: str = "head"
    """``head``: nothing is known of its body; else ``whole``, ``cut`` or ``broken``."""


@dataclass(slots=True)
class Ledger:
    """All arrivals, in the order in which each server saw them."""

    arrivals: list[Seen] = field(default_factory=list)

    def of(self, nonce: str) -> list[Seen]:
        """Those of a request."""
        return [seen for seen in self.arrivals if seen.nonce == nonce]


def parsed(lines: Iterable[str]) -> list[Seen]:
    """The arrivals in a server's file. A killed server may have left half a line at its end."""
    arrivals: dict[str, Seen] = {}
    for text in lines:
        try:
            kind, server, name, *rest = json.loads(text)
        except ValueError:
            continue
        if kind == "head":
            nonce, method, target = rest
            arrivals[name] = Seen(server, nonce, method, target)
        else:
            seen = arrivals[name]
            seen.length, seen.digest, seen.state = rest
    return list(arrivals.values())


def read(files: Iterable[Path]) -> Ledger:
    """Those of all servers."""
    found: list[Seen] = []
    for file in files:
        if file.exists():
            found += parsed(file.read_text().splitlines())
    return Ledger(found)
