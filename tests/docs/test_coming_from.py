"""The guide for who knows another proxy: what it says is here is here, and does what it says."""

import re
from pathlib import Path
from typing import Final

import pytest

from proxy.config.load import check
from proxy.middleware.load_balance.options import LoadBalanceOptions
from proxy.middleware.retry.options import RetryOptions
from tests.support.message import get
from tests.support.proxy import fronted
from tests.test_docs import KNOWN

TOP: Final = Path(__file__).parents[2]
PAGE: Final = (TOP / "docs/guides/coming-from.md").read_text(encoding="utf-8")
OPTION: Final = re.compile(r"`\[{1,2}([a-z_.]+)\]{1,2} ([a-z_]+)`")
ROWS: Final = [
    [cell.strip() for cell in re.split(r"(?<!\\) \| ", line.strip("|"))]
    for line in PAGE.splitlines()
    if line.startswith("| ") and not line.startswith("| there |")
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_row_names_options_that_exist_or_says_that_there_is_none(row: list[str]) -> None:
    there, here, _ = row
    assert there
    options = OPTION.findall(here)
    assert bool(options) is (here not in ("none", "nothing to write"))
    for table, option in options:
        assert option in KNOWN[table.rpartition(".")[2]], f"[{table}] {option}"


NAMES: Final = sorted(
    {name for row in ROWS for name in re.findall(r"`([a-z]+_[a-z_]+|map)`", row[0])}
)


@pytest.mark.parametrize("name", NAMES)
def test_check_says_what_to_write_for_a_name_of_another_proxy(name: str, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f"{name} = 1\n")
    (said,) = (each.message for each in check(file, {}) if each.place == name)
    assert said != "unknown option"


def test_each_of_the_four_has_rows() -> None:
    assert re.findall(r"^## (\w+)$", PAGE, re.MULTILINE) == ["nginx", "HAProxy", "Caddy", "Envoy"]
    assert len(ROWS) >= 35


def test_the_defaults_are_those_of_the_options() -> None:
    assert LoadBalanceOptions().policy == "least_request"
    assert LoadBalanceOptions().ejection_time > 0
    assert {"502", "503", "504"} <= {*RetryOptions().on}


@pytest.mark.parametrize("path", ["/v1", "/v1/"])
async def test_a_prefix_with_a_slash_at_its_end_also_takes_the_path_without(path: str) -> None:
    route = {"path": path, "strip_prefix": "/v1", "upstream": "api"}
    async with fronted(routes=[route]) as (upstream, proxy):
        for target, status in (("/v1", 200), ("/v1/x", 200), ("/v10", 404)):
            assert (await proxy.ask(get(target))).status == status
        assert [request.line.split()[1] for request in upstream.requests] == [b"/", b"/x"]


async def test_a_method_that_is_not_named_gets_405_and_head_has_to_be_named() -> None:
    async with (
        fronted(routes=[{"methods": ["GET"], "upstream": "api"}]) as (_, proxy),
        await proxy.connect() as client,
    ):
        await client.send(b"HEAD / HTTP/1.1\r\nHost: proxy.test\r\n\r\n")
        assert (await client.read_until(b"\r\n")).startswith(b"HTTP/1.1 405 ")
