"""The JSON Schema."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.model import SWITCHES, Config, Route
from proxy.config.schema import schema
from proxy.core.duration import Duration
from proxy.core.size import Size

SCHEMA = json.loads(json.dumps(schema()))


def tables() -> dict[str, dict[str, Any]]:
    """Every table of the schema by its name."""
    return {"Config": SCHEMA, **SCHEMA["$defs"]}


def test_it_is_of_the_current_draft_and_closed() -> None:
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert SCHEMA["required"] == ["upstreams"]
    assert SCHEMA["properties"]["upstreams"]["anyOf"][0]["minItems"] == 1
    for table in tables().values():
        assert table["additionalProperties"] is False


def test_every_option_is_described() -> None:
    for name, table in tables().items():
        for option, shape in table["properties"].items():
            inner = "$ref" in str(shape)
            assert inner or shape.get("description"), f"{name}.{option}"


@pytest.mark.parametrize(
    ("table", "option", "default"),
    [
        ("TimeoutsOptions", "connect", "5s"),
        ("TimeoutsOptions", "total", "0"),
        ("ServerOptions", "max_header_size", "16KiB"),
        ("RetryOptions", "attempts", 3),
        (
            "RetryOptions",
            "on",
            ["connect-failure", "stale-connection", "reset", "502", "503", "504"],
        ),
        ("TimeoutsOptions", "per_try", "0"),
        ("LogOptions", "format", "json"),
    ],
)
def test_defaults_are_written_as_in_the_file(table: str, option: str, default: object) -> None:
    assert tables()[table]["properties"][option]["default"] == default


@pytest.mark.parametrize("kind", [Config, Route])
def test_false_is_allowed_where_a_table_can_be_switched_off(kind: type) -> None:
    for name in SWITCHES[kind]:
        assert {"const": False} in tables()[kind.__name__]["properties"][name]["anyOf"]


def test_null_stands_nowhere() -> None:
    assert "null" not in str(SCHEMA)
    assert "None" not in str(SCHEMA)


def test_every_reference_leads_somewhere() -> None:
    for name in re.findall(r"#/\$defs/(\w+)", str(SCHEMA)):
        assert name in SCHEMA["$defs"]


@pytest.mark.parametrize(
    ("kind", "table", "option"),
    [(Duration, "TimeoutsOptions", "idle"), (Size, "ServerOptions", "max_body")],
)
@given(st.from_regex(r"\A[0-9]{1,3}(\.[0-9])?(ms|s|m|h|B|KiB|MiB|GiB|x|)\Z"))
def test_a_pattern_takes_what_the_option_takes(
    kind: type[Duration | Size], table: str, option: str, text: str
) -> None:
    pattern = tables()[table]["properties"][option]["pattern"]
    try:
        kind.parse(text)
    except ValueError:
        assert not re.search(pattern, text)
    else:
        assert re.search(pattern, text)


def test_what_the_environment_will_say_is_accepted() -> None:
    level = tables()["LogOptions"]["properties"]["level"]
    assert {"type": "string", "pattern": r"\$\{"} in level["anyOf"]
    assert re.search(tables()["TimeoutsOptions"]["properties"]["idle"]["pattern"], "${IDLE}")


@pytest.mark.parametrize("listen", [8080, "8080", ":8080", [8080], ["8080", 8081], "${PORT}"])
def test_a_port_is_an_address_alone_and_in_a_list(listen: object) -> None:
    assert accepts(tables()["ServerOptions"]["properties"]["listen"], listen)


@pytest.mark.parametrize("listen", [1.5, [True], [["8080"]], {}])
def test_what_is_no_address_is_none_for_an_editor(listen: object) -> None:
    assert not accepts(tables()["ServerOptions"]["properties"]["listen"], listen)


@pytest.mark.parametrize(
    ("option", "text"),
    [("max_body", "\u0661B"), ("keepalive_timeout", "٣s"), ("max_body", "\uff11KiB")],
)
def test_digits_are_those_of_ascii(option: str, text: str) -> None:
    assert not accepts(tables()["ServerOptions"]["properties"][option], text)


def accepts(shape: dict[str, Any], value: object) -> bool:
    """As far as the words of these tests go."""
    if "anyOf" in shape:
        return any(accepts(each, value) for each in shape["anyOf"])
    if "const" in shape:
        return value is shape["const"]
    kinds = {"string": str, "integer": int, "array": list}
    if type(value) is not kinds[shape["type"]]:
        return False
    if isinstance(value, list):
        return all(accepts(shape["items"], each) for each in value)
    return not isinstance(value, str) or bool(re.search(shape.get("pattern", ""), value))
