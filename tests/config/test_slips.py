"""A line with a slip is named by it, and the rest of the file is read nevertheless."""

from pathlib import Path

import pytest

from proxy.config.load import check
from proxy.config.slips import diagnosis

API = '[[upstreams]]\nname = "api"\n'
SERVERS = 'servers = ["http://127.0.0.1:9000"]'


def said(folder: Path, text: str) -> list[str]:
    file = folder / "config.toml"
    file.write_text(text)
    return [str(problem).removeprefix(f"{file}:") for problem in check(file, {})]


@pytest.mark.parametrize(
    ("text", "place", "meant"),
    [
        (
            API + "servers:\n  - http://a\n  - http://b\n",
            "3: ",
            'expected servers = ["...", "..."]',
        ),
        (API + "servers =\n- http://a", "3: ", "a list in brackets"),
        (API + 'servers = [{ url: "http://a", weight: 2 }]', "3: ", "{ url = ... }"),
        (API + 'servers = [{ url = "http://a:1", weight: 2 }]', "3: ", "{ weight = ... }"),
        ("[[upstreams]]\n- name = 'api'\n  " + SERVERS, "2: ", "no dash stands before a name"),
        (API + SERVERS + "  // the api", "3: ", 'a comment begins with "#"'),
        ("[log]\nsample = 1 // all\n" + API + SERVERS, "2: ", 'a comment begins with "#"'),
        (API + SERVERS + ";", "3: ", "nothing stands behind a value, got ';'"),
        (API + "servers = [\n'http://a'\n];", "5: ", "nothing stands behind a value, got ';'"),
        (
            "[server]\nlisten 127.0.0.1:8080\n" + API + SERVERS,
            "2: ",
            "expected listen = value, the = is",
        ),
        ("[log]\nlevel debug # all\n" + API + SERVERS, "2: ", "expected level = value, the = is"),
        ("worker_processes auto;\nuser nginx;\n", "1: ", "this is a configuration of nginx"),
        ("global\n  maxconn 9\nfrontend a\n  bind :80", "1: ", "a configuration of HAProxy"),
        (":80\nreverse_proxy a:1\n", "1: ", "this is a configuration of Caddy"),
    ],
)
def test_a_slip_has_one_line(tmp_path: Path, text: str, place: str, meant: str) -> None:
    line, *more = said(tmp_path, text)
    assert line.startswith(f"{place}syntax: ")
    assert meant in line
    assert [each for each in more if "syntax" in each] == []


def test_what_is_mended_is_read_on(tmp_path: Path) -> None:
    lines = said(tmp_path, API + 'servers = [{ url: "http://a", wait: "x" }] // a: 1\nlog: "b"')
    assert [each.partition(" ")[0] for each in lines] == ["3:", "3:", "3:", "4:"]
    assert "servers[0].wait: unknown option" in "".join(lines)


def test_a_url_is_no_comment_and_no_pair() -> None:
    line = "a = { b = 'http://c: //d' } x"
    assert "comment" not in diagnosis([line], 1, "Expected newline", 29).message
    assert "inline" not in diagnosis(["a = 'http://{b: c}'"], 1, "Expected '='", 3).message


def test_what_has_no_sign_is_read_as_what_it_stands_for(tmp_path: Path) -> None:
    lines = said(tmp_path, f"[server]\nlisten 127.0.0.1:8080\nworkers 2\n{API}{SERVERS}\n[routez]")
    assert [each.partition(": ")[0] for each in lines] == ["2", "3", "7"]


@pytest.mark.parametrize(
    "line",
    [
        "value S3CRET",
        "value S3CRET==",
        "value S3CRET:x",
        "value  Bearer S3CRET",
        "password S3CRET = x",
        "value 'S3CRET'",
        "value: S3CRET",
        "value = {S3CRET: 'x'}",
    ],
)
def test_a_secret_without_its_sign_is_not_shown(tmp_path: Path, line: str) -> None:
    lines = said(tmp_path, f"{API}{SERVERS}\n[upstreams.credentials]\n{line}\n")
    assert "syntax" in "".join(lines)
    assert "S3CR" not in "".join(lines)


def test_what_stands_in_a_comment_is_no_other_comment() -> None:
    line = 'a = "b" c # d // e'
    assert "comment" not in diagnosis([line], 1, "Expected newline", 9).message
