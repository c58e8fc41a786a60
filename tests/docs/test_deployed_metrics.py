"""What ``deploy/`` has for Prometheus and Grafana works on the metrics that there are."""

import asyncio
import contextlib
import json
import re
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from proxy.telemetry.metric_table import METRICS, STATES, TIMES, Type
from tests.support.client import ask
from tests.support.message import get, length
from tests.support.proxy import Proxy, fronted, proxied
from tests.support.upstream import HEALTHY, RawUpstream, Script

ALERTS = Path("deploy/alerts.yaml")
DASHBOARD = json.loads(Path("deploy/grafana.json").read_text(encoding="utf-8"))
PATIENCE = 60.0
BUSY: Script = ["wait-body", length(b"busy", b"503 Busy")]
QUIET = ("quota_wait", "timeouts", "coalesced", "changes(process_start")
"""Of the metrics in the dashboard, those of which nothing is told in the test."""

wants_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)"
)
wants_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="prometheus is not installed"
)


def panels() -> Iterator[dict[str, Any]]:
    return (panel for panel in DASHBOARD["panels"] if panel["type"] != "row")


def expressions() -> list[str]:
    """Those of the dashboard, as Grafana would ask them."""
    found = [target["expr"] for panel in panels() for target in panel["targets"]]
    found += [each["expr"] for each in DASHBOARD["annotations"]["list"]]
    for name, value in (("__rate_interval", "1m"), ("job", ".*"), ("instance", ".*")):
        found = [each.replace(f"${name}", value) for each in found]
    return [each.replace("$route", ".*") for each in found]


KNOWN: dict[str, set[str]] = {"up": set(), "sidecar_proxy_build_info": set()}
for row in (*METRICS, *STATES):
    KNOWN[row.full_name] = set(row.labels)
for row in TIMES:
    assert row.type is Type.HISTOGRAM
    for end in ("bucket", "sum", "count"):
        KNOWN[f"{row.full_name}_{end}"] = {*row.labels, "le"}


@pytest.mark.parametrize("text", [*expressions(), ALERTS.read_text(encoding="utf-8")])
def test_only_metrics_and_labels_are_named_that_there_are(text: str) -> None:
    found = re.findall(r"\b((?:sidecar_proxy|process)_\w+)(?:\{([^}]*)\})?", text)
    assert found
    for name, chosen in found:
        assert name in KNOWN
        labels = set(re.findall(r"(\w+)\s*(?:=~|!=|=|!~)", chosen))
        assert labels <= KNOWN[name] | {"job", "instance"}, name
    for grouped in re.findall(r"by \(([\w, ]+)\)", text):
        labels = set(grouped.replace(" ", "").split(",")) - {"job", "instance"}
        assert labels <= {label for name, _ in found for label in KNOWN[name]}


def test_the_dashboard_is_one_that_grafana_reads() -> None:
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(numbers)) == len(numbers)
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
    variables = {each["name"] for each in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)\}?", json.dumps(DASHBOARD)))
    assert used - {"__rate_interval", "__all"} == variables


