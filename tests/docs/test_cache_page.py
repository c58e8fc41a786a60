"""What docs/cache.md shows is what curl shows."""

import asyncio
import re
import shutil
from pathlib import Path

import pytest

from proxy.config.load import load
from proxy.middleware.cache.meanings import _ADDRESSES, _ELSEWHERE, is_address, is_owner
from proxy.policy.freshness import HEURISTIC
from proxy.policy.storing import _NEVER
from proxy.run.runtime import Runtime
from tests.docs.test_guides import ADDRESS, FIRST, TOML, demo, read
from tests.test_readme import CONSOLE

TOP = Path(__file__).parents[2]
PAGE = TOP / "docs" / "cache.md"
MOMENT = re.compile(r"(?<=ttl=)\d+|(?<=Age: )\d+")
"""What depends on how fast the test is."""

__all__ = ["demo"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_the_configuration_gives_what_the_console_shows(demo: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(FIRST.sub(demo, ADDRESS.sub('"127.0.0.1:0"', TOML.findall(read(PAGE))[0])))
    runtime = Runtime(load(path))
    await runtime.open()
    try:
        lines = CONSOLE.findall(read(PAGE))
        assert len(lines) == 4
        for command, shown in lines:
            process = await asyncio.create_subprocess_shell(
                command.replace("127.0.0.1:8080", runtime.http[0]).replace(
                    "127.0.0.1:9901", runtime.admin
                ),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            seen, _ = await process.communicate()
            text = seen.decode().replace("\r\n", "\n").rstrip()
            assert MOMENT.sub("N", text) == MOMENT.sub("N", shown.rstrip())
    finally:
        await runtime.close()


TEXT = " ".join(read(PAGE).split())
SOURCES = [*(TOP / "proxy/middleware/cache").glob("*.py"), TOP / "proxy/policy/storing.py"]


def numbers(text: str) -> set[int]:
    """Statuses, in the way in which the page lists them."""
    found = set(map(int, re.findall(r"\b\d{3}\b", text)))
    for first, last in re.findall(r"(\d{3}) to (\d{3})", text):
        found |= set(range(int(first), int(last) + 1))
    return found


def test_the_statuses_that_are_stored_are_those_of_the_code() -> None:
    assert numbers(TEXT.partition("its status is one of ")[2].partition(".")[0]) == (
        HEURISTIC - _NEVER
    )
    assert (
        numbers(TEXT.partition("are never stored: ")[2].partition(". ")[0]) | {206, 304} == _NEVER
    )


def test_every_reason_that_is_given_is_explained() -> None:
    given = set()
    for source in SOURCES:
        text = source.read_text(encoding="utf-8")
        given |= set(re.findall(r"detail=([a-z-]+)", text))
        given |= set(re.findall(r'(?:return|meta =|why =) "([a-z-]+)"', text))
    table = TEXT.partition("| it says | meaning |")[2].partition("```")[0]
    assert len(given) > 10
    assert [reason for reason in given if not re.search(rf"[`=]{reason}`", table)] == []


def test_the_fields_that_say_who_asks_or_where_are_the_listed_ones() -> None:
    who = TEXT.partition("is one of these (")[2].partition("So do `Remote-*`")[0]
    words = re.findall(r"`([a-z*]+)`", who)
    assert len(words) > 40
    assert [word for word in words if word != "*" and not is_owner(_filled(word))] == []
    assert not any(is_owner(name) for name in (b"user-agent", b"sec-fetch-user", b"x-real-ip"))
    where = TEXT.partition("between the dashes is `*host`")[2].partition("Any client")[0]
    words = ["*host", *re.findall(r"`([a-z*]+)`", where)]
    assert len(words) == 8
    assert [word for word in words if not is_address(_filled(word))] == []
    names = {name.lower().encode() for name in re.findall(r"`([A-Z][\w-]+[a-zA-Z])`", where)}
    assert names | {b"forwarded"} > _ADDRESSES
    assert [name for name in names if not is_address(name)] == []
    not_where = TEXT.partition("and those with the word")[2].partition("do not count")[0]
    assert {word.encode() for word in re.findall(r"`([a-z]+)`", not_where)} == _ELSEWHERE


def _filled(word: str) -> bytes:
    return f"x-{word.replace('*', 'some')}-id".encode()
