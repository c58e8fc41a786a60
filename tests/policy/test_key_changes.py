"""What has become of keys and labels."""

import pytest

from proxy.policy import key_changes
from proxy.policy.key_changes import Changes


def test_what_was_asked_for_before_a_change() -> None:
    changes = Changes()
    before = changes.now
    mark = changes.mark(b"a")
    changes.invalidated(b"a")
    changes.stored(b"b")
    assert changes.is_invalid([b"a"], before)
    assert not changes.is_invalid([b"b"], before)
    assert not changes.is_invalid([b"a"], changes.now)
    assert changes.may_have_stored(b"b", before)
    assert not changes.may_have_stored(b"a", before)
    assert not changes.may_have_stored(b"b", changes.now)
    assert changes.mark(b"a") != mark
    assert changes.mark(b"b") == mark


def test_while_nothing_is_invalid_all_marks_are_one() -> None:
    changes = Changes()
    changes.stored(b"a")
    seen = [changes.none_invalid]
    assert changes.mark(b"a") == changes.mark(b"b", b"c") == Changes().mark(b"")
    changes.invalidated(b"a")
    seen.append(changes.none_invalid)
    assert seen == [True, False]
    assert changes.mark(b"a") != changes.mark(b"b")


def test_a_change_that_is_forgotten_may_be_of_any_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_changes, "_MOST", 2)
    changes = Changes()
    for key in (b"a", b"b", b"a", b"c"):
        changes.invalidated(key)
    assert changes.is_invalid([b"x"], 1)  # "b" is forgotten, which changed at 2
    assert not changes.is_invalid([b"x"], 2)
    assert changes.is_invalid([b"a"], 2)
    assert len(changes._invalid.moments) == 2


def test_what_is_forgotten_may_have_been_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_changes, "_MOST_STORED", 2)
    changes = Changes()
    for key in (b"a", b"b", b"c"):
        changes.stored(key)
    assert list(changes._stored) == [b"c"]
    for key in (b"a", b"b", b"never"):
        assert changes.may_have_stored(key, 1)
        assert not changes.may_have_stored(key, 2)
    assert changes.may_have_stored(b"c", 2)
    assert not changes.may_have_stored(b"c", 3)
