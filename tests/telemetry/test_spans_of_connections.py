"""What spans say of targets, and of the connections that they came and went on."""

from typing import Any

import pytest

from proxy.core.exchange import Exchange
from proxy.core.ties import Ties
from proxy.telemetry.spans import Span, Spans


def spans(**known: Any) -> list[Span]:
    """Of a GET that took a second; ``known``: what is set of it or of its record."""
    made = Exchange("GET", b"/v1/a", (), b"/v1/a", client="10.0.0.7", started_at=100.0, status=200)
    record = made.record
    record.upstream, record.endpoint, record.attempt_count = "api", "http://10.0.0.1:9000", 1
    record.attempt_began_at, record.connect_s, record.first_byte_at = 100.1, 0.1, 100.5
    for name, value in known.items():
        setattr(record if hasattr(record, name) else made, name, value)
    return Spans((), lambda bits: 0xABC).trace(made, 101.0).spans


@pytest.mark.parametrize(
    ("raw", "path", "query"),
    [
        (b"http://shop.example/a?x=1&token=secret", "/a", "x=1&token=***"),
        (b"http://shop.example?x=1", "/", "x=1"),
        (b"//a//b", "//a//b", None),
        (b"/a?", "/a", ""),
        (b"nothing", "nothing", None),  # it was refused
    ],
)
def test_the_path_and_query_are_parts_of_the_target(
    raw: bytes, path: str, query: str | None
) -> None:
    found = spans(raw_target=raw)[0].attributes
    assert (found["url.path"], found.get("url.query")) == (path, query)


class Connected:
    """A client's connection."""

    def __init__(self, name: object) -> None:
        self._name = name

    def get_extra_info(self, name: str) -> object:
        """Its other end."""
        return self._name if name == "peername" else None


@pytest.mark.parametrize(
    ("name", "peer"),
    [
        (("10.0.0.9", 4711), ("10.0.0.9", 4711)),
        (("::ffff:10.0.0.9", 4711, 0, 0), ("10.0.0.9", 4711)),
        (("::1", 4711, 0, 0), ("::1", 4711)),
        ("", (None, None)),
        (None, (None, None)),
    ],
)
def test_the_span_of_the_server_says_who_has_connected(
    name: object, peer: tuple[object, object]
) -> None:
    ties = Ties()
    ties.transport = Connected(name)
    found = spans(ties=ties)[0].attributes
    assert (found.get("network.peer.address"), found.get("network.peer.port")) == peer
    assert found["client.address"] == "10.0.0.7"  # for whom, as a trusted front says


@pytest.mark.parametrize(
    ("endpoint", "connect", "peer"),
    [
        ("http://10.0.0.1:9000", 0.1, ("10.0.0.1", 9000)),
        ("https://[::1]", 0.0, ("::1", 443)),
        ("unix:/run/a.sock", 0.0, ("/run/a.sock", None)),
        ("http://api.test:9000", 0.1, (None, None)),
        ("http://10.0.0.1:9000", None, (None, None)),
    ],
)
def test_the_span_of_an_attempt_says_what_it_was_connected_to(
    endpoint: str, connect: float | None, peer: tuple[object, object]
) -> None:
    found = spans(endpoint=endpoint, connect_s=connect)[1].attributes
    assert (found.get("network.peer.address"), found.get("network.peer.port")) == peer
