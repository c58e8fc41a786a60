"""Wheel and sdist: built, installed and run outside the checkout, in a clean environment."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from proxy import __version__

TOP = Path(__file__).parents[1]
PATIENCE = 300


def run(*words: str, folder: Path, **environment: str) -> str:
    done = subprocess.run(
        words,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both, made from what belongs to the repository."""
    if shutil.which("git") is None or not (TOP / ".git").exists():
        pytest.skip("needs a checkout and git")
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    listed = run("git", "ls-files", "-z", folder=TOP, GIT_OPTIONAL_LOCKS="0")
    for name in filter(None, listed.split("\0")):
        if (TOP / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(TOP / name, source / name)
    build = "import sys, setuptools.build_meta as b; b.build_sdist(sys.argv[1])"
    run(sys.executable, "-c", build, str(out), folder=source)
    (sdist,) = out.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        # Debian's 3.11.2 knows no filter, which has come with 3.11.4.
        safe: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        archive.extractall(source / "unpacked", **safe)
    (inside,) = (source / "unpacked").iterdir()
    # The wheel is made of the sdist, as an installer does that finds no wheel.
    build = "import sys, setuptools.build_meta as b; b.build_wheel(sys.argv[1])"
    run(sys.executable, "-c", build, str(out), folder=inside)
    return out


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The commands of an environment of its own that has the wheel.

    Its dependencies are those of this environment: no test needs the internet.
    """
    home = tmp_path_factory.mktemp("venv")
    run(sys.executable, "-m", "venv", str(home), folder=home)
    (wheel,) = built.glob("*.whl")
    python = str(home / "bin/python")
    install = ("-m", "pip", "install", "--quiet", "--no-deps", "--no-index")
    run(python, *install, str(wheel), folder=home, PIP_DISABLE_PIP_VERSION_CHECK="1")
    (packages,) = home.glob("lib/python*/site-packages")
    ours = next(path for path in sys.path if path.endswith("site-packages"))
    # Behind its own packages, and without the checkout that may be installed here.
    (packages / "dependencies.pth").write_text(f"{ours}\n")
    return home / "bin"


def test_both_have_what_belongs_to_them(built: Path) -> None:
    (wheel,), (sdist,) = built.glob("*.whl"), built.glob("*.tar.gz")
    assert wheel.name == f"sidecar_proxy-{__version__}-py3-none-any.whl"
    assert sdist.name == f"sidecar_proxy-{__version__}.tar.gz"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    modules = {str(path.relative_to(TOP)) for path in TOP.glob("proxy/**/*.py")}
    assert modules <= set(names)
    assert "proxy/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    strays = [name for name in names if not name.startswith(("proxy/", "sidecar_proxy-"))]
    assert strays == []


def test_the_installed_command_runs_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    command = str(installed / "sidecar-proxy")
    assert run(command, "--version", folder=tmp_path) == f"sidecar-proxy {__version__}\n"
    where = "import proxy; print(proxy.__file__)"
    python = str(installed / "python")
    assert run(python, "-c", where, folder=tmp_path).startswith(str(installed.parent))
    run(command, "init", folder=tmp_path)
    assert run(command, "check", folder=tmp_path) == ""
    demo = 'import proxy; print(type(proxy.create_app("config.toml")).__name__)'
    assert run(python, "-c", demo, folder=tmp_path) == "Application\n"


def test_the_installed_proxy_serves(installed: Path, tmp_path: Path) -> None:
    test = """
import threading, urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from proxy.testing import start

class Ok(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

server = HTTPServer(("127.0.0.1", 0), Ok)
threading.Thread(target=server.serve_forever, daemon=True).start()
proxy = start(f"http://127.0.0.1:{server.server_port}", folder=Path.cwd())
print(urllib.request.urlopen(f"{proxy.url}/x").read().decode(), proxy.stop())
server.shutdown()
"""
    (tmp_path / "serve.py").write_text(test)
    assert run(str(installed / "python"), "serve.py", folder=tmp_path) == "ok 0\n"


def test_the_version_stands_in_one_place() -> None:
    assert re.search(
        r'^dynamic = \["version"\]$', (TOP / "pyproject.toml").read_text(), re.MULTILINE
    )
    said = [
        path.relative_to(TOP)
        for path in (*TOP.glob("proxy/**/*.py"), TOP / "pyproject.toml")
        if f'"{__version__}"' in path.read_text()
    ]
    assert said == [Path("proxy/__init__.py")]
