"""The options in force, without secrets."""

from pathlib import Path

from proxy.config.in_force import in_force
from proxy.config.load import load

TEXT = """
[[upstreams]]
name = "api"
servers = ["https://10.0.0.1:9000"]
tls = { server_name = "${HOST_NAME}" }
[[routes]]
path = "/v1"
upstream = "api"
headers = { X-Tenant = "acme-secret" }
request_headers = { set = { X-Any = "Bearer abcdefgh" }, remove = ["Cookie"] }
[routes.retry]
attempts = 4
backoff_max = "3s"
max_body = "2MiB"
"""
ENVIRONMENT = {"HOST_NAME": "inner.example", "HOME": "/v1"}


def test_every_option_is_shown_with_its_value_and_no_secret(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(TEXT)
    shown = in_force(load(file, ENVIRONMENT), ENVIRONMENT)
    [route] = shown["routes"]
    assert route["path"] == "/v1"
    assert route["retry"]["attempts"] == 4
    assert (route["retry"]["backoff_max"], route["retry"]["max_body"]) == ("3s", "2MiB")
    assert route["retry"]["budget"]["percent"] == 20.0
    assert route["hedge"] is None
    assert route["headers"] == {"X-Tenant": "***"}
    assert route["request_headers"]["set"] == {"X-Any": "***"}
    assert route["request_headers"]["remove"] == ["Cookie"]
    [upstream] = shown["upstreams"]
    assert upstream["tls"]["server_name"] == "${HOST_NAME}"
    assert upstream["servers"] == ["https://10.0.0.1:9000"]
    assert shown["timeouts"]["connect"] == "5s"


def test_defaults_that_apply_are_shown_where_nobody_wrote_their_table(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(TEXT)
    shown = in_force(load(file, ENVIRONMENT), ENVIRONMENT)
    assert shown["upstreams"][0]["load_balance"]["policy"] == "least_request"
    assert shown["routes"][0]["stream"]["commit"] == "auto"
    assert (shown["store"], shown["cache"]) == (None, None)  # nothing is stored
    file.write_text(f"[cache]\n{TEXT}")
    assert in_force(load(file, ENVIRONMENT), ENVIRONMENT)["store"]["url"] == "memory:"
