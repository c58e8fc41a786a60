"""Every value against its declaration."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.diagnose import examine
from proxy.config.merge import merge
from proxy.config.model import Config, read_unit
from proxy.config.problems import spell


def found(raw: dict[str, Any]) -> list[str]:
    """All findings as text."""
    return [f"{spell(place)}: {message}" for place, message in examine(raw)[1]]


def converts(raw: dict[str, Any]) -> bool:
    try:
        msgspec.convert(merge(raw), Config, dec_hook=read_unit)
    except msgspec.ValidationError:
        return False
    return True


@pytest.mark.parametrize(
    ("raw", "findings"),
    [
        (
            {"retry": {"atempts": 3}},
            ["retry.atempts: unknown option, did you mean 'attempts'?"],
        ),
        ({"zzz": 1}, ["zzz: unknown option"]),
        (
            {"retry": {"attempts": 11}},
            ["retry.attempts: expected a whole number from 1 to 10, got 11"],
        ),
        (
            {"retry": {"attempts": 16**5000}},  # has too many digits to be written as text
            [
                "retry.attempts: expected a whole number from 1 to 10, "
                "got a number that is far too large"
            ],
        ),
        (
            {"retry": {"attempts": "3"}},
            ["retry.attempts: expected a whole number from 1 to 10, got '3'"],
        ),
        (
            {"retry": {"attempts": None}},  # as Python may have it
            ["retry.attempts: expected a whole number from 1 to 10, got a NoneType"],
        ),
        (
            {
                "server": {
                    "tls": {
                        "certificates": [{"cert_file": "a", "key_file": "b"}],
                        "min_version": 1.3,
                    }
                }
            },
            ['server.tls.min_version: expected "1.3", in quotes'],
        ),
        (
            {"retry": {"attempts": True}},
            ["retry.attempts: expected a whole number from 1 to 10, got true"],
        ),
        (
            {"server": {"max_connections": 0}},
            ["server.max_connections: expected a whole number of at least 1, got 0"],
        ),
        (
            {"server": {"workers": "auo"}},
            [
                "server.workers: expected a whole number from 1 to 128 or \"auto\", got 'auo', "
                "did you mean 'auto'?"
            ],
        ),
        (
            {"server": {"workers": "auto", "max_connections": 0}},
            ["server.max_connections: expected a whole number of at least 1, got 0"],
        ),
        ({"log": {"sample": 1.5}}, ["log.sample: expected a number from 0 to 1, got 1.5"]),
        ({"log": {"access": "no"}}, ["log.access: expected true or false, got 'no'"]),
        (
            {"errors": {"format": "txt"}},
            ["errors.format: expected one of problem+json, text, got 'txt', did you mean 'text'?"],
        ),
        (
            {"timeouts": {"idle": "5sec"}},
            [
                'timeouts.idle: expected a duration such as "250ms", "5s", "2m" or "1h", '
                "got '5sec'"
            ],
        ),
        ({"timeouts": {"idle": "9" * 400 + "s"}}, ["timeouts.idle: too large, got " + "'999"]),
        ({"server": {"max_body": "9" * 400 + "GiB"}}, ["server.max_body: too large, got '999"]),
        ({"server": []}, ["server: expected a table, got a list"]),
        ({"retry": True}, ["retry: expected a table or false, got true"]),
        ({"server": False}, ["server: expected a table, got false"]),
        ({"retry": {"on": "503"}}, ["retry.on: expected a list, got '503'"]),
        (
            {"retry": {"on": ["503", 504, "rest"]}},
            ["retry.on[1]: expected a string, got 504", "retry.on[2]: expected one of"],
        ),
        ({"server": {"listen": [1]}}, ["server.listen[0]: expected a string, got 1"]),
        ({"server": {"listen": {}}}, ["server.listen: expected a string, got a table"]),
        (
            {"upstreams": [{"servers": []}]},
            [
                "upstreams[0].servers: expected at least 1 in the list, got 0",
                "upstreams[0].name: required, but missing",
            ],
        ),
        (
            {"upstreams": [{"name": "", "servers": [{"ur": "x"}]}]},
            [
                "upstreams[0].name: must not be empty",
                "upstreams[0].servers[0].ur: unknown option, did you mean 'url'?",
                "upstreams[0].servers[0].url: required, but missing",
            ],
        ),
        (
            {"routes": [{"upstream": "a", "headers": {"X Y": 1}}, 5]},
            [
                'routes[0].headers."X Y": expected a string, got 1',
                "routes[1]: expected a table, got 5",
            ],
        ),
    ],
)
def test_all_mistakes_are_found_at_their_places(raw: dict[str, Any], findings: list[str]) -> None:
    got = found(raw)
    assert len(got) == len(findings)
    for line, start in zip(got, findings, strict=True):
        assert line.startswith(start)


SCALARS = (
    st.booleans()
    | st.integers(-3, 2**65)
    | st.floats()
    | st.sampled_from(["", "5s", "1MiB", "GET", "a"])
)
JUNK: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["name", "servers", "url", "upstream"]), inner, max_size=2
        )
    ),
    max_leaves=4,
)


def tables(kind: type[msgspec.Struct]) -> st.SearchStrategy[dict[str, Any]]:
    """A table with the right names and anything in them."""
    values: dict[str, st.SearchStrategy[Any]] = {}
    for field in msgspec.structs.fields(kind):
        factory: Any = field.default_factory
        inner = isinstance(factory, type) and issubclass(factory, msgspec.Struct)
        values[field.name] = JUNK | tables(factory) if inner else JUNK
    return st.fixed_dictionaries({}, optional=values)


@given(tables(Config))
def test_the_walk_agrees_with_the_conversion(raw: dict[str, Any]) -> None:
    usable, findings = examine(raw)
    assert converts(raw) == (not findings)
    assert converts(usable)


@pytest.mark.parametrize(
    ("route", "meant"),
    [
        ({"host": ["a.example", "b.example"]}, ", write one [[routes]] for each"),
        ({"path": ["/a", "/b"]}, ", write one [[routes]] for each"),
        ({"path_regex": ["/a", "/b"]}, ", write one [[routes]] for each"),
        ({"path": ["/a"]}, ', did you mean "/a"?'),
        ({"upstream": ["a", "b"]}, ", expected the first one, and fallback with those that take "),
        ({"upstream": [{"name": "a", "weight": 9}, {"name": "b"}]}, "weight stands at the servers"),
    ],
)
def test_several_values_where_a_route_has_one(route: dict[str, Any], meant: str) -> None:
    [line] = found({"routes": [{"upstream": "a", **route}]})
    assert ": expected a string, got a list" in line
    assert meant in line


@pytest.mark.parametrize(
    ("policy", "key"),
    [
        ("ip_hash", "client_addr"),
        ("iphash", "client_addr"),
        ("source", "client_addr"),
        ("uri", "path"),
        ("uri_hash", "path"),
        ("cookie", "cookie:NAME"),
        ("sticky", "cookie:NAME"),
        ("header", "header:NAME"),
    ],
)
def test_a_policy_that_hashes_is_one_with_its_key(policy: str, key: str) -> None:
    [line] = found({"load_balance": {"policy": policy}})
    assert line.endswith(f'did you mean "hash" with hash_key = "{key}"?')


@pytest.mark.parametrize(
    ("table", "option", "value", "meant"),
    [
        ("load_balance", "policy", "ring_hash", "did you mean 'hash'?"),
        ("load_balance", "policy", "least_conn", "did you mean 'least_request'?"),
        ("server", "tls", {"certificates": [], "min_version": "TLSv1.2"}, "did you mean '1.2'?"),
        ("retry", "on", "error timeout http_502", '["error", "timeout", "http_502"]'),
    ],
)
def test_a_value_of_another_proxy_has_one_of_ours(
    table: str, option: str, value: Any, meant: str
) -> None:
    assert found({table: {option: value}})[-1].endswith(f"{meant}?" if meant[0] == "[" else meant)
