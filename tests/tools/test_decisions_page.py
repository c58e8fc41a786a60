"""The generated list of decisions."""

from pathlib import Path

import pytest

from tools.decisions_page import FOLDER, page


def test_every_decision_is_listed_once_by_its_title() -> None:
    text = page()
    decisions = sorted(FOLDER.glob("[0-9]*.md"))
    assert decisions
    for path in decisions:
        assert text.count(f"]({path.name}) |") == 1
    assert (
        "| [0004](0004-choices-clients-can-see.md) | Choices that clients and upstreams can see |"
        in text
    )
    assert text == (FOLDER / "README.md").read_text(encoding="utf-8")


def test_no_two_decisions_have_one_number() -> None:
    numbers = [path.name[:4] for path in FOLDER.glob("[0-9]*.md")]
    assert len(numbers) == len(set(numbers))


def test_a_number_before_a_title_is_left_out_and_a_title_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "0001-a.md").write_text("# 0001: one\n")
    assert page(tmp_path).endswith("| [0001](0001-a.md) | One |\n")
    (tmp_path / "0002-b.md").write_text("no title\n")
    with pytest.raises(ValueError, match="expected a title"):
        page(tmp_path)
