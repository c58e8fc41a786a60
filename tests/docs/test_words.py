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
METRIC_NAMES = {row.full_name for row in (*METRICS, *STATES, *TIMES)} | {f"{PREFIX}build_info"}
ADDRESSES = {*openapi()["paths"], "/api/openapi.json"}
OWN_FLAGS = {"demo": "proxy/demo/command.py", "top": "proxy/admin/top.py"}
"""Commands that read their arguments themselves."""

SNAKE = re.compile(r"[a-z]+(?:_[a-z]+)+")
SET = re.compile(r"([a-z]+(?:_[a-z]+)*) = (?![A-Z]).+")
"""``option = value``; in capitals are the values of others."""
COMMAND = re.compile(r"(?:sidecar-proxy|-m proxy) ([a-z]+)((?: [^\n`|#]+)?)")
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
OF_OTHERS = {
    "gzip_proxied": "nginx",
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
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_names_exists(page: Path) -> None:
    assert unknown(text(page)) == set()


def test_what_does_not_exist_is_found() -> None:
    wrong = "`dns_tttl`, `atempts = 3`, `sidecar_proxy_gone_total`, `/api/gone`, `http_gone_error`"
    assert unknown(f"{wrong}\n    sidecar-proxy run --upstrem http://a") == {
        "dns_tttl",
        "atempts",
        "sidecar_proxy_gone_total",
        "/api/gone",
        "http_gone_error",
        "run --upstrem",
    }
