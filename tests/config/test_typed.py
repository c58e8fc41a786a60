"""A reference that stands alone, and what --set says, take the type of their option."""

from pathlib import Path
from typing import Any

import pytest

from proxy.config.load import check, from_upstream, load, read
from proxy.config.model import Config
from proxy.core.duration import Duration
from proxy.middleware.fallback import FixedReply

API = '[[upstreams]]\nname = "api"\nservers = [{ url = "http://a", weight = "${WEIGHT:-2}" }]\n'


def loaded(folder: Path, text: str, *sets: str, **environ: str) -> Config:
    file = folder / "config.toml"
    file.write_text(text)
    return load(file, environ, sets)


@pytest.mark.parametrize(
    ("line", "environ", "value"),
    [
        ('retry.attempts = "${N}"', {"N": "4"}, 4),
        ('retry.attempts = "${N:-4}"', {}, 4),
        ('retry.attempts = "${N:-4}"', {"N": " 5\n"}, 5),
        ('log.sample = "${N}"', {"N": "0.25"}, 0.25),
        ('log.access = "${N}"', {"N": "false"}, False),
        ('log.access = "${N:-true}"', {"N": "off"}, False),
        ('timeouts.idle = "${N}"', {"N": "5s"}, Duration(5)),
        ('timeouts.idle = "${N}"', {"N": "0"}, Duration(0)),
        ('server.max_body = "${N}"', {"N": "1MiB"}, 1 << 20),
        ('server.unix_mode = "${N}"', {"N": "0600"}, "0600"),
        ('server.trusted_proxies = "${N}"', {"N": "10.0.0.0/8, ::1"}, ("10.0.0.0/8", "::1")),
        ('retry.on = "${N:-5xx,reset}"', {}, ("5xx", "reset")),
        ('server.listen = "${N:-:80}"', {}, ":80"),
        ('server.listen = "${N:-127.0.0.1:80, [::1]:80}"', {}, ("127.0.0.1:80", "[::1]:80")),
        ('retry = "${N}"', {"N": "false"}, None),
        ('server.workers = "${N:-3}"', {}, 3),
        ('server.workers = "${N}"', {"N": "auto"}, "auto"),
    ],
)
def test_a_reference_alone_takes_the_type_of_its_option(
    tmp_path: Path, line: str, environ: dict[str, str], value: object
) -> None:
    config: Any = loaded(tmp_path, f"{line}\n{API}", **environ)
    for name in line.partition(" =")[0].split("."):
        config = getattr(config, name)
    assert config == value


def test_a_weight_in_a_list_too(tmp_path: Path) -> None:
    [server] = loaded(tmp_path, API).upstreams[0].servers
    assert not isinstance(server, str)
    assert server.weight == 2.0


def test_a_table_that_may_also_be_a_list_too(tmp_path: Path) -> None:
    body = tmp_path / "sorry.html"
    body.touch()
    route = (
        f'[[routes]]\nupstream = "api"\nfallback = {{ status = "${{N:-404}}", file = "{body}" }}\n'
    )
    assert loaded(tmp_path, API + route).routes[0].fallback == FixedReply(
        status=404, file=str(body)
    )
    set_again = loaded(tmp_path, API + route, "routes[0].fallback.status=410")
    assert set_again.routes[0].fallback == FixedReply(status=410, file=str(body))
    others = loaded(
        tmp_path,
        API + '[[upstreams]]\nname = "b"\nservers = ["http://b"]\n[[routes]]\n'
        'upstream = "api"\nfallback = "${N:-b}"\n',
    )
    assert others.routes[0].fallback == ("b",)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ('retry.attempts = "${N}"', "many"),
        ('retry.attempts = "${N}"', "99"),
        ('retry.attempts = "${N}"', ""),
        ('retry.attempts = "${N}"', "1.5"),
        ('retry.attempts = "${N}0"', "1"),  # not alone: a string
        ('log.access = "${N}"', "maybe"),
        ('timeouts.idle = "${N}"', "5"),
        ('server.listen = "${N}:80"', "a b"),
    ],
)
def test_an_error_names_the_variable(tmp_path: Path, line: str, value: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f"{line}\n{API}")
    [problem] = check(file, {"N": value})
    assert problem.line == 1
    assert "environment variable N" in problem.message


