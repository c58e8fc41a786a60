"""The files that a configuration names."""

import os
from pathlib import Path

from proxy.config.files import marks, named_files
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


def test_a_mark_changes_with_the_file_and_with_the_link(tmp_path: Path) -> None:
    one, two, link = tmp_path / "one", tmp_path / "two", tmp_path / "link"
    one.write_text("a")
    two.write_text("a")
    link.symlink_to(one)
    seen = [marks([str(link)])]
    assert marks([str(link)]) == seen[0]
    one.write_text("ab")
    seen.append(marks([str(link)]))
    other = tmp_path / "other"
    other.symlink_to(two)
    os.replace(other, link)
    seen.append(marks([str(link)]))
    link.unlink()
    seen.append(marks([str(link)]))
    assert len(set(seen)) == 4
    assert seen[-1] == (None,)
