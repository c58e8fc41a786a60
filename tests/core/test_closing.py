"""How several things end."""

import pytest

from proxy.core.closing import close_all


class Thing:
    """Ends, or fails at it."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.closed = False

    async def close(self) -> None:
        self.closed = True
        if self.error is not None:
            raise self.error


async def test_one_that_fails_keeps_none_of_the_others_open(
    caplog: pytest.LogCaptureFixture,
) -> None:
    things = [Thing(), Thing(RuntimeError("broken")), Thing(TimeoutError()), Thing()]
    await close_all(things)
    assert all(thing.closed for thing in things)
    assert caplog.messages == ["Thing could not be closed"] * 2
    assert "broken" in caplog.text
    assert things[1].error is not None
    assert things[1].error.__traceback__ is None
