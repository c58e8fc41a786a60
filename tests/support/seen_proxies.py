"""What proxies have told ``sidecar-proxy top``."""

from typing import Any

from proxy.admin.top.watch import Known, Seen

AT = 1_700_000_000.0


def seen(routes: int = 1, servers: int = 1, **causes: list[dict[str, Any]]) -> Seen:
    """A proxy with so many of each, of which the last one has failed or is drained."""
    names = [f"http://10.0.0.{number}:80" for number in range(servers)]
    series = [[f"/r{number}", "api", names[number % servers]] for number in range(routes)]
    rows = [
        [number, 100 - number, 1 if number == routes - 1 else 0, 0, 0, 0, [1] * 6, {"8": 1}]
        for number in range(routes)
    ]
    known = {"healthy": True, "paused_s": 0.0, "in_flight": 0, "connections": 0}
    told = [known | {"endpoint": name, "withdrawn": name == names[-1]} for name in names]
    return Seen(
        "127.0.0.1:9901",
        {"at": AT, "now": [], "before": [], **causes},
        {"series": series, "steps": [{"rows": rows}]},
        {"in_flight": [], "exchanges": []},
        {"upstreams": {"api": told}, "breakers": [], "concurrency": {}},
    )


def well(**causes: list[dict[str, Any]]) -> Seen:
    """One on which no call has failed, and no server is drained."""
    found = seen(1, 1, **causes)
    found.history["steps"][0]["rows"][0][2] = 0
    found.state["upstreams"]["api"][0]["withdrawn"] = False
    return found


def episode(cause: str = "first_byte", route: str = "/v1", **fields: Any) -> dict[str, Any]:
    """One that goes on."""
    known = {
        "upstream": "api",
        "server": "",
        "since": AT - 9,
        "last": AT,
        "number": 2,
        "worst": 3.0,
    }
    return known | {"cause": cause, "route": route, "usual": 0.08, "about": "", **fields}


def known(address: str = "127.0.0.1:9901", found: Seen | None = None, **fields: Any) -> Known:
    """One that is asked."""
    return Known(address, found, **fields)
