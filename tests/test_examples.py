"""What we tell others to copy has to work."""

import re
import textwrap
from pathlib import Path

import pytest

from proxy.config.load import check

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
    assert 'probes = "0.0.0.0:9902"' in manifest
    assert 'listen = "127.0.0.1:9901"' in manifest
    assert "containerPort: 9901" not in manifest


def test_a_body_for_another_try_can_be_written_where_the_root_is_read_only() -> None:
    manifest = (TOP / "deploy" / "kubernetes.yaml").read_text()
    assert "readOnlyRootFilesystem: true" in manifest
    assert "{name: tmp, mountPath: /tmp}" in manifest
