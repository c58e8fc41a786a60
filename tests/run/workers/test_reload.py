"""All workers use another configuration, or none does."""

import asyncio
import contextlib
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from proxy.config.load import read
from proxy.config.model import Config
from proxy.edge.options import ServerOptions
from proxy.run.reasons import CannotReload
from proxy.run.workers.link import LinkClosed
from proxy.run.workers.member import Member
from proxy.run.workers.reload import commit, prepare
from proxy.run.workers.shelf import shelf
from proxy.run.workers.sockets import Bound
from tests.support.message import OK, get
from tests.support.process import Process
from tests.support.upstream import RawUpstream
from tests.support.workers import configured, crew, replaced, serving, state

RULE = '[routes.response_headers]\nset = {{ X-Version = "{}" }}\n'


def written(folder: Path, upstream: RawUpstream, version: str, more: str = "") -> None:
    """The file, with a route that says which version it is."""
    path = Path(configured(folder, upstream.url, more=more))
    path.write_text(path.read_text() + RULE.format(version))


async def versions(proxy: Process) -> set[bytes | None]:
    """What workers answer with, asked over several connections."""
    found = set()
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(4):
            client = await stack.enter_async_context(await proxy.client())
            found.add((await client.ask(get())).value("X-Version"))
    return found


async def test_all_workers_reload_and_cut_nothing(tmp_path: Path) -> None:
    answer = asyncio.Event()
    async with (
        RawUpstream([answer, OK], [OK]) as upstream,
        crew(tmp_path, upstream) as proxy,
        await proxy.client() as held,
    ):
        await held.send(get("/held"))
        await upstream.until(lambda: len(upstream.requests) == 1)
        pids = serving(await state(proxy))
        written(tmp_path, upstream, "2")
        proxy.process.send_signal(signal.SIGHUP)
        assert "route / (" in await proxy.line("reload (SIGHUP)")
        assert await versions(proxy) == {b"2"}
        assert serving(await state(proxy)) == pids
        answer.set()
        assert (await held.receive()).status == 200


async def test_a_pipe_that_each_worker_would_read_changes_nothing(tmp_path: Path) -> None:
    async with RawUpstream() as upstream, crew(tmp_path, upstream) as proxy:
        os.mkfifo(tmp_path / "sorry")
        written(tmp_path, upstream, "2")
        with (tmp_path / "config.toml").open("a") as file:
            file.write(f'[routes.fallback]\nstatus = 503\nfile = "{tmp_path}/sorry"\n')
        proxy.process.send_signal(signal.SIGHUP)
        assert "gives its bytes once: that is for" in await proxy.line("reload: ")
        await proxy.line("reload (SIGHUP): refused")
        assert await versions(proxy) == {None}


async def test_a_worker_that_starts_later_has_the_new_configuration(tmp_path: Path) -> None:
    async with RawUpstream() as upstream, crew(tmp_path, upstream) as proxy:
        pids = serving(await state(proxy))
        written(tmp_path, upstream, "2")
        proxy.process.send_signal(signal.SIGHUP)
        await proxy.line("reload (SIGHUP)")
        for slot in (0, 1):
            os.kill(pids[slot], signal.SIGKILL)
            pids = await replaced(proxy, pids, slot)
        assert await versions(proxy) == {b"2"}


async def test_a_bad_file_changes_nothing_in_any_worker(tmp_path: Path) -> None:
    async with RawUpstream() as upstream, crew(tmp_path, upstream) as proxy:
        written(tmp_path, upstream, "3", more="[retry]\natempts = 1")
        proxy.process.send_signal(signal.SIGHUP)
        assert "refused" in await proxy.line("reload (SIGHUP)")
        assert await versions(proxy) == {None}
        written(tmp_path, upstream, "4")
        proxy.process.send_signal(signal.SIGHUP)
        await proxy.line("reload (SIGHUP)")
        assert await versions(proxy) == {b"4"}


def loaded(folder: Path, text: str) -> Config:
    (folder / "other.toml").write_text(
        text + '[[upstreams]]\nname = "a"\nservers = ["http://127.0.0.1:9"]\n'
        '[[routes]]\nupstream = "a"\n'
    )
    config, problems = read(str(folder / "other.toml"))
    assert config is not None, problems
    return config


class Answering:
    """A link of which the answers are given."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def ask(self, question: str, **_: Any) -> Any:
        self.asked.append(question)
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, BaseException):
            raise answer
        return answer


def member(link: Answering) -> Member:
    made = Member(0)
    made.link = link  # type: ignore[assignment]
    return made


async def test_where_one_cannot_prepare_all_abandon(tmp_path: Path) -> None:
    config = loaded(tmp_path, "")
    good, bad = Answering(), Answering(ValueError("no such file"))
    with pytest.raises(CannotReload, match="no such file"):
        await prepare([member(good), member(bad)], config)
    assert good.asked == bad.asked == ["prepare_reload", "abandon_reload"]


async def test_a_worker_that_has_ended_meanwhile_is_in_nobodys_way(tmp_path: Path) -> None:
    config = loaded(tmp_path, "")
    living, ended = member(Answering()), member(Answering(LinkClosed("gone")))
    assert await prepare([living, ended], config) == [living]
    with pytest.raises(CannotReload, match="no worker serves"):
        await prepare([member(Answering(LinkClosed("gone")))], config)


async def test_one_that_ended_before_it_was_handed_sockets_is_in_nobodys_way(
    tmp_path: Path,
) -> None:
    config, bound = loaded(tmp_path, ""), Bound("127.0.0.1:0", ServerOptions(), 1)
    members, theirs = [], []
    for _ in range(3):
        members.append(member(Answering()))
        members[-1].shelf, end = shelf()
        theirs.append(end)
    living, ended, known = members
    theirs[1].close()
    known.ended()
    try:
        assert await prepare([living, ended, known], config, [bound]) == [living]
    finally:
        bound.close()
        for end in theirs:
            end.close()
        for each in (living, ended):
            each.ended()


async def test_who_could_not_use_it_is_told() -> None:
    good, bad = member(Answering()), member(Answering(ValueError("oops")))
    assert await commit([good, bad]) == [bad]


async def test_reloads_are_counted_and_asked_for_over_the_admin_listener(tmp_path: Path) -> None:
    from tests.run.workers.test_questions import change  # noqa: PLC0415

    async with RawUpstream() as upstream, crew(tmp_path, upstream) as proxy:
        written(tmp_path, upstream, "2")
        told = await change(proxy, b"POST", "/api/reload")
        assert told["reloaded"] is True
        assert await versions(proxy) == {b"2"}
        assert json.dumps(told["changed"])
