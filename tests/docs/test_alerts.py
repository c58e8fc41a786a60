"""When the alerts in ``deploy/`` fire, and when they do not."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ALERTS = Path("deploy/alerts.yaml")
ROUTE = {"instance": "a", "route": "/v1"}
SERVER = {"instance": "a", "upstream": "api", "endpoint": "http://h"}
STATES = ("closed", "open", "half-open")


def series(name: str, values: str, **labels: str) -> dict[str, str]:
    said = ",".join(f"{key}='{value}'" for key, value in labels.items())
    return {"series": f"sidecar_proxy_{name}{{{said}}}", "values": values}


def requests(**by_status: str) -> list[dict[str, str]]:
    return [
        series("requests_total", values, **ROUTE, method="GET", status=status[1:])
        for status, values in by_status.items()
    ]


def attempts(**by_outcome: str) -> list[dict[str, str]]:
    return [
        series("attempts_total", values, **SERVER, outcome=outcome[1:].replace("_", "-"))
        for outcome, values in by_outcome.items()
    ]


def breaker(ejections: str, **values: str) -> list[dict[str, str]]:
    """Of a server, by the minute."""
    found = [series("breaker_ejections_total", ejections, **SERVER, route="/v1")]
    for state in STATES:
        told = values.get(state.replace("-", "_"), "0x60")
        found.append(series("breaker_state", told, **SERVER, route="/v1", state=state))
    return found


def waits(**by_bound: str) -> list[dict[str, str]]:
    labels = {**ROUTE, "upstream": "api"}
    return [
        series("request_queue_seconds_bucket", values, **labels, le=bound[1:].replace("_", "."))
        for bound, values in by_bound.items()
    ]


def alert(severity: str, summary: str, **labels: str) -> dict[str, Any]:
    return {
        "exp_labels": {"severity": severity, **labels},
        "exp_annotations": {"summary": summary},
    }


CASES: dict[str, tuple[str, list[dict[str, str]], list[dict[str, Any]]]] = {
    "clients leave an API that hangs": (
        "SidecarProxyClientsLeave",
        requests(_499="0+15x60", _200="0+45x60"),
        [alert("warning", "/v1: 25% of the clients leave before they have an answer", **ROUTE)],
    ),
    "some clients leave": (
        "SidecarProxyClientsLeave",
        requests(_499="0+6x60", _200="0+54x60"),
        [],
    ),
    "one client of a quiet route left": (
        "SidecarProxyClientsLeave",
        requests(_499="0x40 1x20", _200="1x60"),
        [],
    ),
    "bodies break off": (
        "SidecarProxyBrokenReplies",
        [
            *requests(_200="0+60x60"),
            series("errors_total", "0+6x60", **ROUTE, error="http_response_incomplete"),
            series("errors_total", "0+6x60", **ROUTE, error="http_response_timeout"),
        ],
        [alert("page", "/v1: 20% of the replies break off, or do not come in time", **ROUTE)],
    ),
    "clients leave in the midst of bodies": (
        "SidecarProxyBrokenReplies",
        [
            *requests(_200="0+60x60"),
            series("errors_total", "0+60x60", **ROUTE, error="client_gone"),
        ],
        [],
    ),
    "stale replies stand in for an API that is down": (
        "SidecarProxyStaleReplies",
        [
            *attempts(_200="5x60", _connect_failure="0+20x60"),
            series("cache_stale_total", "0+40x60", **ROUTE),
        ],
        [
            alert(
                "page",
                "api: 100% of the attempts fail, and stale replies are given; they end with "
                "stale_if_error",
                instance="a",
                upstream="api",
            )
        ],
    ),
    "stale replies while an API that is well is asked again": (
        "SidecarProxyStaleReplies",
        [
            *attempts(_200="0+20x60", _404="0+40x60", _503="0+5x60", _hedged="0+90x60"),
            series("cache_stale_total", "0+40x60", **ROUTE),
        ],
        [],
    ),
    "an API that is down where nothing is stored": (
        "SidecarProxyStaleReplies",
        [*attempts(_503="0+20x60"), series("cache_stale_total", "0x60", **ROUTE)],
        [],
    ),
    "an ejected server on a route that nobody asks": (
        "SidecarProxyEjected",
        breaker("0 0 1x58", closed="1 1 0x58", open="0 0 1 0x57", half_open="0 0 0 1x57"),
        [],
    ),
    "a server that stays ejected": (
        "SidecarProxyEjected",
        breaker("0 1x59", open="0 1x59", closed="1 0x59"),
        [alert("warning", "http://h of api fails and is ejected", **SERVER)],
    ),
    "a server that fails each of its trials": (
        "SidecarProxyEjected",
        breaker(
            "0+1x60",
            open=" ".join(["1 0"] * 30),
            half_open=" ".join(["0 1"] * 30),
        ),
        [alert("warning", "http://h of api fails and is ejected", **SERVER)],
    ),
    "requests wait": (
        "SidecarProxyQueue",
        waits(_5_0="0+5x60", _10_0="0+10x60", **{"_+Inf": "0+10x60"}),
        [
            alert(
                "warning",
                "/v1 to api: one request in twenty waits 9.5s to be let through: for a permit, "
                "a rate limit, a quota, a server to connect to, or the answer to an equal request",
                **ROUTE,
                upstream="api",
            )
        ],
    ),
}


@pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)"
)
@pytest.mark.parametrize(("name", "given", "expected"), CASES.values(), ids=CASES)
def test_an_alert_fires_when_its_summary_is_true(
    name: str, given: list[dict[str, str]], expected: list[dict[str, Any]], tmp_path: Path
) -> None:
    case = {
        "rule_files": [str(ALERTS.resolve())],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": given,
                "alert_rule_test": [
                    {"eval_time": f"{minute}m", "alertname": name, "exp_alerts": expected}
                    for minute in ((50, 51) if expected else range(60))
                ],
            }
        ],
    }
    file = tmp_path / "case.yaml"
    file.write_text(json.dumps(case), encoding="utf-8")  # JSON is YAML
    done = subprocess.run(
        ["promtool", "test", "rules", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
