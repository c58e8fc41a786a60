"""What is known of a call that is explained."""

from typing import Any

from proxy.telemetry.phases import NAMES, Phases
from proxy.telemetry.why import Why


def why(phase: str = "first_byte", **fields: Any) -> Why:
    """One of 2.3 seconds, most of which it has spent in this phase."""
    spent = Phases(*(2.1 if name == phase else 0.05 for name in NAMES))
    known: dict[str, Any] = {
        "seconds": 2.3,
        "phases": spent,
        "upstream": "api",
        "server": "http://10.0.0.2:9000",
        "route": "/v1",
        "client": "10.0.0.7",
        "status": 200,
        "error": "",
        "bytes_out": 1200,
        "tries": [],
        "in_flight": False,
        "asked": True,
    }
    return Why(**known | fields)
