"""Looks once a second, at one process or at several."""

import asyncio
import logging
from typing import Any

import msgspec
import pytest

from proxy.admin import observatory as module
from proxy.admin.observatory import Observatory, merged
from proxy.admin.source import Answer, Local
from proxy.core.samples import Sample, gauge
from proxy.telemetry.second import Event, Flying, Hit
from tests.support.seconds import SERVER, call, cell, second

LABELS = {"upstream": "api", "endpoint": SERVER}


def source(answers: dict[str, Answer], samples: list[Sample] | None = None) -> Local:
    return Local(lambda: True, lambda: samples or [], answers)


def hit(number: int, worst: float) -> Hit:
    return Hit("connect", "/v1", "api", SERVER, number, worst, f"r{worst:g}", None)


def test_seconds_of_several_processes_are_one() -> None:
    up = Flying("/v1", "api", SERVER, "connect", 3, 1.5)
    other = Flying("/v1", "api", SERVER, "connect", 4, 0.5)
    found = merged(
        [
            second(1.0, cell(2), flying=[up], hits=[hit(2, 3.0)], kept=[call(1, failed=True)],
                   in_flight=[call(9, failed=False)], connections=5),
            second(1.1, cell(3), flying=[other], hits=[hit(1, 4.0)], kept=[call(2, failed=True)],
                   in_flight=[call(3, failed=False)], connections=6),
        ],
        2.0,
    )  # fmt: skip
    assert [each.calls for each in found.cells] == [2, 3]
    [flying] = found.flying
    assert (flying.number, flying.oldest) == (7, 1.5)
    [worst] = found.hits
    assert (worst.number, worst.worst, worst.example) == (3, 4.0, "r4")
    assert [each.id for each in found.kept] == ["r1", "r2"]
    assert [each.id for each in found.in_flight] == ["r3", "r9"]  # the oldest first
    assert (found.at, found.connections) == (2.0, 11)


async def test_a_look_keeps_what_happened_and_what_changed() -> None:
    samples = [gauge("endpoint_healthy", 1, LABELS)]
    told = msgspec.msgpack.encode(second(1.0, cell(2), hits=[hit(2, 3.0)]))
    seen = Observatory(source({"second": lambda: told}, samples), wall=lambda: 100.0)
    await seen.look()
    samples[0] = gauge("endpoint_healthy", 0, LABELS)
    await seen.look()
    assert [each.text for each in seen.history.events] == [
        "the proxy wants new requests",
        f"api ({SERVER.removeprefix('http://')}): fails its health checks",
    ]
    [step] = seen.history.between(90.0, 60.0)
    assert step["rows"][0][1] == 4
    assert [each.cause for each in seen.history.episodes.now()] == ["connect"]


async def test_a_drain_is_an_event() -> None:
    told = msgspec.msgpack.encode(second(1.0))
    ready = [True, True, False, False]
    seen = Observatory(Local(lambda: ready[0], list, {"second": lambda: told}))
    while ready:
        await seen.look()
        del ready[0]
    assert [each.text for each in seen.history.events] == [
        "the proxy wants new requests",
        "the proxy drains",
    ]


async def test_a_look_that_nobody_answers_is_no_second() -> None:
    seen = Observatory(source({}))
    await seen.look()
    assert not seen.history.seconds.items


async def test_it_looks_again_after_a_fault(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "EVERY", 0.001)
    looks = 0

    def answer() -> bytes:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise RuntimeError("broken")
        return msgspec.msgpack.encode(second(1.0, events=[Event(at=1.0, kind="x", text="y")]))

    seen = Observatory(source({"second": answer}))
    with caplog.at_level(logging.ERROR):
        seen.open()
        async with asyncio.timeout(30):
            while not seen.history.events:  # noqa: ASYNC110 - it tells nobody that it has looked
                await asyncio.sleep(0.001)
    seen.close()
    known = looks
    await asyncio.sleep(0.05)
    assert looks <= known + 1
    assert "is not known" in caplog.text


async def test_calls_in_flight_are_asked_for() -> None:
    flying = msgspec.msgpack.encode([call(9, failed=False), call(3, failed=False)])
    seen = Observatory(source({"in_flight": lambda: flying}))
    assert [each.id for each in await seen.in_flight()] == ["r3", "r9"]


async def test_the_first_answer_that_says_something_counts() -> None:
    class Several:
        ready = True

        def describe(self) -> list[Sample]:
            return []

        async def metrics(self) -> list[Sample]:
            return []

        async def ask(self, question: str, *, keep: str = "", **values: Any) -> list[Any]:
            known: dict[str, list[Any]] = {"cancel": [False, True], "no": [None, False]}
            return known.get(question, [])

    seen = Observatory(Several())
    assert await seen.any("cancel") is True
    assert await seen.any("none") is None
    assert await seen.any("no") is False
