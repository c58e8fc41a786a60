"""Which generated files are out of date."""

from pathlib import Path

from tools.current import changed


def test_only_the_files_that_differ_are_named(tmp_path: Path) -> None:
    same, other, new, gone = files = [str(tmp_path / name) for name in "abcd"]
    for file in (same, other, gone):
        Path(file).write_text("1", encoding="utf-8")

    def make() -> None:
        Path(same).write_text("1", encoding="utf-8")
        Path(other).write_text("2", encoding="utf-8")
        Path(new).write_text("1", encoding="utf-8")
        Path(gone).unlink()

    assert changed(files, make) == [other, new, gone]
