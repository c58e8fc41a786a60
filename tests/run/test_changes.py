"""What is other in one configuration than in another."""

import msgspec

from proxy.run.changes import Listening, Report, changes, possible
from tests.support.proxy import parsed

BEFORE = """
[server]
listen = ["127.0.0.1:1", "127.0.0.1:2"]
[admin]
[[upstreams]]
name = "a"
servers = ["http://10.0.0.1", "http://10.0.0.2"]
[[upstreams]]
name = "b"
servers = ["http://10.0.0.1"]
[[routes]]
upstream = "a"
[[routes]]
host = "one.test"
path = "/v1"
methods = ["GET"]
headers = { X-Tenant = "secret" }
upstream = "b"
"""


def compared(*replaced: tuple[str, str]) -> Report:
    after = BEFORE
    for old, new in replaced:
        assert old in after
        after = after.replace(old, new)
    return changes(parsed(BEFORE), parsed(after))


def test_where_nothing_has_changed_all_is_kept() -> None:
    report = compared()
    assert report[:3] == ([], [], [])
    assert not report.restart
    assert {"[server]", "[admin]", "upstream a", "upstream b", "route /"} <= set(report.kept)
    assert "listener 127.0.0.1:1" in report.kept
    assert "route GET one.test/v1 with X-Tenant" in report.kept
    assert str(report) == "nothing has changed"


def test_listeners_and_servers_come_and_go() -> None:
    report = compared(('"127.0.0.1:2"', '"127.0.0.1:3"'), ('"http://10.0.0.1", ', ""))
    assert report.added == ["listener 127.0.0.1:3"]
    assert report.removed == ["listener 127.0.0.1:2", "server http://10.0.0.1 of upstream a"]
    assert report.changed == ["upstream a (servers)"]
    assert "[server]" in report.kept


def test_tables_upstreams_and_routes_are_compared_by_value() -> None:
    report = compared(
        ("[admin]", "[timeouts]\nidle = '1m'"), ('upstream = "b"', 'upstream = "b"\nretry = false')
    )
    assert report.removed == ["[admin]"]
    assert report.changed == [
        "route / (timeouts.idle)",
        "route GET one.test/v1 with X-Tenant (timeouts.idle, retry)",
    ]
    assert str(report).startswith("changed route / (timeouts.idle), route GET")


def test_a_default_that_is_written_is_no_change() -> None:
    assert compared(("[admin]", "[admin]\nprobes = ''"))[:3] == ([], [], [])


def test_a_port_that_nobody_knows_yet_is_named() -> None:
    moved = BEFORE.replace("127.0.0.1:2", "0.0.0.0:0").replace(
        "[admin]", "[admin]\nlisten = '0'\nprobes = 'unix:/p'\nquit = true"
    )
    listening = Listening(
        {"127.0.0.1:1": ["127.0.0.1:1"], "0.0.0.0:0": ["0.0.0.0:4711"]},
        {"listen": "127.0.0.1:4712", "probes": "unix:/p"},
    )
    before, after = parsed(BEFORE), parsed(moved)
    report = changes(before, after, (), listening)
    assert report.added == ["listener 0.0.0.0:0 (0.0.0.0:4711)"]
    assert report.changed == ["[admin] (listen 127.0.0.1:4712, probes, quit)"]
    without = msgspec.structs.replace(before, admin=None)
    assert "[admin] (listen 127.0.0.1:4712)" in changes(without, after, (), listening).added
    assert changes(after, after, (), listening)[:3] == ([], [], [])


def test_no_value_is_named() -> None:
    report = compared(('"secret"', '"other"'))
    assert "secret" not in str(report)
    assert "other" not in str(report)


def test_what_only_a_restart_changes_stays_and_is_said() -> None:
    before = parsed(BEFORE)
    asked = parsed(BEFORE.replace("[server]", "[server]\nworkers = 3\nvia = false"))
    config, later = possible(before, asked)
    assert config.server == msgspec.structs.replace(asked.server, workers=1)
    assert config.routes == asked.routes
    assert later == ["[server] workers"]
    report = changes(before, config, later)
    assert report.changed == ["[server] (via)"]
    assert report.restart == later
    assert str(report).startswith("changed [server] (via); needs a restart: [server] workers")


def test_a_restart_is_due_until_the_file_says_what_runs() -> None:
    before = parsed(BEFORE)
    asked = parsed(BEFORE.replace("[server]", "[server]\nworkers = 3"))
    used, _ = possible(before, asked)
    assert possible(used, asked)[1] == ["[server] workers"]
    assert possible(used, before) == (before, [])
