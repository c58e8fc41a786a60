"""What one process answers; ``tests/admin/test_api.py`` asks most of it over HTTP."""

import asyncio
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from proxy.config.config_file import ConfigFile
from proxy.config.load import from_upstream
from proxy.edge.connections import ConnectionTracker
from proxy.run.answers import Answers, explanation
from proxy.run.runtime import Runtime
from proxy.telemetry.ended import Ended
from proxy.telemetry.recorder import Recorder
from proxy.telemetry.second import Second
from tests.support.explained import UPSTREAMS


class Server:
    def __init__(self, name: str) -> None:
        self.name = name
        self.withdrawn = False

    def withdraw(self, *, withdrawn: bool) -> None:
        self.withdrawn = withdrawn


class Asked:
    def __init__(self, *names: str, changes: bool = False) -> None:
        self.servers = [Server(name) for name in names]
        endpoints = SimpleNamespace(members=tuple(self.servers), changes=changes)
        config = from_upstream("http://a")
        upstreams = cast(Any, {"api": endpoints})
        self.answers = Answers(
            Recorder(Ended(), list), ConnectionTracker(1), lambda: upstreams, lambda: config
        )

    def change(self, action: str, server: str = "http://a", seconds: float = 0.0) -> str | None:
        return self.answers.change_server(action, "api", server, seconds)


async def test_every_question_has_its_answer() -> None:
    asked = Asked("http://a", "http://b")
    assert set(asked.answers.table()) == {
        "second", "in_flight", "cancel", "change_server", "log_level", "configuration", "explain",
    }  # fmt: skip
    assert asked.answers.cancel("nobody") is False


def events(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    keys = ("event", "upstream", "endpoint", "for_s", "to")
    found = [vars(each) for each in caplog.records if each.name == "proxy.state"]
    return [{key: each[key] for key in keys if key in each} for each in found]


async def test_an_ejected_server_comes_back_by_itself(caplog: pytest.LogCaptureFixture) -> None:
    asked = Asked("http://a", "http://b")
    assert asked.change("eject", seconds=0.01) == "http://a of api is asked no more for 10 ms"
    async with asyncio.timeout(30):
        while asked.servers[0].withdrawn:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.001)
    assert not asked.servers[1].withdrawn
    which = {"upstream": "api", "endpoint": "http://a"}
    assert events(caplog) == [
        {"event": "withdrawn", **which, "for_s": 0.01},
        {"event": "restored", **which},
    ]


async def test_what_an_operator_changes_is_told(caplog: pytest.LogCaptureFixture) -> None:
    asked = Asked("http://a", "http://b")
    level = logging.getLogger().level
    asked.change("drain")
    asked.change("restore")
    try:
        asked.answers.log_level("warning")
    finally:
        logging.getLogger().setLevel(level)
    which = {"upstream": "api", "endpoint": "http://a"}
    assert events(caplog) == [
        {"event": "withdrawn", **which, "for_s": 0.0},
        {"event": "restored", **which},
        {"event": "log_level", "to": "warning"},
    ]


async def test_an_ejection_without_a_time_lasts() -> None:
    asked = Asked("http://a", "http://b")
    assert asked.change("eject") == "http://a of api is asked no more"
    assert asked.servers[0].withdrawn


@pytest.mark.parametrize("then", ["drain", "close"])
async def test_a_drain_and_an_end_stop_the_clock_of_an_ejection(then: str) -> None:
    asked = Asked("http://a", "http://b")
    asked.change("eject", seconds=0.01)
    if then == "drain":
        asked.change("drain")
    else:
        asked.answers.close()
    await asyncio.sleep(0.05)
    assert asked.servers[0].withdrawn


async def test_the_only_server_may_be_withdrawn_where_there_may_be_others() -> None:
    asked = Asked("http://a", changes=True)
    assert asked.change("drain") == "http://a of api is asked no more"
    assert asked.change("restore") == "http://a of api is asked again"
    assert not asked.servers[0].withdrawn


async def test_a_server_that_has_become_the_only_one_can_be_restored() -> None:
    """A reload has removed the other one."""
    asked = Asked("http://a")
    asked.servers[0].withdraw(withdrawn=True)
    for _ in range(2):  # it may be restored already
        assert asked.change("restore") == "http://a of api is asked again"
        assert not asked.servers[0].withdrawn


async def test_nobody_elses_server_is_withdrawn() -> None:
    asked = Asked("http://a", "http://b")
    assert asked.change("drain", "http://c") is None
    assert asked.answers.change_server("drain", "other", "http://a") is None
    with pytest.raises(ValueError, match="the only server of api"):
        Asked("http://a").change("drain")


async def test_without_an_admin_listener_nothing_is_recorded() -> None:
    assert "second" not in Runtime(from_upstream("http://a")).answers
    assert "second" in Runtime(from_upstream("http://a", admin="127.0.0.1:0")).answers


async def test_a_reload_is_an_event() -> None:
    runtime = Runtime(from_upstream("http://a", admin="127.0.0.1:0"))
    again = from_upstream("http://b", admin="127.0.0.1:0")
    runtime._observation.follow(again)
    second = msgspec.msgpack.decode(runtime.answers["second"](), type=Second)
    assert [each.text for each in second.events] == ["reloaded: other options are in force"]


async def test_after_an_edit_that_is_not_in_force_nothing_is_called_unwritten(
    tmp_path: Path,
) -> None:
    path, text = tmp_path / "a.toml", f"{UPSTREAMS}[[routes]]\nupstream = 'b'\n"
    path.write_text(text)
    file = ConfigFile(str(path))
    config, _ = file()
    assert config is not None
    lines = await explanation(config, file, "GET", "/x", [])
    assert "Route: routes[0] (path /; a.toml:9) takes it" in lines
    path.write_text(text + "path = '/v1'\n")
    lines = await explanation(config, file, "GET", "/x", [])
    said = "the file says something else by now"
    assert f"Route: routes[0] (path /; {said}) takes it" in lines
    lines = await explanation(config, None, "GET", "/x", [])
    assert "Route: routes[0] (path /; not written in a file) takes it" in lines
