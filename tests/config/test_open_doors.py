"""What leaves a door open, or a store without a folder, has a warning."""

import os
from pathlib import Path

import pytest

from proxy.config.load import check

API = '[[upstreams]]\nname = "api"\nservers = ["http://127.0.0.1:9000"]\n'


def said(folder: Path, text: str) -> list[str]:
    file = folder / "config.toml"
    file.write_text(text + API)
    return [f"{found.place}: {found.message}" for found in check(file, {})]


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


def test_what_is_narrow_is_not_doubted(tmp_path: Path) -> None:
    text = '[server]\nkeepalive_timeout = "1ms"\ntrusted_proxies = ["10.0.0.0/8"]\n'
    assert said(tmp_path, text) == []


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"[store]\nurl = 'sqlite:{tmp_path}/store.db'\n[cache]\n"
    assert said(tmp_path, text) == []
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert f"'{tmp_path}' cannot be written by this user" in said(tmp_path, text)[0]