@pytest.mark.parametrize(
    ("argument", "place", "value"),
    [
        ("retry.attempts=4", "retry.attempts", 4),
        ("retry.attempts=${N:-5}", "retry.attempts", 5),
        ("timeouts.idle=5s", "timeouts.idle", Duration(5)),
        ("timeouts.idle=0", "timeouts.idle", Duration(0)),
        ("log.access=false", "log.access", False),
        ("log.level=debug", "log.level", "debug"),
        ("server.listen=:0", "server.listen", ":0"),
        ("server.listen=8080", "server.listen", "8080"),
        ('server.listen=["a:1", "b:1"]', "server.listen", ("a:1", "b:1")),
        ("server.listen=a:1,b:1", "server.listen", ("a:1", "b:1")),
        ("retry.on=503,reset", "retry.on", ("503", "reset")),
        ("admin.listen=127.0.0.1:0", "admin.listen", "127.0.0.1:0"),
        ("retry=false", "retry", None),
        ("routes[0].path=/v1", "routes.0.path", "/v1"),
        ('routes[0].request_headers.set."X-A"=b', "routes.0.request_headers.set.X-A", "b"),
        ("upstreams[0].servers[1]=http://b", "upstreams.0.servers.1", "http://b"),
        ("upstreams[0].name='b'", "upstreams.0.name", "b"),
    ],
)
@pytest.mark.parametrize("file", [True, False])
def test_set_changes_one_option(
    tmp_path: Path, argument: str, place: str, value: object, file: bool
) -> None:
    config: Any
    if file:
        config = loaded(tmp_path, "[retry]\nattempts = 2\n" + API, argument)
    else:
        config = from_upstream("http://a", sets=[argument])
    for step in place.split("."):
        if isinstance(config, dict):
            config = config[step]
        else:
            config = config[int(step)] if step.isdigit() else getattr(config, step)
    assert config == value


@pytest.mark.parametrize(
    ("argument", "start"),
    [
        ("retry.attempts=x", "command line: --set retry.attempts: expected a whole number"),
        ("retry.atempts=3", "command line: --set retry.atempts: unknown option, did you mean"),
        ("foo.bar=3", "command line: --set foo: unknown option"),
        ("retry.attempts", "command line: --set: expected PLACE=VALUE"),
        ("=3", "command line: --set: expected PLACE=VALUE"),
        ("retry..attempts=3", "command line: --set: expected PLACE=VALUE"),
        ("upstreams.name=b", "command line: --set upstreams.name: upstreams is a list"),
        ("routes[7].path=/", "command line: --set routes[7].path: routes has only 1 entries"),
        ("retry[0]=1", "command line: --set retry[0]: retry is a table"),
        ("retry.on=[", "command line: --set retry.on: not a TOML value"),
        ("timeouts.idle=${GONE}", "command line: --set timeouts.idle: environment variable GONE"),
    ],
)
def test_a_bad_set_is_a_problem_of_the_command_line(
    tmp_path: Path, argument: str, start: str
) -> None:
    file = tmp_path / "config.toml"
    file.write_text("[retry]\nattempts = 2\n" + API)
    [problem] = read(file, {}, [argument])[1]
    assert str(problem).startswith(start)


@pytest.mark.parametrize(
    ("arguments", "place", "value"),
    [
        (["retry.attempts=5", "retry=false"], "retry", None),
        (["retry.attempts=5", "retry={}"], "retry.attempts", 3),
        (["retry=false", "retry.attempts=5"], "retry.attempts", 5),
        (["admin.listen=127.0.0.1:1", "admin=false"], "admin", None),
        (["retry.on[0]=5xx", "retry.on=503,reset"], "retry.on", ("503", "reset")),
        (["hedge.max=2", "hedge={delay='1s'}"], "hedge.max", 1),
        (
            ["upstreams[0].servers[1]=http://a", 'upstreams[0].servers=["http://b"]'],
            "upstreams.0.servers",
            ("http://b",),
        ),
    ],
)
def test_of_an_option_and_the_table_around_it_the_later_one_wins(
    arguments: list[str], place: str, value: object
) -> None:
    config: Any = from_upstream("http://a", sets=arguments)
    for step in place.split("."):
        config = config[int(step)] if step.isdigit() else getattr(config, step)
    assert config == value


def test_text_in_the_place_of_a_table_is_a_problem(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(API)
    [problem] = read(file, {}, ["log.level=debug", "log=x"])[1]
    assert str(problem).startswith("command line: --set log: expected a table")


@pytest.mark.parametrize(
    ("text", "sets", "wrong"),
    [
        ("[servr]\nlisten = 8080\n", [], ["servr"]),
        ('[servr]\nlisten = ["a:1", 8080]\n', [], ["servr"]),
        ("[admn]\nprobes = 9000\n", [], ["admn"]),
        ('[Retry]\nattempts = "${N:-3}"\n', [], ["Retry"]),
        ('[Retry]\nattempts = "${N:-3}"\nbackoff_base = 5\n', [], ["Retry", "Retry.backoff_base"]),
        ('[Retry]\nattempts = "${N:-three}"\n', [], ["Retry", "Retry.attempts"]),
        ("", ["retrys.attempts=4"], ["retrys"]),
        ("", ["Server.max_connections=5"], ["Server"]),
        ('[[rutes]]\nupstream = "api"\nretry.attempts = "${N:-1}"\n', [], ["rutes"]),
        ('[routes]\nretry.attempts = "${N:-3}"\nupstream = "api"\n', [], ["routes"]),
    ],
)
def test_what_stands_in_a_table_with_a_wrong_name_is_read_as_in_the_right_one(
    tmp_path: Path, text: str, sets: list[str], wrong: list[str]
) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text + API.replace('"${WEIGHT:-2}"', "2"))
    assert [problem.place.removeprefix("--set ") for problem in read(file, {}, sets)[1]] == wrong
