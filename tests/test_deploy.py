"""The files in ``deploy/`` hold what tools of others demand of such files."""

import re
import shutil
import subprocess
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from proxy import __version__
from proxy.config.load import check

TOP = Path(__file__).parents[1]
DEPLOY = TOP / "deploy"
UNITS = ("sidecar-proxy.service", "sidecar-proxy.socket")
COMMAND = "/opt/sidecar-proxy/bin/sidecar-proxy"
"""In the units; systemd wants it to be there."""
needs_yaml = pytest.mark.skipif(not find_spec("yaml"), reason="needs pyyaml: make clients")


def tool(name: str) -> str:
    """The command beside this interpreter, or elsewhere; skips where there is none."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"needs {name}")
    return found


def run(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    analyze = tool("systemd-analyze")
    for name in UNITS:
        # It wants the command to be there.
        text = (
            (DEPLOY / name).read_text().replace("/opt/sidecar-proxy/bin/sidecar-proxy", "/bin/true")
        )
        (tmp_path / name).write_text(text)
    said = run(analyze, "verify", *(str(tmp_path / name) for name in UNITS))
    assert not [line for line in said.splitlines() if "sidecar-proxy" in line]


def test_systemd_would_say_so_if_it_did_not(tmp_path: Path) -> None:
    text = (DEPLOY / UNITS[0]).read_text().replace("WatchdogSec=", "WatchdgSec=")
    (tmp_path / UNITS[0]).write_text(text.replace(COMMAND, "/bin/true"))
    done = subprocess.run(
        [tool("systemd-analyze"), "verify", str(tmp_path / UNITS[0])],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "WatchdgSec" in done.stderr


def test_the_dockerfile_has_no_fault_that_hadolint_knows() -> None:
    assert run(tool("hadolint"), "--failure-threshold", "style", str(DEPLOY / "Dockerfile")) == ""


def test_the_manifest_fits_the_schema_of_kubernetes() -> None:
    said = run(tool("kubernetes-validate"), "--strict", str(DEPLOY / "kubernetes.yaml"))
    assert said.count("passed for resource") == 2


def composed() -> dict[str, Any]:
    import yaml  # type: ignore[import-untyped]  # noqa: PLC0415 - not everybody has it

    raw: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return raw


@needs_yaml
def test_in_compose_the_proxy_is_there_before_the_service_and_after_it() -> None:
    """Who owns the network is started first and stopped last, and takes it along if restarted."""
    services = composed()["services"]
    service, sidecar = services["service"], services["sidecar-proxy"]
    assert service["network_mode"] == "service:sidecar-proxy"
    assert service["depends_on"] == {
        "sidecar-proxy": {"condition": "service_healthy", "restart": True}
    }
    assert "network_mode" not in sidecar
    assert "ports" not in service  # they are published where the network is
    assert sidecar["ports"] == ["127.0.0.1:8000:8000"]


@needs_yaml
def test_the_compose_file_fits_the_specification() -> None:
    specification = pytest.importorskip("compose_spec", reason="needs compose-spec: make clients")
    raw = composed()
    found = specification.ComposeSpecification.model_validate(raw)
    assert set(found.services) == {"service", "sidecar-proxy"}
    for name, service in found.services.items():  # what it does not know it leaves out
        assert set(raw["services"][name]) <= set(type(service).model_fields)


def test_the_configuration_in_the_compose_file_has_no_problem(tmp_path: Path) -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    block = re.search(r"content: \|\n((?:      .*\n|\n)+)", text)
    assert block is not None
    (tmp_path / "token").write_text("Bearer abc")
    config = tmp_path / "config.toml"
    inside = textwrap.dedent(block[1])
    assert "/run/secrets/partner-token" in inside
    config.write_text(inside.replace("/run/secrets/partner-token", str(tmp_path / "token")))
    assert check(config) == []


def test_what_may_be_written_is_the_same_everywhere() -> None:
    """Only /tmp, for bodies that are sent again."""
    compose, manifest = (
        (DEPLOY / "compose.yaml").read_text(),
        (DEPLOY / "kubernetes.yaml").read_text(),
    )
    assert "read_only: true" in compose
    assert "- /tmp:size=2g" in compose
    assert "readOnlyRootFilesystem: true" in manifest
    assert "emptyDir: {sizeLimit: 2Gi}" in manifest


def test_the_unit_lets_the_proxy_do_what_it_does() -> None:
    """It could not write the store of the docs, nor ask the kernel whether a client has left."""
    unit = (DEPLOY / UNITS[0]).read_text()
    families = re.search(r"^RestrictAddressFamilies=(.*)$", unit, re.MULTILINE)
    assert families is not None
    assert set(families[1].split()) == {"AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK"}
    stored = re.findall(r'"sqlite:(/[^"]+)/store.db"', (TOP / "docs/cache.md").read_text())
    state = re.search(r"^StateDirectory=(.*)$", unit, re.MULTILINE)
    assert state is not None
    assert stored == [f"/var/lib/{state[1]}"]


def test_a_stop_that_cut_requests_is_not_undone_by_the_unit() -> None:
    """``sidecar-proxy drain`` was, by its exit status 1 (systemd merges the two lines)."""
    unit = (DEPLOY / UNITS[0]).read_text().splitlines()
    assert "RestartPreventExitStatus=1" in unit


def test_the_unit_tries_again_what_may_pass_and_not_a_wrong_configuration() -> None:
    """systemd asks the status of ExecStart= alone: a check before it was tried five more times."""
    unit = (DEPLOY / UNITS[0]).read_text().splitlines()
    assert {"Restart=on-failure", "RestartPreventExitStatus=2"} <= set(unit)
    assert not [line for line in unit if line.startswith(("ExecStartPre=", "ExecCondition="))]
    assert unit.index("StartLimitIntervalSec=0") < unit.index("[Service]")  # 3 is tried for ever


@pytest.mark.parametrize("name", ["kubernetes.yaml", "compose.yaml"])
def test_the_image_has_the_version_of_the_package(name: str) -> None:
    assert f"sidecar-proxy:{__version__}" in (DEPLOY / name).read_text()


@pytest.mark.parametrize(
    "name", ["deploy/Dockerfile", "deploy/kubernetes.yaml", "docs/guides/docker.md"]
)
def test_what_is_typed_to_build_the_image_is_the_same_everywhere(name: str) -> None:
    text = (TOP / name).read_text()
    built = re.findall(r"docker build (.*)", text)
    assert built == [f"-f deploy/Dockerfile -t sidecar-proxy:{__version__} ."]
    run = re.findall(r"docker run (.*)", text)
    mounted = "-v ./config.toml:/etc/sidecar-proxy/config.toml:ro"
    image = f"sidecar-proxy:{__version__}"
    assert set(run) <= {f"-p 127.0.0.1:8080:8080 {mounted} {image}"}
