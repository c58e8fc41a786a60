"""What ``check`` says of a configuration."""

from pathlib import Path

from proxy.config.load import check


def said(folder: Path, text: str, **environ: str) -> list[str]:
    """All of it, without file and line."""
    file = folder / "config.toml"
    file.write_text(text)
    return [f"{found.place}: {found.message}" for found in check(file, environ)]
