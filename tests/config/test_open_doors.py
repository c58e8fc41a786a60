"""What leaves a door open, or a store without a folder, has a warning."""

import os
from pathlib import Path

import pytest

from tests.support import checking

API = '[[upstreams]]\nname = "api"\nservers = ["http://127.0.0.1:9000"]\n'


def said(folder: Path, text: str) -> list[str]:
    return checking.said(folder, text + API)


@pytest.mark.parametrize(
    ("text", "place", "why"),
    [
        ('[server]\nkeepalive_timeout = "0"\n', "server.keepalive_timeout", "kept for ever"),
        (
            '[server]\ntrusted_proxies = ["10.0.0.1", "0.0.0.0/0"]\n',
            "server.trusted_proxies[1]",
            "any client is believed",
        ),
    ],
)
def test_a_door_that_is_open(tmp_path: Path, text: str, place: str, why: str) -> None:
    (line,) = said(tmp_path, text)
    assert line.startswith(f"{place}: warning: ")
    assert why in line


@pytest.mark.parametrize("listen", [":9901", "0.0.0.0:9901", "[::]:9901"])
def test_an_admin_listener_on_all_addresses_says_who_can_do_what(
    tmp_path: Path, listen: str
) -> None:
    """Whoever reaches it reads; without a token nobody changes anything, its operator included."""
    [line] = said(tmp_path, f'[admin]\nlisten = "{listen}"\n')
    assert line == (
        "admin.listen: warning: whoever reaches a network of this machine can read the requests, "
        "servers, metrics and configuration here, and nobody can change anything, not even reload "
        'or drain: expected "127.0.0.1:9901", or a token_file for changes'
    )
    (tmp_path / "token").write_text("hunter2\n")
    with_token = f'[admin]\nlisten = "{listen}"\ntoken_file = "{tmp_path}/token"\n'
    assert said(tmp_path, with_token) == []


@pytest.mark.parametrize("more", ["", "token_file = '/dev/null'\n", "hosts = ['a.example']\n"])
def test_what_is_no_address_is_a_problem_and_nothing_else(tmp_path: Path, more: str) -> None:
    found = said(tmp_path, f'[admin]\nlisten = "foo"\n{more}')
    [line] = [each for each in found if not each.startswith("admin.token_file")]
    assert line.startswith("admin.listen: expected ")


@pytest.mark.parametrize("listen", ["9901", "localhost:9901", "10.0.0.1:9901", "unix:/run/a"])
def test_an_admin_listener_at_one_address_is_not_doubted(tmp_path: Path, listen: str) -> None:
    assert said(tmp_path, f'[admin]\nlisten = "{listen}"\n') == []


def test_what_is_narrow_is_not_doubted(tmp_path: Path) -> None:
    text = '[server]\nkeepalive_timeout = "1ms"\ntrusted_proxies = ["10.0.0.0/8"]\n'
    assert said(tmp_path, text) == []


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"[store]\nurl = 'sqlite:{tmp_path}/store.db'\n[cache]\n"
    assert said(tmp_path, text) == []
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert f"'{tmp_path}' cannot be written by this user" in said(tmp_path, text)[0]
