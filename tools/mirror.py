"""Every module of ``proxy/`` is tested where its name says, or stands here with the reason."""

import ast
import re
from pathlib import Path
from typing import Final

_DECLARES: Final = """
admin/options core/credentials core/recording_mode core/rate_limit_options core/scope
core/sharing core/stored
core/stream_options telemetry/options telemetry/second
"""
"""Modules that declare: their tests would repeat them. None has a branch."""

_ELSEWHERE: Final = """
admin/answers: tests/admin/test_api.py  the bodies of answers, over sockets
admin/client: tests/run/test_drain_command.py  it speaks to a running proxy
config/effects: tests/config/test_without_effect.py  which asks them
config/shapes: tests/config/test_describe.py  what is written of them
edge/client_stream: tests/edge/test_service_endings.py  a client that leaves, as the service is told
edge/entrance: tests/wire/test_listener_tls.py  what comes in by TLS, over sockets
edge/http1/connection: tests/reports/test_heads_without_end.py  a protocol of aiohttp, on a socket
edge/http1/reply_writer: tests/wire/test_headers_response.py  what it writes is seen by a client
edge/tunnel: tests/wire/test_tunnel.py  bytes both ways, over sockets
middleware/cache/problems: tests/config/test_tables.py  beside those of all tables
middleware/deadline/options: tests/config/test_tables.py  beside those of all tables
middleware/concurrency/told: tests/middleware/concurrency/test_concurrency.py  who waits is told
middleware/coalesce/options: tests/config/test_without_effect.py  where they do something
middleware/hedge/options: tests/config/test_tables.py  beside those of all tables
middleware/retry/attempts: tests/middleware/retry/test_retry.py  retry alone makes them
policy/endpoint: tests/middleware/load_balance/test_targets.py  servers that are out of service
store/own_claims: tests/store/test_claims.py  what every store does about requests under way
store/redis_writer: tests/store/test_contract.py  every store writes
store/redis_scripts: tests/store/test_claims.py  a real server runs them
run/collector: tests/wire/test_tracing.py  it sends to a receiver, over sockets
run/observation: tests/wire/test_reload.py  an [admin] table that comes and goes, over sockets
run/runner: tests/run/test_operators.py  it serves the admin listener
run/sockets/listeners: tests/wire/test_reload.py  addresses that come and go, over sockets
run/scopes: tests/run/test_tree.py  what is built of them is looked at there
run/runtime: tests/wire/test_drain.py  all parts together, over sockets
run/workers/inherited: tests/run/workers/test_crew.py  real processes accept by it
run/workers/member: tests/run/workers/test_crew.py  it is what the crew knows of a process
run/admin_listeners: tests/wire/test_reload.py  it comes, moves and goes by reloads
run/workers/nursery: tests/run/workers/test_crew.py  real processes are forked
run/workers/worker: tests/run/workers/test_parent.py  it is a process of its own
upstream/forward: tests/wire/test_streaming.py  it talks to upstreams, over sockets
upstream/http1/upgraded: tests/wire/test_websocket_raw.py  bytes both ways, over sockets
upstream/options: tests/reports/test_upstream_tables.py  the checks of [[upstreams]]
upstream/pooled_connection: tests/upstream/test_connection_pool.py  a pool gives it out
"""
"""``MODULE: TEST  REASON``."""

_BRANCHES: Final = (
    *(ast.If, ast.IfExp, ast.BoolOp, ast.Match),
    *(ast.For, ast.AsyncFor, ast.While, ast.Try, ast.TryStar),
)
_ROW: Final = re.compile(r"(\S+): (\S+)  \S.*")


def mirrored() -> list[str]:
    """Name every module without its test file, and every exception that is none any more."""
    rows = [_ROW.fullmatch(line) for line in _ELSEWHERE.split("\n") if line]
    elsewhere = {row[1]: row[2] for row in rows if row is not None}
    assert len(elsewhere) == len(rows), "a row is MODULE: TEST, two spaces, REASON"
    return untested(elsewhere | dict.fromkeys(_DECLARES.split(), ""))


def untested(exceptions: dict[str, str]) -> list[str]:
    """``exceptions``: tests of other names by module, empty for what needs none."""
    modules = {
        str(path.relative_to("proxy").with_suffix("")): path
        for path in sorted(Path("proxy").rglob("*.py"))
        if not path.name.startswith("__")
    }
    problems = []
    for module, path in modules.items():
        test = Path("tests", module).parent / f"test_{path.name}"
        if not test.exists() and module not in exceptions:
            problems.append(f"{path}: no {test}; write it, or name the reason in tools/mirror.py")
        elif test.exists() and module in exceptions:
            problems.append(f"tools/mirror.py: {module} has {test}, so it is no exception")
        if exceptions.get(module) == "" and _branches(path):
            problems.append(
                f"tools/mirror.py: {module} does more than declare, it has a branch; name in "
                f"_ELSEWHERE what tests it, or write {test}"
            )
    gone = [module for module in sorted(exceptions) if module not in modules]
    problems += [f"tools/mirror.py: there is no proxy/{module}.py" for module in gone]
    return problems + [
        f"tools/mirror.py: there is no {test}"
        for test in exceptions.values()
        if test and not Path(test).exists()
    ]


def _branches(path: Path) -> bool:
    """Whether a function of the module may go one way or another."""
    return any(
        isinstance(inner, _BRANCHES)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(node)
    )
