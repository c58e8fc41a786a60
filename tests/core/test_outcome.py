"""What an attempt came to is decided once."""

import asyncio

import pytest

from proxy.core.errors import (
    BadRequest,
    CertificateInvalid,
    ClientGone,
    ConnectFailed,
    ConnectionTerminated,
    DeadlineTooShort,
    NoEndpointAvailable,
    ProtocolViolation,
    QueueTimeout,
    ReplyBroken,
    ReplyStalled,
    ResponseTimeout,
    Stage,
    UpstreamError,
)
from proxy.core.outcome import (
    Verdict,
    at_fault,
    attempt_outcome,
    failure_class,
    takes_over,
    verdict,
)
from proxy.core.reply import Reply
from tests.support.loop import reply


@pytest.mark.parametrize(
    ("status", "expected", "fault", "over"),
    [
        (200, Verdict.ANSWERED, False, False),
        (101, Verdict.ANSWERED, False, False),
        (304, Verdict.ANSWERED, False, False),
        (404, Verdict.ANSWERED, False, False),
        (408, Verdict.ANSWERED, False, False),
        (429, Verdict.OVERLOADED, False, False),
        (500, Verdict.FAILED, True, False),
        (501, Verdict.FAILED, True, False),
        (502, Verdict.FAILED, True, True),
        (503, Verdict.OVERLOADED, True, True),
        (504, Verdict.FAILED, True, True),
        (529, Verdict.OVERLOADED, True, False),
        (599, Verdict.FAILED, True, False),
    ],
)
async def test_a_status_says_what_an_attempt_came_to(
    status: int, expected: Verdict, fault: bool, over: bool
) -> None:
    came = reply(status)
    assert verdict(came) is expected
    assert (at_fault(status), takes_over(status)) == (fault, over)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConnectFailed(), Verdict.FAILED),
        (ConnectionTerminated(), Verdict.FAILED),
        (ProtocolViolation(), Verdict.FAILED),
        (ReplyBroken(), Verdict.FAILED),
        (ResponseTimeout(), Verdict.OVERLOADED),
        (NoEndpointAvailable(), Verdict.NOT_ATTEMPTED),
        (QueueTimeout(), Verdict.NOT_ATTEMPTED),
        (DeadlineTooShort(), Verdict.NOT_ATTEMPTED),
        (BadRequest(), Verdict.NOT_ATTEMPTED),
        (ClientGone(), Verdict.NOT_ATTEMPTED),
        (asyncio.CancelledError(), Verdict.NOT_ATTEMPTED),
        (ValueError(), Verdict.NOT_ATTEMPTED),
    ],
)
def test_an_error_says_what_an_attempt_came_to(error: BaseException, expected: Verdict) -> None:
    assert verdict(error) is expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConnectFailed(), "connect-failure"),
        (CertificateInvalid(), "connect-failure"),
        (ConnectionTerminated(stage=Stage.NOT_SENT), "connect-failure"),
        (ConnectionTerminated(stage=Stage.STALE), "stale-connection"),
        (ConnectionTerminated(), "reset"),
        (ProtocolViolation(), "reset"),
        (ReplyBroken(), "reset"),
        (ReplyStalled(), "timeout"),
        (ResponseTimeout(), "timeout"),
        (NoEndpointAvailable(), ""),
        (UpstreamError(), ""),
    ],
)
def test_a_failure_has_the_name_that_retry_knows_it_by(error: UpstreamError, expected: str) -> None:
    assert failure_class(error) == expected


@pytest.mark.parametrize(
    ("came", "name"),
    [
        (reply(404), "404"),
        (ConnectFailed("refused"), "connect-failure"),
        (ResponseTimeout("60 s"), "timeout"),
        (NoEndpointAvailable("none"), "not-attempted"),
        (UpstreamError("something new"), "failed"),
    ],
    ids=["status", "no connection", "no head", "none asked", "unknown"],
)
async def test_the_log_names_outcomes_in_words_of_the_configuration(
    came: Reply | UpstreamError, name: str
) -> None:
    assert attempt_outcome(came) == name
