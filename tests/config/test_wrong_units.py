"""A wrong duration or size has one line, which says what was meant."""

from pathlib import Path

import pytest

from proxy.config.load import check


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('"1m30s"', '"90s"'),
        ("90", '"90s"'),
        ("1.5", '"1.5s"'),
        ('"90"', '"90s" or "90ms"'),
        ("false", '"0" switches the limit off, where docs/configuration.md says nothing else'),
        ('"off"', '"0" switches the limit off, where docs/configuration.md says nothing else'),
        ('"5 sec"', '"5s"'),
        ('"2d"', '"48h"'),
        ('"PT5M"', '"5m"'),
        ('"500us"', '"0.5ms"'),
    ],
)
def test_a_wrong_duration_says_which_was_meant(tmp_path: Path, written: str, meant: str) -> None:
    (message,) = said(tmp_path, f"[timeouts]\nidle = {written}\n")
    assert message.startswith('2: timeouts.idle: expected a duration such as "250ms", "5s",')
    assert message.endswith((f"did you mean {meant}?", f", {meant}"))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('"10MB"', '"10MiB"'),
        ('"10m"', '"10MiB"'),
        ('"64 k"', '"64KiB"'),
        ("1048576", '"1MiB"'),
        (
            '"unlimited"',
            '"0" switches the limit off, where docs/configuration.md says nothing else',
        ),
    ],
)
def test_a_wrong_size_says_which_was_meant(tmp_path: Path, written: str, meant: str) -> None:
    (message,) = said(tmp_path, f"[server]\nmax_body = {written}\n")
    assert message.startswith('2: server.max_body: expected a size such as "64B", "16KiB",')
    assert message.endswith((f"did you mean {meant}?", f", {meant}"))


@pytest.mark.parametrize("written", ['"soon"', '"1 2"', "true", "[5]", "-3", "1e300"])
def test_what_may_mean_anything_is_not_guessed(tmp_path: Path, written: str) -> None:
    (message,) = said(tmp_path, f"[timeouts]\nidle = {written}\n")
    assert "expected a duration" in message
    assert "did you mean" not in message


def said(folder: Path, text: str) -> list[str]:
    """What ``check`` prints, without the name of the file."""
    file = folder / "config.toml"
    file.write_text(text + '[[upstreams]]\nname = "api"\nservers = ["http://127.0.0.1:9000"]\n')
    return [str(problem).removeprefix(f"{file}:") for problem in check(file, {})]
