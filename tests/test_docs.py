"""What the documentation says is true where a test can know it."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from proxy.admin.state import state
from proxy.config.load import check
from proxy.config.schema import schema
from tests.support.proxy import fronted

TOP: Final = Path(__file__).parents[1]
PAGES: Final = [
    *(TOP / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted(TOP.glob("docs/**/*.md")),
    *sorted(TOP.glob("examples/**/*.md")),
]
TEXTS: Final = {str(page.relative_to(TOP)): page.read_text(encoding="utf-8") for page in PAGES}
BLOCK: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK: Final = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
UPSTREAM: Final = '\n[[upstreams]]\nname = "api"\nservers = ["http://127.0.0.1:9000"]\n'


def blocks(kind: str) -> Iterator[Any]:
    for name, text in TEXTS.items():
        for number, found in enumerate(BLOCK.finditer(text)):
            if found[1] == kind:
                yield pytest.param(found[2], id=f"{name}-{number}")


@pytest.mark.parametrize("text", list(blocks("toml")))
def test_a_piece_of_configuration_passes_check(text: str, tmp_path: Path) -> None:
    """Where a piece shows no upstream or no route, those of the README stand for it."""
    tables = tomllib.loads(text)
    if "upstreams" not in tables:
        text += UPSTREAM
    if "routes" not in tables:
        named = tables.get("upstreams", [{"name": "api"}])[0]["name"]
        text += f'[[routes]]\nupstream = "{named}"\n'
    for secret in set(re.findall(r"/run/secrets/([\w-]+)", text)):
        (tmp_path / secret).write_text("sample")
    text = text.replace("/run/secrets", str(tmp_path))
    config = tmp_path / "config.toml"
    config.write_text(text)
    environ = dict.fromkeys(re.findall(r"\$\{(\w+)\}", text), "sample")
    assert [str(problem) for problem in check(config, environ) if not problem.warning] == []


def headings(text: str) -> set[str]:
    """The anchors that GitHub makes."""
    lines = re.findall(r"^#+ (.+)$", BLOCK.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


@pytest.mark.parametrize("name", TEXTS)
def test_every_link_leads_somewhere(name: str) -> None:
    page = TOP / name
    broken = []
    for link in LINK.findall(BLOCK.sub("", TEXTS[name])):
        if link.startswith(("http:", "https:", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        there = target.exists()
        if there and anchor and target.suffix == ".md":
            there = anchor in headings(target.read_text(encoding="utf-8"))
        if not there:
            broken.append(link)
    assert broken == []


def tables(shown: dict[str, Any], name: str = "") -> dict[str, set[str]]:
    """The options of every table, by the last part of its name."""
    whole = shown
    found: dict[str, set[str]] = {}

    def walk(node: dict[str, Any], name: str) -> None:
        if "$ref" in node:
            node = whole["$defs"][node["$ref"].rpartition("/")[2]]
        for part in node.get("anyOf", ()):
            walk(part, name)
        if "items" in node:
            walk(node["items"], name)
        properties = node.get("properties", {})
        if properties:
            found.setdefault(name, set()).update(properties)
        for option, below in properties.items():
            walk(below, option)

    walk(shown, name)
    return found


KNOWN: Final = tables(schema())
NAMED: Final = re.compile(r"`\[{1,2}([a-z_.]+)\]{1,2}(?: ([a-z_]+)(?: = [^`]*)?)?`")


@pytest.mark.parametrize("name", [name for name in TEXTS if name != "CHANGELOG.md"])
def test_every_option_that_is_named_exists(name: str) -> None:
    """``[table] option``, as all pages write it."""
    unknown = []
    for table, option in NAMED.findall(TEXTS[name]):
        last = table.rpartition(".")[2]
        if last not in KNOWN or (option and option not in KNOWN[last]):
            unknown.append(f"[{table}] {option}".rstrip())
    assert unknown == []


def test_the_tables_are_found_at_all() -> None:
    assert {"server", "retry", "upstreams", "routes", "budget"} <= KNOWN.keys()
    assert "backoff_max" in KNOWN["retry"]


@pytest.mark.parametrize("name", [name for name in TEXTS if name != "CHANGELOG.md"])
def test_every_target_of_make_that_is_named_exists(name: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (TOP / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", TEXTS[name])) <= targets


@pytest.mark.parametrize("name", [name for name in TEXTS if name != "CHANGELOG.md"])
def test_every_file_that_is_named_exists(name: str) -> None:
    named = re.findall(
        r"`((?:proxy|tests|tools|benchmarks|docs|deploy|examples)/[\w./-]+)`", TEXTS[name]
    )
    gone = [
        path
        for path in named
        if not (
            (TOP / path).exists() or (TOP / f"{path}.py").exists() or list(TOP.glob(f"{path}*"))
        )
    ]
    assert gone == []


def test_the_exit_statuses_are_those_of_the_code() -> None:
    from proxy import cli  # noqa: PLC0415
    from proxy.run import stop  # noqa: PLC0415

    page = TEXTS["docs/operations.md"]
    for status, what in (
        (stop.CUT, "requests were cut at the end"),
        (cli._BAD_CONFIGURATION, "bad configuration"),
        (stop.FAILED_TO_START, "failed to start"),
    ):
        assert f"{status} {what}" in page


def test_the_table_of_the_log_has_every_key() -> None:
    from proxy.telemetry.access_log_line import Line  # noqa: PLC0415

    page = TEXTS["docs/operations.md"]
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    cells = " ".join(row.split("|")[1] for row in rows)
    assert [key for key in Line.__struct_fields__ if f"`{key}`" not in cells] == []


async def test_every_part_of_the_state_has_a_row_and_every_row_a_part() -> None:
    async with fronted([], admin={"listen": "127.0.0.1:0"}) as (_, proxy):
        parts = set(state(proxy.runtime.describe()))
    rows = set(re.findall(r"^\| `/api/(\w+)` \|", TEXTS["docs/operations.md"], re.MULTILINE))
    assert rows == parts


def test_an_option_that_the_life_of_a_request_follows_is_where_it_says() -> None:
    from proxy.middleware.retry.options import RetryOptions  # noqa: PLC0415

    assert RetryOptions.__module__ == "proxy.middleware.retry.options"
    assert "`middleware/retry/options.py`" in TEXTS["docs/life-of-a-request.md"]


def test_health_checks_of_balancers_are_sent_to_the_probes() -> None:
    lines = [line for line in TEXTS["docs/fronts.md"].splitlines() if "Health checks" in line]
    assert lines
    assert all("[admin] probes" in line for line in lines)


def test_the_changelog_tells_changes_first_and_nothing_twice() -> None:
    unreleased = TEXTS["CHANGELOG.md"].partition("\n## ")[2].partition("\n## ")[0]
    kinds = re.findall(r"^### (\w+)", unreleased, re.MULTILINE)
    assert kinds == sorted(kinds, key=["Changed", "New", "Mended"].index)
    entries = re.findall(r"^- .+(?:\n  .+)*", unreleased, re.MULTILINE)
    begun: dict[str, str] = {}  # a merge may leave an entry beside what became of it
    twice = [entry for entry in entries if begun.setdefault(entry[:60], entry) is not entry]
    assert twice == []
    assert [entry for entry in entries if not re.search(r"[.:]\)?$", entry)] == []
