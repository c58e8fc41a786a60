"""``sidecar-proxy demo``."""

import urllib.request

import pytest

from proxy.config.model import Config
from proxy.demo import command


def test_it_runs_the_proxy_in_front_of_a_demo_api_that_answers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Config] = []

    def serve(config: Config) -> int:
        seen.append(config)
        [url] = config.upstreams[0].servers
        assert isinstance(url, str)
        with urllib.request.urlopen(f"{url}/slow?seconds=0") as answer:
            assert answer.status == 200
        return 7

    monkeypatch.setattr("proxy.run.serve.run", serve)
    assert command.run(["--listen", "127.0.0.1:8099"]) == 7
    assert [config.server.listen for config in seen] == ["127.0.0.1:8099"]
    out, err = capsys.readouterr()
    assert out == ""
    assert "curl -i 'http://127.0.0.1:8099/slow?seconds=2'" in err


def test_an_address_that_makes_no_sense_is_a_bad_configuration(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command.run(["--listen", "nowhere"]) == 2
    assert "--listen" in capsys.readouterr().err
