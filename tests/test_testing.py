"""``proxy.testing`` and ``docs/library.md``, as somebody in another folder uses them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.testing import start
from tests.support.authority import Authority
from tests.support.process import PATIENCE

TOP = Path(__file__).parents[1]
FILES = {"cert_file": "pem", "key_file": "key"}
PAGE = (TOP / "docs/library.md").read_text(encoding="utf-8")
SERVER = """
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Items(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")


@pytest.fixture
def my_server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Items)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
"""


def blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def run(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    environment = {"PYTHONPATH": str(TOP), "PATH": "/usr/bin:/bin", "HOME": str(folder)}
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE * 3,
        check=False,
    )


def test_the_fixture_works_as_the_page_says(tmp_path: Path) -> None:
    *_, conftest, test = blocks()
    (tmp_path / "conftest.py").write_text(conftest + SERVER)
    (tmp_path / "test_mine.py").write_text(test)
    done = run(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


@pytest.mark.parametrize("number", [0, 1])
def test_the_applications_of_the_page_can_be_made(number: int, tmp_path: Path) -> None:
    text = '[[upstreams]]\nname = "api"\nservers = ["http://127.0.0.1:9000"]\n'
    (tmp_path / "config.toml").write_text(text)
    (tmp_path / "page.py").write_text(blocks()[number])
    done = run(tmp_path, "-c", "import page; print(type(page.app).__name__)")
    assert (done.stdout, done.returncode) == ("Application\n", 0), done.stderr


def test_both_are_typed(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from collections.abc import Callable\n"
        "import proxy\nfrom proxy.testing import RunningProxy\n"
        "def url(sidecar_proxy: Callable[..., RunningProxy]) -> str:\n"
        "    return sidecar_proxy('http://a').url\n"
        "def routes() -> int:\n"
        "    return len(proxy.create_app({}).router.routes())\n"
        "proxy.create_app(7)\n"
    )
    done = run(tmp_path, "-m", "mypy", "--strict", "--no-incremental", "mine.py")
    errors = [line for line in done.stdout.splitlines() if line.startswith("mine.py")]
    assert len(errors) == 1, done.stdout
    assert 'mine.py:8: error: Argument 1 to "create_app" has incompatible type "int"' in errors[0]


def test_a_proxy_that_does_not_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"upstreams\[0\]\.servers\[0\]: expected"):
        start("nonsense", folder=tmp_path)


@pytest.mark.parametrize("others", [[], ["127.0.0.1:0"]])
def test_its_address_is_one_that_clients_reach(others: list[str], tmp_path: Path) -> None:
    socket = f"unix:{tmp_path}/s"
    proxy = start("http://127.0.0.1:9", folder=tmp_path, server={"listen": [socket, *others]})
    try:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+" if others else re.escape(socket), proxy.url)
    finally:
        proxy.stop()


def test_its_address_says_that_it_speaks_tls(tmp_path: Path, authority: Authority) -> None:
    certificate = {name: authority.path(f"server.{end}") for name, end in FILES.items()}
    proxy = start(
        "http://127.0.0.1:9", folder=tmp_path, server={"tls": {"certificates": [certificate]}}
    )
    try:
        assert proxy.url.startswith("https://127.0.0.1:")
    finally:
        proxy.stop()


def test_importing_the_package_imports_no_server() -> None:
    done = run(TOP, "-c", "import proxy, sys; print('aiohttp' in sys.modules)")
    assert done.stdout == "False\n"
