"""Questions to the process that serves."""

from typing import Any

import pytest

from proxy.admin.source import Answer, Local
from proxy.core.samples import Sample, gauge


async def _later(**values: Any) -> dict[str, Any]:
    return values


def _refuse(**_: Any) -> None:
    raise ValueError("no such server")


ANSWERS: dict[str, Answer] = {"add": lambda a, b: a + b, "later": _later, "refuse": _refuse}


def _source(answers: dict[str, Answer] | None = None) -> Local:
    return Local(lambda: True, lambda: [gauge("one", 1)], ANSWERS if answers is None else answers)


@pytest.mark.parametrize(
    ("question", "values", "answer"),
    [("add", {"a": 1, "b": 2}, 3), ("later", {"kept": "yes"}, {"kept": "yes"})],
)
async def test_one_process_gives_one_answer(
    question: str, values: dict[str, Any], answer: Any
) -> None:
    assert await _source().ask(question, keep="key", **values) == [answer]


@pytest.mark.parametrize(
    ("question", "sentence"), [("refuse", "no such server"), ("other", "an answer to 'other'")]
)
async def test_what_cannot_be_answered_is_said_in_a_sentence(question: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        await _source().ask(question)


async def test_answers_may_be_added_later() -> None:
    answers: dict[str, Answer] = {}
    source = _source(answers)
    answers["name"] = lambda: "api"
    assert await source.ask("name") == ["api"]
    assert source.ready
    assert list(source.describe()) == [gauge("one", 1)]


async def test_metrics_may_show_more_than_the_state() -> None:
    one, two = gauge("one", 1), gauge("two", 2)
    assert await _source().metrics() == [one]

    async def both() -> list[Sample]:
        return [one, two]

    more = Local(lambda: True, lambda: [one], {}, both)
    assert (list(more.describe()), await more.metrics()) == ([one], [one, two])
