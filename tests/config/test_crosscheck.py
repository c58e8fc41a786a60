"""What is wrong across options."""

import os
import textwrap
from pathlib import Path

import pytest

from proxy.config.load import check
from tests.support.checking import said

UPSTREAM = """
[[upstreams]]
name = "api"
servers = ["http://127.0.0.1:9000"]
"""
ROUTE = """
[[routes]]
upstream = "api"
"""
SECURE = """
[[upstreams]]
name = "api"
servers = ["https://127.0.0.1:9000"]
"""


def problems(path: Path, text: str) -> list[str]:
    """What ``check`` says, without file and line."""
    return said(path, textwrap.dedent(text))


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("", "upstreams: no upstream to forward to"),
        ('[[routes]]\nupstream = "api"', "upstreams: no upstream to forward to"),
        (
            UPSTREAM + '[[upstreams]]\nname = "b"\nservers = ["http://b"]',
            "routes: expected [[routes]], since there is more than one upstream",
        ),
        (
            UPSTREAM + '[[routes]]\nupstream = "apy"',
            "routes[0].upstream: no upstream is named 'apy', did you mean 'api'?",
        ),
        (UPSTREAM * 2 + ROUTE, "upstreams[1].name: 'api' is taken by upstreams[0]"),
        ('[server]\nlisten = "x"' + UPSTREAM, "server.listen: expected"),
        ("[server]\nlisten = []" + UPSTREAM, "server.listen: expected at least one"),
        (
            '[server]\nlisten = ["[::1]:1", "[::1]:1"]' + UPSTREAM,
            "server.listen[1]: '[::1]:1' is in the list already",
        ),
        (
            '[server]\nlisten = ["[::1]:1", ":http"]' + UPSTREAM,
            "server.listen[1]: expected a port",
        ),
        ('[server]\ntrusted_proxies = ["x"]' + UPSTREAM, "server.trusted_proxies[0]: expected"),
        (
            '[admin]\nlisten = "127.0.0.1:8080"' + UPSTREAM,
            "admin.listen: '127.0.0.1:8080' is taken by [server] listen",
        ),
        ('[admin]\nlisten = "x"' + UPSTREAM, "admin.listen: expected"),
        ('[tracing]\nendpoint = "x"' + UPSTREAM, "tracing.endpoint: expected"),
        (UPSTREAM + 'host_header = "a b"', 'upstreams[0].host_header: expected "auto"'),
        (UPSTREAM + "[upstreams.tls]", "upstreams[0].tls: only a server with https://"),
        (
            '[[upstreams]]\nname = "api"\nservers = ["unix:/x"]\n[upstreams.tls]',
            "upstreams[0].tls: only a server with https://",
        ),
        (
            '[[upstreams]]\nname = "api"\nservers = [{ url = "http://h/p" }]',
            "upstreams[0].servers[0].url: a path does not belong here",
        ),
        (
            SECURE + '[upstreams.tls]\nca_file = "/gone.pem"',
            "upstreams[0].tls.ca_file: cannot read '/gone.pem': No such file",
        ),
        (
            UPSTREAM + '[upstreams.credentials]\nvalue_file = "/dev/null"',
            "upstreams[0].credentials.value_file: the value is empty",
        ),
        (
            UPSTREAM + '[upstreams.credentials]\nvalue = "a\\nGET / HTTP/1.1"',
            "upstreams[0].credentials.value: a control character cannot stand in a field",
        ),
        (
            SECURE + '[upstreams.tls]\ncert_file = "/dev/null"\nkey_file = "/dev/null"',
            "upstreams[0].tls.cert_file: cannot use the certificate in '/dev/null' with the key in",
        ),
        (
            SECURE + f'[upstreams.tls]\nca_file = "{__file__}"',
            f"upstreams[0].tls.ca_file: no certificates in '{__file__}': expected PEM, with a line",
        ),
        (
            SECURE + '[upstreams.tls]\ncert_file = "/"',
            "upstreams[0].tls.cert_file: cannot read '/': it is a directory",
        ),
        (
            SECURE + '[upstreams.tls]\nkey_file = "/dev/null"',
            "upstreams[0].tls.key_file: a key without its certificate",
        ),
        (
            SECURE + '[upstreams.tls]\nserver_name = "a:1"',
            "upstreams[0].tls.server_name: not a host name",
        ),
        (
            UPSTREAM + "[upstreams.credentials]",
            "upstreams[0].credentials: expected one of value, value_file and oauth2, got none",
        ),
        (
            UPSTREAM + '[upstreams.credentials]\nvalue = "a"\nvalue_file = "/dev/null"',
            "upstreams[0].credentials: expected one of value, value_file and oauth2, "
            "got value, value_file: leave one out",
        ),
        (
            UPSTREAM + '[upstreams.credentials]\nvalue_file = "/gone"',
            "upstreams[0].credentials.value_file: cannot read",
        ),
        (
            UPSTREAM + '[upstreams.credentials]\nvalue = "a"\nheader = "Host"',
            "upstreams[0].credentials.header: Host is set by host_header",
        ),
        (UPSTREAM + ROUTE + 'path = "v1"', 'routes[0].path: a path must begin with "/"'),
        (UPSTREAM + ROUTE + 'path = ""', 'routes[0].path: a path must begin with "/"'),
        (UPSTREAM + ROUTE + 'path = "/a?b"', "routes[0].path: a path must hold neither"),
        (UPSTREAM + ROUTE + 'strip_prefix = "a"', "routes[0].strip_prefix: a path must begin"),
        (UPSTREAM + ROUTE + 'add_prefix = "a"', "routes[0].add_prefix: a path must begin"),
        (
            UPSTREAM + ROUTE + 'path = "/"\npath_regex = "/a"',
            "routes[0].path_regex: expected either path or path_regex, got both",
        ),
        (
            UPSTREAM + ROUTE + 'path_regex = "("',
            "routes[0].path_regex: not a regular expression: missing )",
        ),
        (
            UPSTREAM + ROUTE + 'rewrite = { pattern = "[", replacement = "/" }',
            "routes[0].rewrite.pattern: not a regular expression",
        ),
        (
            UPSTREAM + ROUTE + 'rewrite = { pattern = "(a)", replacement = "/\\\\2" }',
            "routes[0].rewrite.replacement: ",
        ),
        (UPSTREAM + ROUTE + 'host = "a:80"', "routes[0].host: hosts are compared without"),
        (
            UPSTREAM + ROUTE + 'methods = ["get"]',
            "routes[0].methods[0]: methods are case-sensitive, did you mean 'GET'?",
        ),
        (UPSTREAM + ROUTE + 'methods = ["A B"]', "routes[0].methods[0]: not a name"),
        (UPSTREAM + ROUTE + 'headers = { "A B" = "" }', 'routes[0].headers."A B": not a name'),
        (
            UPSTREAM + ROUTE + 'headers = { A = "b\\r" }',
            "routes[0].headers.A: a control character",
        ),
        (
            UPSTREAM + ROUTE + 'request_headers.set.Host = "x"',
            "routes[0].request_headers.set.Host: Host is set by host_header",
        ),
        (
            UPSTREAM + ROUTE + 'request_headers.add.content-length = "1"',
            "routes[0].request_headers.add.content-length: content-length belongs to the framing",
        ),
        (
            UPSTREAM + ROUTE + 'response_headers.remove = ["X", "Connection"]',
            "routes[0].response_headers.remove[1]: Connection concerns one connection",
        ),
        (
            UPSTREAM + ROUTE + 'response_headers.set.X = "a\\nb"',
            "routes[0].response_headers.set.X: a control character",
        ),
        (
            UPSTREAM + ROUTE + 'request_headers.set.X = "{client}"',
            "routes[0].request_headers.set.X: '{client}' is no variable",
        ),
        (
            UPSTREAM + ROUTE + "request_headers.set = { X = '1', x = '2' }",
            "routes[0].request_headers.set: x is set 2 times",
        ),
        (
            UPSTREAM + ROUTE + "request_headers.set = { X-A = '1', x_a = '2' }",
            "routes[0].request_headers.set: x-a is set 2 times",
        ),
        ('[retry]\nmethods = ["put"]' + UPSTREAM + ROUTE * 1, "retry.methods[0]: methods are"),
        (
            '[retry]\nidempotency_header = "a b"' + UPSTREAM,
            "retry.idempotency_header: not a name",
        ),
        (
            UPSTREAM + ROUTE + '[routes.retry]\nmethods = ["put"]',
            "routes[0].retry.methods[0]: methods are case-sensitive",
        ),
        ("timeouts.total = '1s'\ntimeouts.first_byte = '2s'" + UPSTREAM, "timeouts.first_byte: "),
        ("timeouts.total = '1s'\ntimeouts.connect = '2s'" + UPSTREAM, "timeouts.connect: "),
        ("timeouts.total = '1s'\ntimeouts.per_try = '2s'" + UPSTREAM, "timeouts.per_try: "),
        (
            "timeouts.total = '60s'" + UPSTREAM + ROUTE + "timeouts.connect = '90s'",
            "routes[0].timeouts.connect: connect (90s) is longer than total (1m)",
        ),
    ],
)
def test_a_mistake_across_options_is_reported_once(tmp_path: Path, text: str, start: str) -> None:
    [problem] = problems(tmp_path, text)
    assert problem.startswith(start)