@wants_promtool
def test_promtool_takes_the_alerts() -> None:
    done = subprocess.run(
        ["promtool", "check", "rules", str(ALERTS)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


REQUESTS = "sidecar_proxy_requests_total{instance='a',route='%s',status='%d'}"
HEALTH = "sidecar_proxy_endpoint_healthy{instance='a',upstream='%s',endpoint='%s'}"
CASE = {
    "rule_files": [str(ALERTS.resolve())],
    "evaluation_interval": "1m",
    "tests": [
        {
            "interval": "1m",
            "input_series": [
                {"series": REQUESTS % ("/v1", 502), "values": "0+6x20"},
                {"series": REQUESTS % ("/v1", 200), "values": "0+54x20"},
                {"series": REQUESTS % ("/v2", 200), "values": "0+60x20"},
                {"series": HEALTH % ("api", "x"), "values": "0x20"},
                {"series": HEALTH % ("b", "x"), "values": "0x20"},
                {"series": HEALTH % ("b", "y"), "values": "1x20"},
            ],
            "alert_rule_test": [
                {
                    "eval_time": "15m",
                    "alertname": "SidecarProxyErrors",
                    "exp_alerts": [
                        {
                            "exp_labels": {"severity": "page", "instance": "a", "route": "/v1"},
                            "exp_annotations": {"summary": "/v1: 10% of the requests fail"},
                        }
                    ],
                },
                {
                    "eval_time": "15m",
                    "alertname": "SidecarProxyNoServer",
                    "exp_alerts": [
                        {
                            "exp_labels": {"severity": "page", "instance": "a", "upstream": "api"},
                            "exp_annotations": {"summary": "api: no server is healthy"},
                        }
                    ],
                },
            ],
        }
    ],
}


@wants_promtool
def test_alerts_fire_when_they_should(tmp_path: Path) -> None:
    case = tmp_path / "case.yaml"
    case.write_text(json.dumps(CASE), encoding="utf-8")  # JSON is YAML
    done = subprocess.run(
        ["promtool", "test", "rules", str(case)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


TABLES: dict[str, Any] = {
    "admin": {"listen": "127.0.0.1:0"},
    "retry": {"on": ["503"], "backoff_base": "1ms"},
    "concurrency": {"max_requests": 8},
    "circuit_breaker": {"consecutive_failures": 1},
    "hedge": {"delay": "10s"},
}


@wants_promtool
async def test_promtool_finds_no_fault_in_the_metrics() -> None:
    async with fronted(BUSY, HEALTHY, **TABLES) as (_, proxy):
        await proxy.ask(get())
        text = (await ask(proxy.admin, get("/metrics"))).body
    checker = await asyncio.create_subprocess_exec(
        "promtool",
        "check",
        "metrics",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told, _ = await checker.communicate(text)
    assert (checker.returncode, told) == (0, b"")


@contextlib.asynccontextmanager
async def prometheus(target: str, folder: Path) -> AsyncIterator[tuple[str, int]]:
    """A server that asks ``target`` every second, and where it listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = folder / "prometheus.yaml"
    options = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": CASE["rule_files"],
        "scrape_configs": [
            {"job_name": "sidecar-proxy", "static_configs": [{"targets": [target]}]}
        ],
    }
    config.write_text(json.dumps(options), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage",
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                with contextlib.suppress(OSError, AssertionError):
                    assert (await ask(("127.0.0.1", port), get("/-/ready"))).status == 200
                    break
                await asyncio.sleep(0.1)
        yield "127.0.0.1", port
    finally:
        process.terminate()
        await process.wait()


@contextlib.asynccontextmanager
async def malformed(proxy: Proxy) -> AsyncIterator[None]:
    """A request that is refused has come before."""
    assert (await proxy.ask(get("/", b"Host: twice\r\n"))).status == 400
    yield


@wants_prometheus
async def test_a_real_prometheus_reads_them_and_can_answer_the_dashboard(tmp_path: Path) -> None:
    async with (
        RawUpstream(BUSY, HEALTHY) as a,
        RawUpstream(HEALTHY) as b,
        proxied(a, **TABLES, upstream_options={"servers": [a.url, b.url]}) as proxy,
        malformed(proxy),
        prometheus("{}:{}".format(*proxy.admin), tmp_path) as server,
    ):

        async def answer(path: str) -> Any:
            found = json.loads((await ask(server, get(path), patience=PATIENCE)).body)
            assert found["status"] == "success", found
            return found["data"]

        async def result(expression: str) -> list[Any]:
            found = await answer(f"/api/v1/query?query={quote(expression)}")
            return list(found["result"])

        async with asyncio.timeout(PATIENCE):
            while not await result("rate(sidecar_proxy_request_duration_seconds_count[1m]) > 0"):
                await proxy.ask(get())
                await asyncio.sleep(0.3)
        for expression in expressions():
            found = await result(expression)
            assert found or any(name in expression for name in QUIET), expression
        [target] = (await answer("/api/v1/targets"))["activeTargets"]
        assert (target["health"], target["lastError"]) == ("up", "")
        [group] = (await answer("/api/v1/rules"))["groups"]
        assert {rule["health"] for rule in group["rules"]} <= {"ok", "unknown"}
        name = "sidecar_proxy_request_duration_seconds_bucket"
        examples = await answer(f"/api/v1/query_exemplars?query={name}&start=0&end=9999999999")
        assert re.fullmatch("[0-9a-f]{32}", examples[0]["exemplars"][0]["labels"]["trace_id"])
