"""A start on an aiohttp that nobody tested says so."""

import logging
import re
import tomllib
from pathlib import Path

import aiohttp
import pytest

from proxy.run.versions import LEAST, TESTED, untested, warn_of_untested
from tests.support.process import started


@pytest.mark.parametrize("version", ["3.14.4", "3.14.5", "3.14.17"])
def test_nothing_is_said_of_a_version_that_was_tested(version: str) -> None:
    assert untested(version) == ""


@pytest.mark.parametrize(
    "version", ["3.13.9", "3.14.3", "3.14.0rc1", "3.14.4rc0", "3.15.0", "4.0.0a1", "4", "unknown"]
)
def test_another_version_is_named_with_those_that_were_tested(version: str) -> None:
    assert untested(version) == (
        f"aiohttp {version} is installed, but this proxy was tested with 3.14.4 and later versions "
        "of 3.14 only: install one of these"
    )


def test_the_pin_is_what_was_tested() -> None:
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    assert f"aiohttp~={TESTED[0]}.{TESTED[1]}.{LEAST}" in project["dependencies"]


@pytest.mark.parametrize("file", sorted(Path("requirements").glob("*.txt")), ids=str)
def test_what_is_installed_by_us_was_tested(file: Path) -> None:
    found = re.findall(r"^aiohttp==(\S+)", file.read_text(), re.MULTILINE)
    assert all(not untested(version) for version in found)
    assert found or file.stem in ("api", "bench", "build", "conformance", "page")


def test_the_installed_version_is_one_that_was_tested(caplog: pytest.LogCaptureFixture) -> None:
    warn_of_untested()
    assert caplog.records == []


def test_the_warning_is_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(aiohttp, "__version__", "3.15.0")
    with caplog.at_level(logging.WARNING):
        warn_of_untested()
    (record,) = caplog.records
    assert record.getMessage() == untested("3.15.0")


async def test_a_start_on_another_version_says_so_on_standard_error(tmp_path: Path) -> None:
    tmp_path.joinpath("sitecustomize.py").write_text(
        "import aiohttp; aiohttp.__version__ = '3.99.0'"
    )
    arguments = ("run", "--upstream", "http://127.0.0.1:9", "--listen", "127.0.0.1:0")
    async with started(*arguments, PYTHONPATH=str(tmp_path)) as proxy:
        assert untested("3.99.0") in await proxy.line("aiohttp 3.99.0")
        await proxy.ready()
        assert await proxy.stopped() == 0
        assert not [line for line in await proxy.said() if "aiohttp" in line]
