"""Every name of aiohttp that the code uses beyond the reference is listed, and aiohttp has it.

A new aiohttp that changes any of this fails here first, loudly, and not in somebody's traffic.
"""

import sys
from importlib import import_module
from pathlib import Path

import pytest

from tools import aiohttp_names
from tools.aiohttp_names import PAGE, listed, names_of, table, unknown, used

LISTED = listed(PAGE.read_text())


def classes(name: str) -> list[type]:
    """The classes of aiohttp that are called so."""
    modules = [module for key, module in sys.modules.items() if key.startswith("aiohttp.")]
    found = {getattr(module, name, None) for module in modules}
    return [each for each in found if each and each.__module__.startswith("aiohttp.")]


def test_the_list_is_that_of_the_code() -> None:
    uses = used()
    assert {(use.owner, use.name) for use in uses} == LISTED
    assert table(uses) in PAGE.read_text()


@pytest.mark.parametrize(("owner", "name"), sorted(LISTED))
def test_aiohttp_has_each_name_on_the_list(owner: str, name: str) -> None:
    if owner.startswith("aiohttp."):
        assert hasattr(import_module(owner), name)
    else:
        (found,) = classes(owner)
        assert name in names_of(found)


@pytest.mark.parametrize(
    "use",
    [
        ("ResponseHandler", "_tail"),  # of another object
        ("RequestHandler", "_waiter"),  # of self, two classes further up
        ("ResponseHandler", "pause_reading"),  # overridden
        ("TCPConnector", "_wrap_create_connection"),  # overridden, and called by super()
        ("StreamReader", "_high_water"),  # by getattr
        ("ClientRequest", "server_hostname"),  # of what the reference only names
        ("aiohttp.client_proto", "ResponseHandler"),  # imported
    ],
)
def test_each_kind_of_use_is_found(use: tuple[str, str]) -> None:
    assert use in LISTED


def test_no_private_name_of_another_object_is_of_an_unknown_class() -> None:
    """Else ``RECEIVERS`` lacks what such an object is called, or aiohttp has lost the name."""
    assert unknown() == []


@pytest.mark.parametrize(
    ("line", "uses", "lost"),
    [
        ("payload._size", [("StreamReader", "_size")], []),
        ("self._payload._size", [("StreamReader", "_size")], []),
        ("payload.read", [], []),  # documented
        ("protocol.read", [("ResponseHandler", "read")], []),  # of a class that is not
        ("payload._gone", [], ["payload._gone"]),
        ("thing._size", [], ["thing._size"]),
        ("from aiohttp.streams import X", [("aiohttp.streams", "X")], []),
        ("from aiohttp.web import Response", [], []),
    ],
)
def test_what_a_new_line_uses_is_found(
    tmp_path: Path, line: str, uses: list[tuple[str, str]], lost: list[str]
) -> None:
    tmp_path.joinpath("new.py").write_text(line)
    assert [(use.owner, use.name) for use in used(tmp_path)] == uses
    assert [each.rpartition(": ")[2] for each in unknown(tmp_path)] == lost


def test_a_name_that_aiohttp_has_lost_changes_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_tail(owner: type) -> frozenset[str]:
        return names_of(owner) - {"_tail"}

    monkeypatch.setattr(aiohttp_names, "names_of", without_tail)
    assert {(use.owner, use.name) for use in used()} == LISTED - {("ResponseHandler", "_tail")}
    assert [each for each in unknown() if each.endswith("former._tail")]


def test_the_page_names_tests_that_there_are() -> None:
    words = PAGE.read_text().split("`")[1::2]
    paths = [word for word in words if word.startswith(("tests/", "tools/"))]
    assert len(paths) > 10
    assert [path for path in paths if not Path(path).exists()] == []
