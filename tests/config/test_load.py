"""From a file to options, or to all its problems."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from proxy.config.load import ConfigError, check, from_upstream, load
from proxy.config.model import Config
from proxy.core.duration import Duration
from proxy.core.size import Size
from proxy.upstream.credentials.options import CredentialsOptions

GOOD = """
[server]
max_body = "8MiB"
[timeouts]
connect = "250ms"
total = "${TOTAL:-30s}"
[retry]
attempts = 2
on = ["reset", "503"]
[[upstreams]]
name = "api"
servers = ["http://${HOST}:9000"]
[upstreams.credentials]
value = "Bearer ${TOKEN}"
[[routes]]
upstream = "api"
timeouts = { idle = "5s" }
[routes.retry]
on = ["timeout"]
[[routes]]
upstream = "api"
path = "/plain"
retry = false
errors = false
timeouts = false
"""
ENVIRON = {"HOST": "10.0.0.1", "TOKEN": "s3cr$t"}


def written(path: Path, text: str | bytes) -> Path:
    """A configuration file."""
    file = path / "config.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def lines(file: Path, environ: Mapping[str, str] = ENVIRON) -> list[str]:
    """What ``check`` prints, without the folder."""
    return [str(problem).removeprefix(f"{file.parent}/") for problem in check(file, environ)]


@pytest.fixture
def good(tmp_path: Path) -> Config:
    return load(written(tmp_path, GOOD), ENVIRON)


def test_units_and_environment_are_read(good: Config) -> None:
    assert good.server.max_body == Size(8 << 20)
    assert good.timeouts.connect == Duration(0.25)
    assert good.timeouts.total == Duration(30)
    assert good.upstreams[0].servers == ("http://10.0.0.1:9000",)
    assert isinstance(good.upstreams[0].credentials, CredentialsOptions)
    assert good.upstreams[0].credentials.value == "Bearer s3cr$t"


def test_each_route_carries_its_merged_tables(good: Config) -> None:
    first, second = good.routes
    assert [first.timeouts.connect, first.timeouts.idle] == [Duration(0.25), Duration(5)]
    assert first.retry is not None
    assert (first.retry.attempts, first.retry.on) == (2, ("timeout",))
    assert first.errors is not None
    assert (second.retry, second.errors) == (None, None)
    assert not any(getattr(second.timeouts, name) for name in ("connect", "total", "idle"))


def test_without_admin_table_there_is_no_admin_listener(good: Config) -> None:
    assert good.admin is None


def test_a_single_upstream_needs_no_route(tmp_path: Path) -> None:
    config = load(written(tmp_path, '[[upstreams]]\nname = "a"\nservers = ["http://a"]'))
    [route] = config.routes
    assert (route.path, route.upstream) == ("/", "a")


def test_all_problems_come_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        """[server]
listen = "x"
[retry]
attempts = 0
[[upstreams]]
name = "api"
servers = ["${GONE}"]
[[routes]]
upstream = "apy"
[[routes]]
path = "/x"
upstream = "api"

