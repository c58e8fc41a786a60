"""A file in another language than TOML is told by its first line."""

import pytest

from proxy.config.other_languages import other_language


@pytest.mark.parametrize(
    ("text", "line", "kind"),
    [
        ('{"server": {}}', 1, "this is JSON"),
        ("# a comment\n\nserver:\n  listen: 80", 3, "this is YAML"),
        ("---\n", 1, "this is YAML"),
        ("retry: {attempts: 3}", 1, "this is YAML"),
        ("server: { listen: 8080 }", 1, "this is YAML"),
        ("listen stats\n    bind *:80", 1, "this is a configuration of HAProxy"),
        ("<proxy/>", 1, "this is XML or HTML"),
        ("server {\n}", 1, "this is a block in braces"),
        ("upstream api { server 127.0.0.1:9000; }", 1, "this is a configuration of nginx"),
        ("worker_processes auto;\nevents { }", 1, "this is a configuration of nginx"),
        ("user nginx;", 1, "this is a configuration of nginx"),
        ("include /etc/nginx/a.conf; # all", 1, "this is a configuration of nginx"),
        ("global\n    maxconn 4096", 1, "this is a configuration of HAProxy"),
        ("defaults\n    mode http", 1, "this is a configuration of HAProxy"),
        ("frontend http-in\n    bind *:80", 1, "this is a configuration of HAProxy"),
        (":8080\nreverse_proxy localhost:9000", 1, "this is a configuration of Caddy"),
        ("{\n\tadmin off\n}\n:8080\nrespond hi", 1, "this is a configuration of Caddy"),
        ("{\n\temail ops@example.com\n}", 1, "this is a configuration of Caddy"),
        ('{\n  "server": {}\n}', 1, "this is JSON"),
        ("{\n}", 1, "this is JSON"),
        ("{\n  server: {}\n}", 1, "this is JSON"),
        ("api.example.com\nreverse_proxy localhost:9000", 1, "this is a configuration of Caddy"),
        ("reverse_proxy localhost:9000", 1, "this is a configuration of Caddy"),
    ],
)
def test_the_language_is_named(text: str, line: int, kind: str) -> None:
    found = other_language(text)
    assert found is not None
    assert found[0] == line
    assert found[1].startswith(f"{kind}, expected TOML")
    assert ("docs/guides/coming-from.md" in found[1]) is (" of " in kind)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only this",
        "[server]",
        "a = 1",
        "a = 1;",
        "a = { b = 1 }",
        "[server] {",
        "name",
        "my name",
        "listen 127.0.0.1:8080\n[server]",
        "listen 8080\n  workers = 1",
        "listen stats\n[server]",
        "backend api",
        "<<<<<<< HEAD",
    ],
)
def test_toml_is_not_taken_for_another_language(text: str) -> None:
    assert other_language(text) is None
