"""An inline table over several lines has one sentence, wherever its brace stands."""

from pathlib import Path

import pytest

from proxy.config.load import check

API = '[[upstreams]]\nname = "api"\n'
ONE = "an inline table { } stands on one line; "
SERVERS = "or write [[upstreams.servers]]"


@pytest.mark.parametrize(
    ("text", "line", "meant"),
    [
        (API + 'servers = [\n  { url = "http://a:1",\n    weight = 2 },\n]\n', 4, SERVERS),
        (API + 'servers = [\n  "http://b:1",\n  { url = "http://a:1",\n', 5, SERVERS),
        (API + 'servers = [\n  {\n    url = "http://a:1",\n    weight = 2\n  },\n]\n', 4, SERVERS),
        (API + 'servers = [{ url = "http://a:1",\n  weight = 2 }]\n', 3, SERVERS),
        (API + 'servers = [{  # both\n  url = "http://a:1",\n  weight = 2 }]\n', 3, SERVERS),
        (
            '[server.tls]\ncertificates = [\n  {\n    cert_file = "a",\n  },\n]\n',
            3,
            "or write [[server.tls.certificates]]",
        ),
        (API + 'tls = { ca_file = "x",\n  verify = false }\n', 3, "a longer one is a [table]"),
    ],
)
def test_a_table_over_several_lines(tmp_path: Path, text: str, line: int, meant: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)
    assert [str(each) for each in check(file, {})] == [f"{file}:{line}: syntax: {ONE}{meant}"]


@pytest.mark.parametrize("before", ["", 'trusted_proxies = ["10.0.0.1"]\n', "unix_mode = '600'\n"])
def test_a_block_is_no_inline_table(tmp_path: Path, before: str) -> None:
    """Also behind a list, which has ended."""
    file = tmp_path / "config.toml"
    file.write_text(f"[server]\n{before}{{\nlisten = ':1'\n}}\n")
    assert "has no braces around it" in str(next(iter(check(file, {}))))
