"""``python -m benchmarks.badday``: a day behind each proxy, tables, results and a chart."""

import argparse
import asyncio
import http.client
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from benchmarks.badday.ceiling import ceiling, foreseen
from benchmarks.badday.chart import draw
from benchmarks.badday.client import orders, spend
from benchmarks.badday.endpoints import Entry
from benchmarks.badday.peers import OURS, TITLES, peer
from benchmarks.badday.profile import DAY, PROFILES, Profile
from benchmarks.badday.report import Figures, Results, figures, markdown
from benchmarks.badday.virtual import virtual_day
from benchmarks.load import machine
from benchmarks.load.peer import Peer
from benchmarks.load.process import DidNotStart, Process, free_port

RESULTS: Final = Path(__file__).parents[1] / "results"
SEED: Final = 1
_SHORTEST: Final = 6.0
_INTERRUPTED: Final = 130


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.badday", description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED, help=f"of the day, {SEED}")
    parser.add_argument(
        "--profile", choices=PROFILES, action="append", help="one of them instead of all"
    )
    parser.add_argument("--seconds", type=_seconds, default=DAY, help=f"of a day, {DAY:g}")
    parser.add_argument(
        "--virtual",
        action="store_true",
        help="this proxy alone, in virtual time: what a busy machine cannot change",
    )
    names = ", ".join(TITLES)
    parser.add_argument("--only", type=_names(TITLES), default=(), help=f"some of {names}")
    return parser.parse_args(words)


def _seconds(text: str) -> float:
    if (seconds := float(text)) < _SHORTEST:
        raise argparse.ArgumentTypeError(f"at least {_SHORTEST:g}")
    return seconds


def _names(known: Iterable[str]) -> Callable[[str], tuple[str, ...]]:
    def names(text: str) -> tuple[str, ...]:
        asked = tuple(text.split(","))
        if unknown := set(asked) - set(known):
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
        return asked

    return names


def day(who: Peer, profile: Profile, seed: int, seconds: float, folder: Path) -> Figures:
    """One proxy's. Raises DidNotStart, OSError."""
    ports = [free_port() for _ in range(profile.servers)]
    module = "benchmarks.badday.endpoints"
    words = (profile.name, seed, seconds, *ports)
    command = [sys.executable, "-m", module, *map(str, words)]
    # Answers on its first port once all are open, which takes no longer.
    with Process(command, ports[0], machine.REST, folder / "log-of-endpoints"):
        servers = ",".join(f"127.0.0.1:{port}" for port in ports)
        with who.process(folder, servers) as proxy:
            sent = orders(seed, seconds)
            records = asyncio.run(spend(proxy.port, sent))
        entries = ledger(ports[0])
    scaled = profile.lasting(seconds)
    most, without = ceiling(scaled, seed, sent), foreseen(scaled, seed, sent)
    return figures(records, entries, scaled, seconds, most=most, without_foresight=without)


def ledger(port: int) -> list[Entry]:
    """What the endpoints executed."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/ledger")
        return [Entry(*entry) for entry in json.load(connection.getresponse())]
    finally:
        connection.close()


def measure(asked: argparse.Namespace, notes: list[str]) -> Results:
    """Every day that was asked for; what could not be had is in the notes."""
    results: Results = {}
    with tempfile.TemporaryDirectory(prefix="badday-") as name:
        for profile in asked.profile or PROFILES:
            results[profile] = {}
            for key in PROFILES[profile].rows:
                if asked.only and key not in asked.only:
                    continue
                who = peer(key, PROFILES[profile].tuning)
                print(f"{profile} {who.title}", file=sys.stderr, flush=True)
                if asked.virtual:
                    if key.startswith(OURS):
                        results[profile][key] = virtual_day(
                            PROFILES[profile], key, asked.seed, asked.seconds, Path(name)
                        )
                    continue
                try:
                    if missing := who.missing():
                        raise DidNotStart(f"{missing} is missing")
                    results[profile][key] = day(
                        who, PROFILES[profile], asked.seed, asked.seconds, Path(name)
                    )
                except (DidNotStart, OSError) as error:
                    notes.append(f"{profile}: {who.title} is left out: {error}")
                    print(notes[-1], file=sys.stderr, flush=True)
    return results


def main() -> int:
    """Exit code 0, or 130 after Ctrl-C; what was started has ended by then."""
    asked = arguments()
    # The default handler is what raises KeyboardInterrupt; a shell may have put others in place.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    machine.raise_limits()
    # The clients are this process: away from the core of what is measured.
    os.sched_setaffinity(0, machine.REST)
    begun, busy, notes = time.monotonic(), machine.busy(), list[str]()
    try:
        results = measure(asked, notes)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return _INTERRUPTED
    about = (
        f"{machine.described()}; load before: {busy:.2f}; seed {asked.seed}, "
        f"days of {asked.seconds:g} s{' of virtual time' if asked.virtual else ''}; "
        f"took {(time.monotonic() - begun) / 60:.1f} min"
    )
    print("\n\n".join([about, markdown(results), *notes]))
    # Only a whole run may take the place of one that is committed.
    whole = asked == arguments([]) and not notes
    path = RESULTS / ("badday" if whole else "partial-badday")
    RESULTS.mkdir(exist_ok=True)
    when = datetime.now(UTC).isoformat(timespec="seconds")
    record = {"when": when, "about": about, "notes": notes, "results": results}
    path.with_suffix(".json").write_text(json.dumps(record, indent=1) + "\n")
    if not draw(results, asked.seconds, path):
        print("no chart: matplotlib is missing", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
