"""Where the admin listener looks, and through what it acts: this process, or all its workers.

All that the listener answers is made from a source. What has a state gives samples
(``core/samples``). What samples cannot say, such as the requests in flight, and what changes
something, such as a log level, is a question: a name and plain values, to which each process that
serves requests gives an answer of plain values, so that both can be sent to a worker. One process
without workers is its own source, ``Local``; ``run/workers`` has the one of a parent.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol, TypeAlias

from proxy.core.samples import Sample

Answer: TypeAlias = Callable[..., Any]
"""Answers one question; its values come as keywords. May be a coroutine function. What it returns
is made of None, bool, int, float, str, bytes, lists and dicts with such keys. Raises ValueError
with a sentence for the operator where the question cannot be answered."""


class Source(Protocol):
    """Of everything that the admin listener shows."""

    @property
    def ready(self) -> bool:
        """Whether new requests are wanted."""

    def describe(self) -> Iterable[Sample]:
        """The state. With workers it is their sum, at most about a second old."""

    async def metrics(self) -> list[Sample]:
        """The state, and what nobody but ``/metrics`` shows: thousands, which are told in steps."""

    async def ask(self, question: str, *, keep: str = "", **values: Any) -> list[Any]:
        """The answers, one of each process that serves requests and gives one in time.

        ``keep``: a question that changes something is asked again of each worker that starts
        later; a further one with the same ``keep`` takes its place. A value ``seconds`` is how long
        it holds. Raises ValueError with a sentence for the operator where no process can answer.
        """


class Local:
    """This process alone."""

    __slots__ = ("_answers", "_describe", "_metrics", "_ready")

    def __init__(
        self,
        ready: Callable[[], bool],
        describe: Callable[[], Iterable[Sample]],
        answers: dict[str, Answer],
        metrics: Callable[[], Awaitable[list[Sample]]] | None = None,
    ) -> None:
        """``answers``: by the name of their question; may be filled later. ``metrics``: where they
        are more than ``describe`` gives."""
        self._metrics = metrics
        self._ready = ready
        self._describe = describe
        self._answers = answers

    @property
    def ready(self) -> bool:
        """Whether new requests are wanted."""
        return self._ready()

    def describe(self) -> Iterable[Sample]:
        """The state of this moment."""
        return self._describe()

    async def metrics(self) -> list[Sample]:
        """The same and more."""
        return list(self._describe()) if self._metrics is None else await self._metrics()

    async def ask(self, question: str, *, keep: str = "", **values: Any) -> list[Any]:
        """The one answer; ``keep`` means nothing here. Raises ValueError."""
        return [await answered(self._answers, question, values)]


async def answered(answers: dict[str, Answer], question: str, values: dict[str, Any]) -> Any:
    """The answer of this process. Raises ValueError where it has none."""
    if question not in answers:
        raise ValueError(f"nobody knows an answer to {question!r}")
    answer = answers[question](**values)
    return await answer if inspect.isawaitable(answer) else answer
