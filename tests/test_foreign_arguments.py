"""A command line that another program would take is answered by the one that is meant here."""

import shlex
from pathlib import Path

import pytest

from proxy.cli import main


def refused(line: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What is said of a command line, below the usage."""
    with pytest.raises(SystemExit) as left:
        main(shlex.split(line))
    assert left.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    usage, mark, said = err.partition("sidecar-proxy: error: ")
    assert usage.startswith("usage: sidecar-proxy")
    assert mark
    return said.splitlines()


LISTEN = "--set server.listen={} (in CONFIG: listen in [server])"


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("start", "run CONFIG"),
        ("serve proxy.toml", "run proxy.toml"),
        ("validate", "check CONFIG"),
        ("validate --config proxy.toml", "check proxy.toml"),
        ("-t", "check CONFIG"),
        ("-t -c proxy.toml", "check proxy.toml"),
        ("-c -f proxy.toml", "check proxy.toml"),
        ("-c proxy.toml", "run proxy.toml"),
        ("--config=proxy.toml", "run proxy.toml"),
        ("-c proxy.toml run", "run proxy.toml"),
        ("proxy.toml", "run proxy.toml"),
        ("http://10.0.0.1:9000", "run --upstream http://10.0.0.1:9000"),
        ("--upstream http://10.0.0.1:9000", "run --upstream http://10.0.0.1:9000"),
        ("--port 8080", f"run CONFIG {LISTEN.format('127.0.0.1:8080')}"),
        ("--host 0.0.0.0 --port=9000", f"run CONFIG {LISTEN.format('0.0.0.0:9000')}"),
        ("--bind :8000", f"run CONFIG {LISTEN.format(':8000')}"),
        ("restart", "reload"),
        ("-s reload", "reload"),
        ("stop", "drain"),
        ("-s stop", "drain"),
        ("status", "top"),
        ("version", "--version"),
        ("-v", "--version"),
        ("help", "--help"),
        ("chek proxy.toml", "check"),
        ("run -t proxy.toml", "check proxy.toml"),
    ],
)
def test_what_is_typed_for_another_program_is_answered_by_our_command(
    line: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(line, capsys)
    assert said[0].startswith(
        ("argument COMMAND: invalid choice", "the following arguments", "unrecognized arguments")
    )
    assert said[1:] == [f"did you mean: sidecar-proxy {meant}"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("run -p 9000", f"did you mean: {LISTEN.format('127.0.0.1:9000')}"),
        (
            "run --upstream http://a --log-level debug",
            "did you mean: --set log.level=debug (in CONFIG: level in [log])",
        ),
        ("run --daemon", "run stays in the foreground: a service manager keeps it running"),
        (
            "reload proxy.toml",
            "reload takes no file: it speaks to a running proxy, which knows its own",
        ),
        (
            "drain -c proxy.toml",
            "drain takes no file: it speaks to a running proxy, which knows its own",
        ),
    ],
)
def test_an_option_that_a_command_does_not_have_is_answered_by_what_it_has(
    line: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first, *more = refused(line, capsys)
    assert first.startswith("unrecognized arguments: ")
    assert more == [says]


@pytest.mark.parametrize(
    "line", ["", "foo", "run --foo", "run --watch --upstream http://a", "init --foo"]
)
def test_what_nobody_knows_gets_no_guess(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(refused(line, capsys)) == 1


def test_a_file_is_known_by_its_being_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "proxy.conf"
    assert len(refused(str(file), capsys)) == 1
    file.touch()
    assert refused(str(file), capsys)[1:] == [f"did you mean: sidecar-proxy run {file}"]
