"""Options, metrics, addresses, commands and flags that the pages name exist."""

import argparse
import re
from pathlib import Path

import pytest

from proxy.admin.api import openapi
from proxy.arguments import parser
from proxy.telemetry.metric_table import METRICS, PREFIX, STATES, TIMES
from tests.docs.test_names import PAGES, SPAN, TEXT
from tests.test_docs import KNOWN

TOP = Path(__file__).parents[2]
OPTIONS = {option for options in KNOWN.values() for option in options}
OTHERS = [
    TOP / "Makefile",
    TOP / "config.toml",
    *(path for path in (TOP / "deploy").iterdir() if path.is_file()),
    *(path for path in (TOP / "examples").rglob("*") if path.is_file()),
]
METRIC_NAMES = {row.full_name for row in (*METRICS, *STATES, *TIMES)} | {f"{PREFIX}build_info"}
ADDRESSES = {*openapi()["paths"], "/api/openapi.json"}
OWN_FLAGS = {"demo": "proxy/demo/command.py", "top": "proxy/admin/top/command.py"}
"""Commands that read their arguments themselves."""

SNAKE = re.compile(r"[a-z]+(?:_[a-z]+)+")
SET = re.compile(r"([a-z]+(?:_[a-z]+)*) = (?![A-Z]).+")
"""``option = value``; in capitals are the values of others."""
COMMAND = re.compile(r"(?:sidecar-proxy|-m proxy) ([a-z]+)((?: [^\n`|#]+)?)")
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
OF_OTHERS = {
    "auth_request": "nginx",
    "circuit_breakers": "Envoy",
    "gzip_proxied": "nginx",
    "handle_path": "Caddy",
    "hedge_policy": "Envoy",
    "perf_counter_ns": "Python",
    "set_ecdh_curve": "Python",
    "set_groups": "Python",
}


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def flags(command: str) -> set[str]:
    """What a command takes."""
    if command in OWN_FLAGS:
        return set(FLAG.findall(text(TOP / OWN_FLAGS[command])))
    [action] = [each for each in parser()._actions if isinstance(each, argparse._SubParsersAction)]
    known = action.choices.get(command)
    return set(known._option_string_actions) if known else set()


MADE = re.compile(
    r"^([a-z-]+):.*\n\t@\$\(BIN\)/python -m (benchmarks\.\w+) \$\(ARGS\)$", re.MULTILINE
)
BENCHMARKS = dict(MADE.findall(text(TOP / "Makefile")))
"""The package of each target that takes ARGS."""
ASKED = re.compile(r'make ([a-z]+) ARGS="([^"]*)"')


def flags_of_benchmark(target: str) -> set[str]:
    """What it takes, as its package has it."""
    path = TOP / BENCHMARKS[target].replace(".", "/")
    files = [path.with_suffix(".py")] if path.with_suffix(".py").exists() else path.glob("*.py")
    return {flag for file in files for flag in FLAG.findall(text(file))}


def unknown(text: str) -> set[str]:
    """What ``text`` names that is not there."""
    spans = SPAN.findall(text)
    words = {span for span in spans if SNAKE.fullmatch(span)}
    found = {word for word in words if word.startswith((PREFIX, "process_"))} - METRIC_NAMES
    found |= words - METRIC_NAMES - found - TEXT - OF_OTHERS.keys()
    found |= {each[1] for span in spans if (each := SET.fullmatch(span))} - OPTIONS
    found |= {
        address
        for address in re.findall(r"/api/(?!v1)[a-z_]+(?:[./][a-z_]+)*", text)
        if not any(known == address or known.startswith(f"{address}/") for known in ADDRESSES)
    }
    for command, rest in COMMAND.findall(text):
        known = flags(command)
        found |= {f"{command} {flag}" for flag in FLAG.findall(rest) if flag not in known}
    for target, given in ASKED.findall(text):
        if target in BENCHMARKS:
            found |= {f"make {target} {flag}" for flag in FLAG.findall(given)} - {
                f"make {target} {flag}" for flag in flags_of_benchmark(target)
            }
    return found


@pytest.mark.parametrize("page", [*PAGES, *OTHERS], ids=lambda page: page.name)
def test_what_a_page_names_exists(page: Path) -> None:
    assert unknown(text(page)) == set()


def test_what_does_not_exist_is_found() -> None:
    wrong = "`dns_tttl`, `atempts = 3`, `sidecar_proxy_gone_total`, `/api/gone`, `http_gone_error`"
    commands = 'sidecar-proxy run --upstrem http://a\nmake chaos ARGS="--sede 1"'
    assert unknown(f"{wrong}\n    {commands}") == {
        "dns_tttl",
        "atempts",
        "sidecar_proxy_gone_total",
        "/api/gone",
        "http_gone_error",
        "run --upstrem",
        "make chaos --sede",
    }


def test_the_targets_that_measure_are_found() -> None:
    assert {"bench", "badday", "chaos", "cache", "soak"} <= BENCHMARKS.keys()
