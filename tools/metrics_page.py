"""Write ``docs/metrics.md`` from the tables of ``proxy/telemetry/metric_table``."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from proxy.telemetry.histograms import NAMES
from proxy.telemetry.metric_table import LEFT_OUT, PREFIX, SECTIONS, STATES, TIMES, Metric

PAGE: Final = Path("docs/metrics.md")
HEAD: Final = """\
# Metrics

<!-- written by make docs, from proxy/telemetry/metric_table.py -->

With an `[admin]` table, `/metrics` on the admin listener gives these to Prometheus and whoever
speaks its formats: the text format, or OpenMetrics where `Accept` asks for it, with the trace of a
slow request as an example (exemplar) in the buckets of histograms. With `Accept-Encoding: gzip` the
answer is packed, to about a twentieth. Without `[admin]` nothing is counted.

    [admin]
    listen = "127.0.0.1:9901"

    scrape_configs:
      - job_name: sidecar-proxy
        static_configs: [{ targets: ["127.0.0.1:9901"] }]

[deploy/grafana.json](../deploy/grafana.json) is a dashboard of these metrics,
[deploy/alerts.yaml](../deploy/alerts.yaml) has alerts on them.

- `route` is the path of a route as the configuration has it; `upstream` and `endpoint` are the name
  of an upstream and the address of one of its servers. Requests that found no route, or came to no
  upstream, have `other` there. So have methods and statuses that no standard knows, and so do
  servers beyond the 500th since the last reload, as of a name whose addresses keep changing.
  No label holds what a client may choose.
- A counter grows from 0 at the start of the process. A reload keeps it, but for those of a route,
  upstream or server that it takes away: they are gone, and begin at 0 if it is there again. What
  an option counts is gone while a reload has taken away that option; a few counters begin
  anew where a reload changes their own table. Seconds and bytes are never scaled.
- A metric is there as soon as there is something to tell, and only if its option is on. Likewise
  the histogram of a phase for a route: a phase that has taken no time there since the start has
  none, other than the first byte. One that is there has all of its buckets, and has counted every
  request from the start on.
- The phases of a request do not overlap: client, queue, retries, connect, first byte and body
  make its duration. So `rate(..._sum)` of each, one on top of the
  other, shows what the time goes on.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for title, rows in SECTIONS.items():
        states = [row for row in STATES if title == "Servers"]
        parts.append(f"## {title}\n\n{_table([*rows, *states])}")
    buckets = ", ".join(name for name in NAMES[:-1])
    parts.append(
        f"## Where the time goes\n\nHistograms. Their buckets end at {buckets} seconds.\n\n"
        + _table(TIMES)
    )
    parts.append(
        f"## Versions\n\n| metric | labels | unit | meaning |\n|---|---|---|---|\n"
        f"| `{PREFIX}build_info` | `version` `python` `aiohttp` | | Always 1. |\n"
    )
    left_out = "".join(f"| `{name}` | {reason} |\n" for name, reason in LEFT_OUT.items())
    parts.append(
        "## What is no metric\n\n`/api/state` is made of the same samples. These are in it alone:\n"
        f"\n| sample | why |\n|---|---|\n{left_out}"
    )
    return "\n".join(parts)


def _table(rows: Iterable[Metric]) -> str:
    lines = ["| metric | labels | unit | meaning |", "|---|---|---|---|"]
    for row in rows:
        labels = " ".join(f"`{label}`" for label in row.labels)
        lines.append(f"| `{row.full_name}` | {labels} | {row.unit} | {row.help} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write it."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
