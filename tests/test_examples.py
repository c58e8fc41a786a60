"""What we tell others to copy has to work."""

import re
import textwrap
from pathlib import Path

import pytest

from proxy.arguments import parser
from proxy.config.load import check, load
from proxy.demo.process import DemoProcess
from proxy.run.runtime import Runtime
from tests.support.client import ask
from tests.support.message import get

TOP = Path(__file__).parents[1]


@pytest.mark.parametrize(
    "path", [pytest.param(p, id=p.name) for p in sorted(TOP.glob("examples/**/*.toml"))]
)
def test_an_example_has_no_problem_and_no_warning(path: Path) -> None:
    assert check(path) == []


def test_the_kubernetes_example_has_no_problem_and_no_warning(tmp_path: Path) -> None:
    manifest = (TOP / "deploy" / "kubernetes.yaml").read_text()
    block = re.search(r"config\.toml: \|\n((?:    .*\n|\n)+)", manifest)
    assert block is not None
    config = tmp_path / "config.toml"
    config.write_text(textwrap.dedent(block[1]))
    assert check(config, {"PARTNER_TOKEN": "t"}) == []


def test_only_probes_can_be_asked_from_outside_of_a_pod() -> None:
    manifest = (TOP / "deploy" / "kubernetes.yaml").read_text()
    assert 'probes = ":9902"' in manifest
    assert 'listen = "127.0.0.1:9901"' in manifest
    assert "containerPort: 9901" not in manifest


def test_the_manifest_has_the_proxy_read_a_changed_configuration() -> None:
    manifest = (TOP / "deploy" / "kubernetes.yaml").read_text()
    written = re.search(r"args: \[(.*)\]", manifest)
    assert written is not None
    arguments = parser().parse_args(written[1].split(", "))
    assert (arguments.command, arguments.watch) == ("run", True)
    assert arguments.config == "/etc/sidecar-proxy/config.toml"
    assert "{name: sidecar-proxy, mountPath: /etc/sidecar-proxy, readOnly: true}" in manifest
    assert "subPath" not in manifest


def test_a_body_for_another_try_can_be_written_where_the_root_is_read_only() -> None:
    manifest = (TOP / "deploy" / "kubernetes.yaml").read_text()
    assert "readOnlyRootFilesystem: true" in manifest
    assert "{name: tmp, mountPath: /tmp}" in manifest


async def test_the_sidecar_of_the_example_does_what_its_page_says() -> None:
    folder = TOP / "examples" / "sidecar-fastapi"
    page = (folder / "README.md").read_text(encoding="utf-8")
    with DemoProcess("127.0.0.1:0") as partner:
        changed = ["server.listen=127.0.0.1:0", "admin.listen=127.0.0.1:0"]
        runtime = Runtime(load(folder / "proxy.toml", {"PARTNER_URL": partner.url}, changed))
        await runtime.open()
        address = ("127.0.0.1", int(runtime.http[0].rpartition(":")[2]))
        for _ in range(4):  # the partner says 503 to every other call
            assert (await ask(address, get("/partner/flaky"))).status == 200
        assert (await ask(address, get("/partner/slow?seconds=0"))).body == b'{"waited": 0.0}\n'
    try:
        answer = await ask(address, get("/partner/slow?seconds=0"))
        reason = re.findall(r"`(sidecar-proxy; error=\w+)`", page)
        assert [answer.status, answer.value("Proxy-Status")] == [502, reason[0].encode()]
    finally:
        await runtime.close()
