"""The commented configuration to start from."""

import re
import tomllib
from pathlib import Path

from proxy.config.diagnose import examine
from proxy.config.load import check, load
from proxy.config.sample import sample

ROOT = Path(__file__).parents[2]


def test_the_sample_loads_and_serves_the_demo() -> None:
    assert check(ROOT / "config.toml", {}) == []
    config = load(ROOT / "config.toml", {})
    assert config.server.listen == "127.0.0.1:8080"
    assert config.admin is not None
    assert config.admin.listen == "127.0.0.1:9901"
    assert config.upstreams[0].servers == ("http://127.0.0.1:9000",)
    assert (config.routes[0].path, config.routes[0].upstream) == ("/", "demo")


def test_every_commented_option_is_one_that_exists() -> None:
    text = re.sub(r"^# (?=[a-z_]+ = |\[)", "", sample(), flags=re.MULTILINE)
    assert text != sample()
    assert examine(tomllib.loads(text))[1] == []
