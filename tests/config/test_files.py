"""The files that a configuration names."""

from pathlib import Path

from proxy.config.files import named_files
from tests.support.proxy import parsed


def test_all_files_of_all_tables_are_named(tmp_path: Path) -> None:
    for name in ("token", "sorry.txt", "value"):
        (tmp_path / name).write_text("secret")
    text = f"""
        [admin]
        token_file = "{tmp_path}/token"
        [[upstreams]]
        name = "api"
        servers = ["http://127.0.0.1:1"]
        credentials = {{ value_file = "{tmp_path}/value" }}
        [[routes]]
        upstream = "api"
        fallback = {{ file = "{tmp_path}/sorry.txt" }}
        """
    found = {Path(each).name for each in named_files(parsed(text))}
    assert found == {"token", "sorry.txt", "value"}
