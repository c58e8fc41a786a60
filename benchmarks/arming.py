"""``python -m benchmarks.arming``: what features that wait for a bad day cost on a good one.

The same small GET through configurations that differ in what is armed, in turn and in short
rounds; what is compared is processor time per request. The first of a group is what the others
are compared with.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from benchmarks.load import configs, tool
from benchmarks.load.machine import PROXY, REST, busy, described, raise_limits
from benchmarks.load.peer import program
from benchmarks.load.process import DidNotStart, Process, free_port
from benchmarks.load.tool import NotMeasured

_CONNECTIONS: Final = 64
_SERVERS: Final = 3
_TOTAL: Final = """
[timeouts]
connect = "300ms"
first_byte = "2500ms"
total = "2900ms"
"""
_BREAKER: Final = """
[circuit_breaker]
consecutive_failures = 8
"""
_RETRY: Final = """
[retry]
on = ["connect-failure", "stale-connection", "reset", "timeout", "503"]
"""
_STREAM: Final = """
[stream]
commit = "body:64KiB"
"""
_ADMIN: Final = """
[admin]
listen = "127.0.0.1:0"
"""
_ALL: Final = _RETRY + _BREAKER + _STREAM
_TOP: Final = """
[server]
listen = "127.0.0.1:{port}"
[log]
access = {access}
{tables}
[[upstreams]]
name = "api"
servers = [{servers}]
{balance}
[[routes]]
upstream = "api"
"""
_BALANCE: Final = '[upstreams.load_balance]\npolicy = "{policy}"'
_GROUPS: Final[dict[str, dict[str, dict[str, str]]]] = {
    "one server": {
        "defaults": {},
        "circuit_breaker": {"tables": _BREAKER},
        "retry, circuit_breaker, stream": {"tables": _ALL},
        "and total": {"tables": _ALL + _TOTAL},
    },
    "what operators are shown": {
        "nothing": {},
        "metrics": {"tables": _ADMIN},
        "the access log": {"access": "true"},
        "both": {"tables": _ADMIN, "access": "true"},
    },
    "three servers": {
        "defaults": {"count": "3"},
        "all of it": {"count": "3", "tables": _ALL + _TOTAL},
        "by peak_ewma": {"count": "3", "policy": "peak_ewma"},
        "all of it, by peak_ewma": {"count": "3", "tables": _ALL + _TOTAL, "policy": "peak_ewma"},
    },
}


def main() -> int:
    """Print a table; exit code 1 where it cannot be measured."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.arming", description=__doc__)
    arguments.add_argument("--rounds", type=int, default=9)
    arguments.add_argument("--seconds", type=int, default=2, help="of each measurement")
    arguments.add_argument("--only", choices=list(_GROUPS), help="one group of configurations")
    given = arguments.parse_args()
    nginx = program("nginx")
    if nginx is None or program("wrk") is None:
        print("nginx or wrk is missing: make bench-tools", file=sys.stderr)
        return 1
    print(f"{described()}; load {busy():.1f}\n")
    try:
        with ExitStack() as running:
            folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="arming-")))
            folder.chmod(0o755)
            upstreams = [
                running.enter_context(answering(nginx, folder / str(n))) for n in range(_SERVERS)
            ]
            for title in [given.only] if given.only else _GROUPS:
                group = _GROUPS[title]
                used = measured(folder, upstreams, group, given.rounds, given.seconds)
                print(table(title, used), flush=True)
    except (DidNotStart, NotMeasured) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def answering(nginx: str, folder: Path) -> Process:
    """nginx as an API that answers at once."""
    folder.mkdir(mode=0o755)
    port = free_port()
    config = configs.nginx_upstream(folder, port, raise_limits())
    return Process([nginx, "-p", str(folder), "-c", str(config)], port, REST, folder / "log")


def measured(
    folder: Path,
    upstreams: Sequence[Process],
    group: dict[str, dict[str, str]],
    rounds: int,
    seconds: int,
) -> dict[str, list[float]]:
    """Microseconds of processor time per request, one for each round.

    Each is of a new process: where one happens to lie in memory makes a difference of 2 %.
    """
    used: dict[str, list[float]] = {name: [] for name in group}
    for _ in range(rounds):
        for name, options in group.items():
            with started(folder, upstreams, **options) as proxy:
                tool.wrk(proxy, "/small", _CONNECTIONS, 1)  # connections are made, code is warm
                before = proxy.cpu()
                found = tool.wrk(proxy, "/small", _CONNECTIONS, seconds)
                if found["failed"]:
                    raise NotMeasured(f"{name}: {found['failed']:g} requests failed")
                used[name].append((proxy.cpu() - before) / found["requests"] * 1e6)
    return used


def started(
    folder: Path,
    upstreams: Sequence[Process],
    *,
    count: str = "1",
    tables: str = "",
    policy: str = "round_robin",
    access: str = "false",
) -> Process:
    """The proxy in front of the first ``count`` of ``upstreams``."""
    port = free_port()
    names = [f'"http://{upstream.address}"' for upstream in upstreams[: int(count)]]
    config = folder / f"{port}.toml"
    config.write_text(
        _TOP.format(
            port=port,
            tables=tables,
            access=access,
            servers=", ".join(names),
            balance=_BALANCE.format(policy=policy) if len(names) > 1 else "",
        )
    )
    command = [sys.executable, "-m", "proxy", "run", str(config)]
    return Process(command, port, PROXY, folder / f"{port}-log")


def table(title: str, used: dict[str, list[float]]) -> str:
    """Markdown: medians, and the median of what each round's ratio to the first was."""
    base = next(iter(used.values()))
    lines = [f"| {title} | µs | to the first |", "|---|---:|---:|"]
    for name, figures in used.items():
        ratio = statistics.median(one / other for one, other in zip(figures, base, strict=True))
        lines.append(f"| {name} | {statistics.median(figures):.1f} | {100 * (ratio - 1):+.1f} % |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.exit(main())