@pytest.mark.parametrize(
    "text",
    [
        UPSTREAM,
        UPSTREAM + '[upstreams.credentials]\nvalue = "Bearer x"',
        UPSTREAM + 'host_header = "upstream"',
        UPSTREAM + 'host_header = "api.example.com:8443"',
        '[server]\nlisten = ["127.0.0.1:0", "127.0.0.1:0"]\n[admin]\nlisten = "127.0.0.1:0"'
        + UPSTREAM,
        "timeouts.total = '1s'" + UPSTREAM,  # a default that is longer is no mistake
        "timeouts.total = '0'\ntimeouts.first_byte = '2s'" + UPSTREAM,
        "timeouts = false\nretry = false\nerrors = false\nadmin = false" + UPSTREAM + ROUTE,
        "timeouts.first_byte = '90s'" + UPSTREAM + ROUTE + "timeouts = false",
        UPSTREAM + ROUTE + 'path = "/"\n' + ROUTE + 'path_regex = "/items/(\\\\d+)"',
        UPSTREAM + ROUTE + 'request_headers.set.X-Client = "{client_addr} {{}}"',
        UPSTREAM + ROUTE + 'methods = ["BREW"]',
        "retry.idempotency_header = ''" + UPSTREAM,
    ],
)
def test_what_is_right_is_not_reported(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, text) == []


