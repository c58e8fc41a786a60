"""Every guide starts with a complete configuration that works, and its console lines are true."""

import asyncio
import re
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.config.load import check, load
from proxy.run.runtime import Runtime
from tests.support.client import ask
from tests.support.message import get
from tests.support.upstream import RawUpstream
from tests.test_readme import CONSOLE, steady

DOCS = Path(__file__).parents[2] / "docs"
GUIDES = [
    *sorted(path for path in (DOCS / "guides").glob("*.md") if path.name != "README.md"),
    DOCS / "retries.md",
]
TOML = re.compile(r"^```toml\n((?s:.*?))^```$", re.MULTILINE)
ADDRESS = re.compile(r'"[^"]*:\d+"(?=\s*(?:#.*)?$)', re.MULTILINE)
FIRST = re.compile(r"https?://(?:10\.0\.0\.1:9000|api\.example\.com)")
REST = """
[[upstreams]]
name = "rest"
servers = ["http://10.0.0.1:9000"]
[[routes]]
upstream = "rest"
"""


def read(guide: Path) -> str:
    return guide.read_text(encoding="utf-8")


def snippets() -> list[tuple[str, str]]:
    """File name and text of every snippet of TOML, made complete where it has no route."""
    found = []
    for guide in GUIDES:
        for text in TOML.findall(read(guide)):
            if "[[upstreams]]" not in text:
                rest = REST
            elif "[[routes]]" not in text:
                name = re.findall(r'name = "(.*)"', text)[0]
                rest = f'[[routes]]\nupstream = "{name}"\n'
            else:
                rest = ""
            found.append((guide.name, text + rest))
    return found


@pytest.mark.parametrize(("guide", "text"), snippets())
def test_every_snippet_is_a_configuration_without_problems(
    guide: str, text: str, tmp_path: Path
) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    environ = {name: f"sample-{name}" for name in re.findall(r"\$\{(\w+)\}", text)}
    assert [str(problem) for problem in check(path, environ)] == []


async def test_each_client_has_its_key_its_limit_and_stored_replies(tmp_path: Path) -> None:
    """The snippet of the page, asked with a key, with that of another one and with none."""
    [text] = [each for each in TOML.findall(read(DOCS / "guides/model-api.md")) if "KEY_OF" in each]
    environ = {name: f"sample-{name}" for name in re.findall(r"\$\{(\w+)\}", text)}
    path = tmp_path / "config.toml"
    async with RawUpstream() as api:
        path.write_text(f"[cache]\nttl = '1m'\n{FIRST.sub(api.url, text)}")
        runtime = Runtime(
            load(path, environ, ["server.listen=127.0.0.1:0", "rate_limit.average=2"])
        )
        await runtime.open()
        try:

            async def asked(key: str) -> int:
                address = ("127.0.0.1", int(runtime.http[0].rpartition(":")[2]))
                field = f"Authorization: Bearer sample-{key}\r\n" if key else ""
                return (await ask(address, get("/", field.encode()))).status

            told = [
                await asked(key) for key in ("KEY_OF_SEARCH", "KEY_OF_SEARCH", "KEY_OF_SUPPORT")
            ]
            assert told == [200, 200, 200]
            assert [each.head.value("Authorization") for each in api.requests] == [
                b"Bearer sample-MODEL_KEY_OF_SEARCH",  # once: then it was stored
                b"Bearer sample-MODEL_KEY_OF_SUPPORT",
            ]
            others = [await asked(key) for key in ("", "KEY_OF_NOBODY", "KEY_OF_SEARCH")]
            assert [*others, await asked("KEY_OF_SUPPORT")] == [404, 404, 429, 200]
        finally:
            await runtime.close()


@pytest.mark.parametrize("page", [*GUIDES, DOCS / "cache.md"], ids=lambda path: path.stem)
def test_a_page_with_console_lines_says_how_to_try_them(page: Path) -> None:
    before = read(page).partition("```console")[0]
    assert re.search(r"\(\[how to try it\]\((?:guides/)?README\.md\)\):\s*$", before)


def test_the_demo_listens_where_the_guides_say() -> None:
    code = read(DOCS.parent / "proxy" / "demo" / "__main__.py")
    assert '"--listen", default="127.0.0.1:9000"' in code
    assert '`servers = ["http://127.0.0.1:9000"]`' in read(DOCS / "guides" / "README.md")


@pytest.fixture
async def demo() -> AsyncIterator[str]:
    """The address of a demo API."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "proxy.demo", "--listen", "127.0.0.1:0"),
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        ready = (await process.stderr.readline()).decode().split()
        assert ready[:2] == ["demo", "ready"]
        yield ready[2]
    finally:
        process.terminate()
        await process.wait()


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)
async def test_the_configuration_of_a_guide_gives_what_its_console_shows(
    guide: Path, demo: str, tmp_path: Path
) -> None:
    # The other servers of a guide are not there: 127.0.0.0/8 is all loopback.
    text = FIRST.sub(demo, ADDRESS.sub('"127.0.0.1:0"', TOML.findall(read(guide))[0]))
    path = tmp_path / "config.toml"
    path.write_text(text.replace("http://10.0.0.", "http://127.0.0.").replace(":9000", ":9"))
    runtime = Runtime(load(path))
    await runtime.open()
    try:
        lines = CONSOLE.findall(read(guide))
        assert lines
        for command, shown in lines:
            process = await asyncio.create_subprocess_shell(
                command.replace("127.0.0.1:8080", runtime.http[0]),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            seen, _ = await process.communicate()
            assert steady(seen.decode()) == steady(shown)
    finally:
        await runtime.close()
