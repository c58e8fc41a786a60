"""Limits of this process and machine."""

import errno
import logging
import os

import pytest

from proxy.core import local_limits
from proxy.core.errors import LocalLimit
from proxy.core.local_limits import EVERY, Complaints, local_limit, tells_of_one


def test_an_address_that_cannot_be_reached_from_here_is_no_lack_of_ports(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    error = OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
    assert isinstance(local_limit(error, ("127.0.0.1", 0)), LocalLimit)
    monkeypatch.setattr(local_limits, "_has_source", lambda _: False)
    assert local_limit(error, ("::1", 0)) is None


@pytest.mark.parametrize(
    ("sentence", "tells"),
    [
        (f"cannot be read: {os.strerror(errno.EMFILE)}", True),
        (f"cannot use 'a.pem': {os.strerror(errno.ENOMEM)}", True),
        ("RuntimeError: can't start new thread", True),
        (f"cannot be read: {os.strerror(errno.EACCES)}", False),
        (f"cannot listen on 192.0.2.1:80: {os.strerror(errno.EADDRNOTAVAIL)}", False),
        ("unknown option", False),
    ],
)
def test_a_limit_is_known_by_the_words_of_the_system(sentence: str, *, tells: bool) -> None:
    assert tells_of_one(sentence) is tells


def test_each_limit_is_told_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    now = 100.0
    complain = Complaints(lambda: now)
    for _ in range(5):
        complain("EMFILE", "none left")
    complain("ENOSPC", "disk full")
    now += EVERY
    complain("EMFILE", "none left")
    told = [message.partition("upstream: ")[2] for message in caplog.messages]
    assert told == [
        "none left",
        "disk full",
        "none left (4 times more since the last such line)",
    ]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(errno.EMFILE, "x"), "EMFILE"),
        (OSError(errno.ENOSPC, "x"), "ENOSPC"),
        (MemoryError(), "memory"),
        (RuntimeError("can't start new thread"), "thread"),
        (RuntimeError("something else"), None),
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), None),
    ],
)
def test_what_is_used_up_here_is_told_from_what_fails_there(
    error: Exception, kind: str | None
) -> None:
    found = local_limit(error)
    assert (None if found is None else found.kind) == kind
