"""Figures in the pages that the code decides are those of the code."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from benchmarks.badday.client import PATIENCE, RATE
from benchmarks.badday.profile import PROFILES
from benchmarks.chaos import rest
from benchmarks.chaos.client import PATIENCE as CHAOS_PATIENCE
from benchmarks.chaos.config import config as chaos
from proxy.admin.door import FIRST, NEXT
from proxy.core.cache_options import CacheOptions
from proxy.core.local_limits import EVERY
from proxy.edge.http1.half_close import AT_ONCE
from proxy.edge.http1.spool import IN_MEMORY, LONGEST, ON_DISK
from proxy.middleware.coalesce.shared_reply import MAX_KEPT, MAX_KEPT_TOTAL
from proxy.middleware.commit import MOST_HELD
from proxy.middleware.resume.resumable_stream import WINDOW
from proxy.middleware.resume.resumable_streams import MAX_WAITING, MAX_WAITING_PER_KEY
from proxy.net.small_reads import TOTAL
from proxy.policy.permit_loans import GRACE
from proxy.policy.quota import LONGEST as QUOTA_LONGEST
from proxy.run.workers import backoff, heartbeat
from proxy.run.workers.shares import DIVIDED
from proxy.telemetry import counters, history, otlp, standard_error, writer

TOP = Path(__file__).parents[2]
MIB = 1 << 20
WORDS = {2: "two", 3: "three", 10: "ten"}
CLAIMS = [
    ("docs/resume.md", f"the last {WINDOW >> 10} KiB that its client was given"),
    ("docs/resume.md", f"when {WINDOW >> 10} KiB are unread"),
    (
        "docs/resume.md",
        f"Up to {MAX_WAITING:,} streams wait for clients, {MAX_WAITING_PER_KEY} of",
    ),
    ("docs/waiting.md", f"{MAX_KEPT // MIB} MiB of a reply are kept for the others"),
    ("docs/waiting.md", f"{MAX_KEPT_TOTAL // MIB} MiB of all"),
    ("docs/waiting.md", f"is silent in its tunnel for {GRACE:g} s"),
    ("docs/operations.md", f"every {'ten' if EVERY == 10 else EVERY} seconds at most"),
    ("docs/metrics.md", f"servers beyond the {counters.MOST}th"),
    ("docs/chaos.md", f"nothing comes for {CHAOS_PATIENCE:g} seconds"),
    ("docs/chaos.md", f"more than {rest.GROWN:g} MiB above the start"),
    ("docs/operations.md", f"drops lines beyond {writer.PENDING // MIB} MiB"),
    ("docs/operations.md", f"counts lines beyond {standard_error.PENDING // MIB} MiB"),
    ("docs/operations.md", f"half-closes later than {AT_ONCE * 1000:g} ms after its request"),
    ("docs/configuration.md", f"{IN_MEMORY // MIB} MiB for all of them together"),
    (
        "docs/configuration.md",
        f"{LONGEST // MIB} MiB each and {ON_DISK // MIB >> 10} GiB in all",
    ),
    ("CHANGELOG.md", f"has a total of {TOTAL // MIB} MiB"),
    (
        "CHANGELOG.md",
        f"no request for {FIRST:g} s, or none for {NEXT:g} s after one",
    ),
]

MEMORY = {
    "`[cache] max_size`, stored in memory": CacheOptions().max_size,
    "`[coalesce]`: replies that several clients share": MAX_KEPT_TOTAL,
    "`[retry] max_body`: request bodies for another try": IN_MEMORY,
    "`[stream] commit`: replies that are held": MOST_HELD,
    "`[tracing]`: spans that wait for the collector": otlp.MOST,
    "log lines that wait for standard output": writer.PENDING,
    "`[admin]`: what happened in the last day": history.BUDGET,
}


def test_what_may_take_memory_is_what_the_code_keeps() -> None:
    text = (TOP / "docs/guides/kubernetes.md").read_text(encoding="utf-8")
    table = text.partition("| what | bytes | of several workers |\n")[2].partition("\n\n")[0]
    rows = [
        [cell.strip() for cell in row.strip("|").split(" | ")] for row in table.splitlines()[1:]
    ]
    assert {what: size for what, size, _ in rows} == {
        what: f"{size // MIB} MiB" for what, size in MEMORY.items()
    }
    together = [what for what, _, of_workers in rows if of_workers == "all together"]
    assert together == ["`[cache] max_size`, stored in memory"]
    assert "max_size" in DIVIDED[CacheOptions]


@pytest.mark.parametrize(("page", "claim"), CLAIMS)
def test_a_bound_is_the_one_of_the_code(page: str, claim: str) -> None:
    text = " ".join((TOP / page).read_text(encoding="utf-8").split())
    assert claim in text


def test_the_readme_has_the_figures_of_the_page_of_the_bad_day() -> None:
    page = (TOP / "docs/bad-day.md").read_text(encoding="utf-8")
    hedge = page.partition("## One word more")[2]
    rows = re.findall(
        r"^\| ((?:sidecar|HAP|Cad|ngi)[^|]*) \| ([\d.]+) \| ([\d.]+) \| (\d+) \|$",
        (TOP / "README.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    assert len(rows) == 6
    for who, good, sent, twice in rows:
        name = who.replace("with the line ", "")
        part = hedge if "[hedge]" in who else page
        line = part[part.index(f"\n| {name} |") + 1 :].splitlines()[0]
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert [cells[1], *cells[5:7]] == [good, sent, twice], who


def test_the_page_of_chaos_says_what_is_on() -> None:
    text = (TOP / "docs/chaos.md").read_text(encoding="utf-8")
    config = tomllib.loads(chaos([1, 2, 3, 4], "/upstream", "/listen"))
    assert (len(config["routes"]), len(config["upstreams"])) == (12, 4)
    assert "twelve routes to four upstreams" in text
    off = re.findall(r"\[([a-z.]+)\]", text.partition("Not on: ")[2].partition("|")[0])
    written = {
        table
        for part in (config, *config["routes"], *config["upstreams"], config["server"])
        for table in part
    }
    assert off
    assert [table for table in off if table.rpartition(".")[2] in written] == []


def test_the_page_of_the_bad_day_names_every_profile() -> None:
    text = (TOP / "docs/bad-day.md").read_text(encoding="utf-8")
    assert [name for name in PROFILES if f"`{name}`" not in text] == []


def test_nobody_is_believed_for_longer_than_a_minute() -> None:
    text = " ".join((TOP / "docs/waiting.md").read_text(encoding="utf-8").split())
    assert "The proxy believes no server for longer than a minute." in text
    assert QUOTA_LONGEST == 60.0


def test_what_a_request_costs_is_what_is_counted() -> None:
    """``make microbench`` holds the code to the same figures."""
    counts = json.loads((TOP / "benchmarks/micro/expected.json").read_text())["counts"]
    text = " ".join((TOP / "docs/performance.md").read_text(encoding="utf-8").split())
    small = counts["small GET"]
    assert f"| Python and C function calls | {small['calls']:.0f} |" in text
    own = counts["GET as in production"]["calls"]
    assert f"own path, query, trace and token | {own:.0f} |" in text
    for kind in ("a download", "an upload"):
        calls = counts[f"chunk of {kind}"]["calls"]
        assert f"chunk of {kind} costs {calls:.0f} calls" in text


def test_what_a_stored_reply_costs_is_what_is_counted() -> None:
    counts = json.loads((TOP / "benchmarks/micro/expected.json").read_text())["counts"]
    hit, miss, stored, forwarded = (
        f"{counts[kind]['calls']:.0f}"
        for kind in (
            "hit of 1 KiB from memory",
            "miss of 1 KiB, not stored",
            "miss of 1 KiB, stored in memory",
            "small GET",
        )
    )
    text = " ".join((TOP / "docs/figures.md").read_text(encoding="utf-8").split())
    for claim in (
        f"a hit takes {hit}, a miss {miss}, a stored miss {stored}, and a request that is",
        f"forwarded without `[cache]` {forwarded}.",
    ):
        assert claim in text, f"write into docs/figures.md: {claim}"


def test_the_bad_day_is_the_one_that_is_told() -> None:
    page = " ".join((TOP / "docs/bad-day.md").read_text(encoding="utf-8").split())
    day = PROFILES["default"]
    shares = (day.stalled, day.reset, day.cut, day.unavailable)
    stalled, reset, cut, unavailable = (f"{share * 100:g} %" for share in shares)
    assert day.servers == 3
    assert day.down is not None
    assert day.slow is not None
    for told in (
        f"{RATE:g} requests a second",
        f"clients that give up after {PATIENCE:g} s",
        f"{stalled} of replies stall for 4 s, {reset} are reset before their head",
        f"{cut} are cut in their body, {unavailable} are 503",
        f"From second {day.down.begins} to {day.down.ends} one endpoint is gone",
        f"from {day.slow.begins} to {day.slow.ends} another is 2 s slower",
    ):
        assert told in page
    assert f"{sum(shares) * 100:g} % of all replies" in (TOP / "README.md").read_text("utf-8")


def test_the_page_of_the_workers_has_the_numbers_of_the_code() -> None:
    page = " ".join((TOP / "docs/workers.md").read_text(encoding="utf-8").split())
    divided = page.partition("## What is divided")[2].partition("No part is less")[0]
    rows = [row.partition(" | ")[0] for row in divided.split("| `[")[1:]]
    named = {name for row in rows for name in re.findall(r"\b[a-z]+_?[a-z_]*(?=`)", row)}
    assert named == {name for options in DIVIDED.values() for name in options}
    assert f"more than {WORDS[backoff.AT_ONCE]} times within {backoff.WINDOW:g} s" in page
    assert f"waits: {backoff.FIRST:g} s, then twice as long each time, up to 5 s" in page
    assert backoff.LONGEST == 5.0
    assert f"After {WORDS[heartbeat.PASSED_OVER]} questions without an answer" in page
    assert f"and after {WORDS[heartbeat.HUNG]} it is killed" in page
    assert heartbeat.HUNG_AT_START == 60
    assert "A worker that has not served yet has a minute." in page