[routes.retry]
atempts = 3
[[routes]]
path = "/x/"
upstream = "api"
""",
    )
    assert lines(file) == [
        'config.toml:2: server.listen: expected "HOST:PORT", ":PORT", "[::1]:PORT" '
        "or \"unix:/path\", got 'x', did you mean 'x:8080'?",
        "config.toml:4: retry.attempts: expected a whole number from 1 to 10, got 0, "
        "1 is no second attempt",
        "config.toml:7: upstreams[0].servers[0]: environment variable GONE is not set "
        "and has no default",
        "config.toml:9: routes[0].upstream: no upstream is named 'apy', did you mean 'api'?",
        "config.toml:15: routes[1].retry.atempts: unknown option, did you mean 'attempts'?",
        "config.toml:16: routes[2]: warning: this route can never match, "
        "routes[1] takes all its requests",
    ]
    with pytest.raises(ConfigError) as caught:
        load(file, ENVIRON)
    assert len(caught.value.problems) == 5  # a warning stops nothing


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("\nb = \n", "config.toml:2: syntax: a value is missing: expected b = value"),
        (
            "[retry]\nattempts = 1\nattempts = 2",
            "config.toml:3: syntax: attempts is written twice in the same table",
        ),
        ("[server", "config.toml:1: syntax: "),
        ('[retry]\n\nb = """x\n\n', "config.toml:3: syntax: "),
        ("a = [" * 5000, "config.toml:1: syntax: "),
        ("a = " + "[" * 100_000, "config.toml:1: syntax: "),
        ("a = " + "9" * 5000, "config.toml:1: syntax: "),
        (b"a = 1\nb = '\xff'", "config.toml:2: file: not UTF-8"),
    ],
)
def test_what_is_no_toml_is_one_problem(tmp_path: Path, text: str | bytes, line: str) -> None:
    [found] = lines(written(tmp_path, text))
    assert found.startswith(line)


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    assert lines(written(tmp_path, b"\xef\xbb\xbf" + GOOD.encode())) == []


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    gone = tmp_path / "config.toml"
    assert lines(gone) == [
        "config.toml:1: file: there is no such file; `sidecar-proxy init` writes one to start "
        "from, and `sidecar-proxy run --upstream URL` needs none"
    ]
    with pytest.raises(ConfigError, match="there is no such file"):
        load(gone)
    assert "Is a directory" in str(check(tmp_path)[0])


def test_a_warning_does_not_keep_a_file_from_loading(tmp_path: Path) -> None:
    file = written(tmp_path, GOOD + '[[routes]]\nupstream = "api"\n')
    assert [problem.warning for problem in check(file, ENVIRON)] == [True]
    assert len(load(file, ENVIRON).routes) == 3


def test_what_follows_from_a_mistake_is_not_a_second_one(tmp_path: Path) -> None:
    file = written(
        tmp_path, '[[upstreams]]\nnam = "a"\nservers = [5]\n[[routes]]\nupstream = "a"\n'
    )
    assert [line.split(": ")[1] for line in lines(file)] == [
        "upstreams[0].name",
        "upstreams[0].nam",
        "upstreams[0].servers[0]",
    ]


def test_an_upstream_on_the_command_line_is_a_whole_configuration() -> None:
    config = from_upstream("https://api.example.com", "127.0.0.1:0")
    assert config.server.listen == "127.0.0.1:0"
    assert config.upstreams[0].servers == ("https://api.example.com",)
    assert config.routes[0].upstream == config.upstreams[0].name
    assert from_upstream("http://a").server.listen == "127.0.0.1:8080"


@pytest.mark.parametrize(
    ("url", "listen", "start"),
    [
        ("localhost:9000", None, "command line: --upstream: expected"),
        ("http://$HOST", None, "command line: --upstream: the environment is read by"),
        ("http://a", "x", "command line: --listen: expected"),
        (
            "http://a/api",
            None,
            "command line: --upstream: a path does not belong here; "
            "write --set 'routes[0].add_prefix=/api' instead",
        ),
    ],
)
def test_a_bad_command_line_is_a_problem(url: str, listen: str | None, start: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_upstream(url, listen)
    [problem] = caught.value.problems
    assert str(problem).startswith(start)


def test_what_a_bad_command_line_is_told_to_add_works() -> None:
    config = from_upstream("http://a", sets=["routes[0].add_prefix=/api"])
    assert config.routes[0].add_prefix == "/api"


@pytest.mark.parametrize(
    ("table", "option"),
    [("rate_limit", "average"), ("rate_limit", "burst"), ("retry.budget", "min_per_second")],
)
@pytest.mark.parametrize("number", ["inf", "+inf", "nan", "1e308"])
def test_a_number_that_cannot_be_counted_to_is_a_problem(
    table: str, option: str, number: str, tmp_path: Path
) -> None:
    upstream = '[[upstreams]]\nname = "api"\nservers = ["http://a"]\n'
    found = lines(written(tmp_path, f"[{table}]\n{option} = {number}\n{upstream}"))
    assert found[0].startswith(
        f"config.toml:2: {table}.{option}: expected a number from 0 to 1000000000, got "
    )
