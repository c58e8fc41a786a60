"""The command line."""

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from proxy.cli import main
from proxy.config.model import Config

GOOD = '[[upstreams]]\nname = "a"\nservers = ["http://a"]\n'
SHADOW = GOOD + '[[routes]]\nupstream = "a"\n' * 2
BAD = GOOD + "[retry]\natempts = 3\n[log]\nlevel = 'x'\n"


def replaced(monkeypatch: pytest.MonkeyPatch, name: str) -> list[object]:
    """What is handed to the ``run`` of a module first, which answers 7."""
    given: list[object] = []
    module = ModuleType(name)

    def run(argument: object, *_: object) -> int:
        given.append(argument)
        return 7

    module.run = run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, name, module)
    return given


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[object]:
    monkeypatch.chdir(tmp_path)
    return replaced(monkeypatch, "proxy.run.serve")


@pytest.mark.parametrize(
    ("text", "code", "out"),
    [
        (GOOD, 0, []),
        (SHADOW, 0, ["f.toml:6: routes[1]: warning: this route can never match"]),
        (
            BAD,
            2,
            [
                "f.toml:5: retry.atempts: unknown option, did you mean 'attempts'?",
                "f.toml:7: log.level: expected one of",
            ],
        ),
    ],
)
def test_check_lists_problems_on_standard_output(
    capsys: pytest.CaptureFixture[str],
    served: list[object],
    text: str,
    code: int,
    out: list[str],
) -> None:
    Path("f.toml").write_text(text)
    assert main(["check", "f.toml"]) == code
    output, errors = capsys.readouterr()
    assert errors == ("" if out else "f.toml: ok\n")
    assert len(output.splitlines()) == len(out)
    assert all(map(str.startswith, output.splitlines(), out))


def test_check_and_run_read_config_toml_where_no_file_is_named(
    capsys: pytest.CaptureFixture[str], served: list[object]
) -> None:
    assert main(["check"]) == 2
    assert capsys.readouterr().out.startswith("config.toml:1: file: there is no such file")
    Path("config.toml").write_text(GOOD)
    assert main(["check"]) == 0
    assert main(["run"]) == 7
    [config] = served
    assert isinstance(config, Config)


def test_run_lists_problems_on_standard_error(
    capsys: pytest.CaptureFixture[str], served: list[object]
) -> None:
    Path("f.toml").write_text(BAD)
    assert main(["run", "f.toml"]) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert len(errors.splitlines()) == 2
    assert served == []


def test_run_needs_no_file_with_an_upstream(served: list[object]) -> None:
    assert main(["run", "--upstream", "http://a", "--listen", "127.0.0.1:0"]) == 7
    [config] = served
    assert isinstance(config, Config)
    assert config.server.listen == "127.0.0.1:0"


def test_a_bad_upstream_is_a_bad_configuration(
    capsys: pytest.CaptureFixture[str], served: list[object]
) -> None:
    assert main(["run", "--upstream", "a"]) == 2
    assert capsys.readouterr().err.startswith("command line: --upstream: ")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["serve"],
        ["check", "--strict"],
        ["check", "a", "b"],
        ["run", "f.toml", "--upstream", "http://a"],
        ["run", "--listen", "127.0.0.1:0"],
        ["run", "--up", "http://a"],
    ],
)
def test_a_mistyped_command_says_how_it_is_used(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith("usage: sidecar-proxy")


def test_schema_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "sidecar-proxy"


def test_demo_takes_its_own_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    given = replaced(monkeypatch, "proxy.demo.command")
    assert main(["demo", "--listen", "127.0.0.1:0", "-h"]) == 7
    assert given == [["--listen", "127.0.0.1:0", "-h"]]


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=120, check=False
    )


def test_the_package_runs_as_the_command() -> None:
    done = python("-m", "proxy", "--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, "sidecar-proxy 0.1.0\n", "")


def test_the_command_line_alone_imports_nothing_heavy() -> None:
    heavy = "{'aiohttp', 'msgspec', 'asyncio', 'tomllib'} & sys.modules.keys()"
    assert python("-c", f"import sys, proxy.cli; print({heavy})").stdout == "set()\n"


def test_a_reader_that_leaves_is_no_error() -> None:
    script = f"{sys.executable} -m proxy schema | head -c 1"
    done = subprocess.run(
        ["sh", "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.stdout, done.stderr) == ("{", "")


@pytest.mark.parametrize("arguments", [["run", ""], ["check", ""], ["run", "--upstream", ""]])
def test_an_empty_name_is_not_the_default(
    arguments: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """An unset variable in a script ran something else."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text('[[upstreams]]\nname = "a"\nservers = ["http://a"]')
    assert main(arguments) == 2
