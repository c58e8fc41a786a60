"""What the command line takes."""

import re
import shlex

import pytest

from proxy.arguments import _EXAMPLES, agree, parser


def parsed(line: str) -> dict[str, object]:
    found = parser()
    arguments = found.parse_args(shlex.split(line))
    if arguments.command == "run":
        agree(found, arguments)
    return vars(arguments)


@pytest.mark.parametrize("command", sorted({*_EXAMPLES} - {"demo", "top"}))
def test_the_example_of_a_command_is_one_that_it_takes(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    example = _EXAMPLES[command].partition(" > ")[0].removeprefix("sidecar-proxy ")
    assert parsed(example)["command"] == command
    with pytest.raises(SystemExit) as left:
        parsed(f"{command} --help")
    assert left.value.code == 0
    assert re.sub(r"\s+", " ", capsys.readouterr().out).strip().endswith(_EXAMPLES[command])


@pytest.mark.parametrize("command", sorted({*_EXAMPLES} - {"demo", "top"}))
def test_the_help_of_a_command_says_what_it_does_and_what_each_argument_is(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parsed("--help")
    listed = dict(re.findall(r"^    ([a-z]+) +(\S.*)$", capsys.readouterr().out, re.MULTILINE))
    with pytest.raises(SystemExit):
        parsed(f"{command} --help")
    shown = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert f"{listed[command][1:]}. " in shown
    actions = parser()._subparsers._group_actions[0].choices[command]._actions  # type: ignore[union-attr,index]  # argparse has no other way
    assert [action.dest for action in actions if not action.help] == []


def test_what_may_be_given_again_is_a_list() -> None:
    found = parsed("run --upstream http://a --upstream http://b --listen :1 --listen :2")
    assert (found["upstream"], found["listen"]) == (["http://a", "http://b"], [":1", ":2"])
    found = parsed("explain c.toml GET /v1 -H 'A: b' --header 'C: d'")
    assert found["header"] == ["A: b", "C: d"]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "rnu",
        "run --upstrea http://a",  # no abbreviations: a new option would change their meaning
        "run config.toml --upstream http://a",
        "run --listen :1",
        "run --admin :1",
        "run --watch --upstream http://a",
        "record --to folder",
        "record --upstream http://a",
        "replay",
        "explain config.toml GET",
    ],
)
def test_what_does_not_fit_together_ends_with_2(
    line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        parsed(line)
    assert left.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "usage: sidecar-proxy" in err