def test_a_problem_at_the_top_is_not_repeated_in_the_routes(tmp_path: Path) -> None:
    text = "timeouts.total = '1s'\ntimeouts.connect = '2s'\nretry.methods = ['get']"
    routes = "".join(f"{ROUTE}path = '/{n}'\ntimeouts.idle = '1s'" for n in range(3))
    found = problems(tmp_path, text + UPSTREAM + routes)
    assert [line.partition(":")[0] for line in found] == ["timeouts.connect", "retry.methods[0]"]


def test_a_secret_is_never_repeated(tmp_path: Path) -> None:
    [line] = problems(tmp_path, UPSTREAM + '[upstreams.credentials]\nvalue = "hunter2\\n"')
    assert "control character" in line
    assert "hunter2" not in line


def test_an_unreadable_file_is_a_problem_and_a_pipe_holds_nothing_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    text = f'{UPSTREAM}[upstreams.credentials]\nvalue_file = "{tmp_path / "pipe"}"'
    assert problems(tmp_path, text) == []


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ('[health_check]\ninterval = "0"\n', "3: health_check.interval: expected a time above 0"),
        ('[health_check]\npath = "/"\ninterval = "0"\n', "4: health_check.interval: expected a"),
        ('[retry.budget]\nwindow = "0"\n', "3: retry.budget.window: expected a time above 0"),
    ],
)
def test_a_table_of_the_top_is_told_once_and_on_its_own_line(
    tmp_path: Path, table: str, line: str
) -> None:
    file = tmp_path / "config.toml"
    other = '[[upstreams]]\nname = "b"\nservers = ["http://b"]\n'
    file.write_text(f"# nothing\n{table}{UPSTREAM}{other}{ROUTE}[[routes]]\nupstream = 'b'\n")
    [found] = [str(each) for each in check(file, {}) if not each.warning]
    assert found.startswith(f"{file}:{line}")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "cannot read {path!r}: No such file or directory"),
        (b"", "the token is empty"),
        (b" \n", "the token is empty"),
        (b"x" * 70_000, "it has more than 65536 bytes"),
        (b"hunter2\n", ""),
    ],
)
def test_the_token_file_is_looked_at(tmp_path: Path, content: bytes | None, fault: str) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    text = f'{UPSTREAM}[admin]\nlisten = ":9901"\ntoken_file = "{path}"'
    expected = [f"admin.token_file: {fault.format(path=str(path))}"] if fault else []
    assert problems(tmp_path, text) == expected


@pytest.mark.parametrize(
    ("table", "option"),
    [
        ('[admin]\nlisten = ":9901"', "token_file"),
        ("[upstreams.credentials]", "value_file"),
        ("[upstreams.tls]", "ca_file"),
        ("[upstreams.tls]", "cert_file"),
    ],
)
def test_a_device_is_the_file_of_no_option(tmp_path: Path, table: str, option: str) -> None:
    [line] = problems(tmp_path, f'{SECURE}{table}\n{option} = "/dev/zero"')
    assert "cannot read" in line
    assert line.endswith("it is no regular file")
