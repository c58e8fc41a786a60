"""Seconds and calls, as a recorder makes them."""

from typing import Any

from proxy.telemetry.buckets import bucket
from proxy.telemetry.call import Call
from proxy.telemetry.second import Cell, Second
from proxy.telemetry.why import Try

SERVER = "http://10.0.0.2:9000"


def cell(calls: int = 1, *, route: str = "/v1", server: str = SERVER, **fields: Any) -> Cell:
    known: dict[str, Any] = {"failed": 0, "denied": 0, "bytes_in": 0, "bytes_out": 0}
    spent = [0.0, 0.0, 0.0, 0.0, 0.5 * calls, 0.0]
    known |= {"phases": spent, "counts": {bucket(0.5): calls}}
    return Cell(route=route, upstream="api", server=server, calls=calls, **known | fields)


def second(at: float, *cells: Cell, **fields: Any) -> Second:
    known: dict[str, Any] = {"flying": [], "in_flight": [], "kept": [], "hits": [], "events": []}
    return Second(at=at, cells=list(cells), **known | fields)


def call(number: int, *, failed: bool, long: bool = False) -> Call:
    text = "x" * (300 if long else 10)
    tries = [Try(server=SERVER, outcome="503", at=0.0, connect=0.0, seconds=1.0)] * 12
    return Call(
        id=f"r{number}", at=1.0 * number, method="GET", target=f"/{text}", host=text, client=text,
        seconds=1.0, phases=[0.1] * 6, cause="first_byte", why=text, failed=failed,
        tries=tries if long else [], user_agent=text,
    )  # fmt: skip
