"""A file that is read again."""

from pathlib import Path

from proxy.config.config_file import ConfigFile


def test_a_file_tells_of_the_configuration_that_it_holds_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text('[[upstreams]]\nname = "api"\nservers = ["http://a"]\n')
    file = ConfigFile(str(path), ["retry.attempts=2"])
    config, _ = file()
    assert config is not None
    origins = file.origins(config)
    assert origins is not None
    assert origins.of(("routes", 0, "retry", "attempts"), ("retry", "attempts")) == (
        "--set [retry]",
        "2",
    )
    path.write_text(path.read_text().replace("http://a", "http://b"))
    assert file.origins(config) is None
    path.unlink()
    assert file.origins(config) is None
