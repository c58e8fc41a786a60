"""Runs the conformance probes of a folder against a proxy of its own; full marks or failure."""

import collections
import contextlib
import re
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, Final

PROBES: Final = ("faults.py", "raw_requests.py")
PATIENCE: Final = 900.0

# Without retries, so that each probe is one request. Short clocks: the probes give up after 8 s.
CONFIG: Final = """
[server]
listen = "127.0.0.1:0"
[timeouts]
first_byte = "3s"
idle = "3s"
[retry]
attempts = 1
[[upstreams]]
name = "origin"
servers = ["http://127.0.0.1:{port}"]
[[routes]]
upstream = "origin"
"""


def main(folder: Path) -> int:
    """Run them all."""
    missing = [probe for probe in PROBES if not (folder / probe).is_file()]
    if missing:
        print(f"conformance: no {' and no '.join(missing)} in {str(folder)!r}", file=sys.stderr)
        return 1
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as scratch:
        config = Path(scratch, "config.toml")
        config.write_text(CONFIG.format(port=port), encoding="utf-8")
        with subprocess.Popen(
            [sys.executable, "-m", "proxy", "run", str(config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as proxy:
            try:
                return probe_all(folder, proxy, port)
            finally:
                proxy.terminate()


def probe_all(folder: Path, proxy: subprocess.Popen[str], port: int) -> int:
    """Run the probes against a proxy that is starting."""
    assert proxy.stderr is not None
    said: collections.deque[str] = collections.deque(maxlen=100)
    address = ready(proxy.stderr, said)
    if not address:
        print("conformance: the proxy did not start", *said, sep="\n", file=sys.stderr)
        return 1
    threading.Thread(target=follow, args=(proxy.stderr, said), daemon=True).start()
    passed = [probe(folder / name, address, port) for name in PROBES]
    if proxy.poll() is not None:
        print(f"conformance: the proxy ended with {proxy.returncode}", file=sys.stderr)
        passed.append(False)
    if not all(passed):
        print("what the proxy said:", *said, sep="\n", file=sys.stderr)
    return not all(passed)


def follow(lines: IO[str], said: collections.deque[str]) -> None:
    """Keep what it says until it ends, or until nobody wants to know any more."""
    with contextlib.suppress(ValueError):  # closed meanwhile
        said.extend(map(str.rstrip, lines))


def ready(lines: IO[str], said: collections.deque[str]) -> str:
    """The address of the ready line, empty where none comes."""
    for line in lines:
        said.append(line.rstrip())
        if found := re.match(r"ready http=([^ ,]+)", line):
            return found[1]
    return ""


def probe(script: Path, address: str, port: int) -> bool:
    """Run one script and judge what it prints."""
    command = [sys.executable, str(script), "--proxy", address, "--origin-port", str(port)]
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, text=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        print(f"conformance: {script.name} did not end", file=sys.stderr)
        return False
    print(done.stdout, end="", flush=True)
    passed = done.returncode == 0 and full_marks(done.stdout)
    print(f"conformance: {script.name}: {'passed' if passed else 'FAILED'}", flush=True)
    return passed


def full_marks(printed: str) -> bool:
    """Whether it says ``good N/N`` and that nothing leaked or stayed broken."""
    marks = re.findall(r"\bgood (\d+)/(\d+)", printed)
    harm = re.findall(r"\b(?:leaks|down-after) +(\d+)", printed)
    return (
        bool(marks)
        and all(good == judged and int(judged) for good, judged in marks)
        and not any(map(int, harm))
    )


if __name__ == "__main__":
    sys.exit(main(Path(*sys.argv[1:2])))
