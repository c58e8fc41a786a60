"""Everything that can go wrong."""

import pytest

from proxy.core.errors import (
    ConnectFailed,
    DeadlineTooShort,
    QueueFull,
    ReplyBroken,
    ResponseTimeout,
    Stage,
    UpstreamError,
    forget_frames,
)


@pytest.mark.parametrize(
    ("error", "stage"),
    [
        (ConnectFailed(), Stage.NOT_SENT),
        (QueueFull(), Stage.NOT_SENT),
        (ResponseTimeout(), Stage.SENT),
        (ResponseTimeout(stage=Stage.NOT_SENT), Stage.NOT_SENT),
        (ReplyBroken(), Stage.ANSWERED),
    ],
)
def test_a_failure_says_how_far_the_attempt_had_come(error: UpstreamError, stage: Stage) -> None:
    assert error.stage is stage


def test_nobody_knows_when_a_request_that_is_too_late_is_worth_another_try() -> None:
    assert DeadlineTooShort().retry_after is None
    assert QueueFull().retry_after == 1.0


def test_an_error_that_was_dealt_with_keeps_no_frames_alive() -> None:
    def fail() -> None:
        try:
            raise ValueError("first")
        except ValueError as first:
            raise ConnectFailed("second") from first

    with pytest.raises(ConnectFailed) as caught:
        fail()
    error = caught.value
    cause = error.__cause__
    assert cause is not None
    assert cause.__traceback__ is not None
    forget_frames(error)
    assert (error.__traceback__, error.__cause__, error.__context__) == (None, None, None)
    assert cause.__traceback__ is None
