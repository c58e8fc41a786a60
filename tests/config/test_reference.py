"""The files that are generated from the declarations."""

import re
from pathlib import Path

import pytest

from proxy.config.model import DEFAULTED
from proxy.config.reference import main, reference
from proxy.config.sample import sample

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("file", "text"), [("config.toml", sample()), ("docs/configuration.md", reference())]
)
def test_the_committed_file_is_the_generated_one(file: str, text: str) -> None:
    assert (ROOT / file).read_text(encoding="utf-8") == text, "run `make docs`"


def test_the_reference_names_every_option_of_the_sample() -> None:
    names = set(re.findall(r"^(?:# )?([a-z_]+) = ", sample(), flags=re.MULTILINE))
    text = reference()
    assert [name for name in sorted(names) if f"| `{name}` |" not in text] == []


def test_both_files_are_written_below_the_given_folder(tmp_path: Path) -> None:
    main(tmp_path)
    assert (tmp_path / "config.toml").read_text(encoding="utf-8") == sample()
    assert (tmp_path / "docs" / "configuration.md").read_text(encoding="utf-8") == reference()


@pytest.mark.parametrize("option", ["hash_key", "key"])
def test_every_kind_of_key_is_named(option: str) -> None:
    rows = re.findall(rf"^\| `{option}` \|.*", reference(), flags=re.MULTILINE)
    assert rows
    for row in rows:
        for kind in ("path", "route", "client_addr", "header:NAME", "cookie:NAME"):
            assert kind in row


def test_a_table_that_applies_unwritten_says_so() -> None:
    text = reference()
    for name in DEFAULTED:
        section = text.partition(f"\n## `[{name}]`\n")[2].partition("\n| option")[0]
        assert section.strip().endswith("Its defaults apply also if it is not written.")
        assert f"`[{name}]`" in text.partition("**Defaults and merging.**")[2].partition("Every")[0]
    assert "| `budget` | table | its defaults |" in text
    assert "| `certificates` | list of tables | required |" in text
    assert "| `rewrite` | table | off |" in text


def test_no_type_is_called_by_the_name_of_its_class() -> None:
    kinds = re.findall(r"^\| `\w+` \| ([^|]+) \|", reference(), re.MULTILINE)
    words = {word for kind in kinds for word in re.findall(r"[a-z]+", re.sub("`.*?`", "", kind))}
    known = "string number integer size duration table tables strings true false list of or to"
    assert words - set(known.split()) - {"at", "least", "above", "most"} == set()


@pytest.mark.parametrize(
    ("place", "options"),
    [
        ("upstreams.servers", ["url", "weight", "backup", "send_proxy"]),
        ("routes.fallback", ["status", "file"]),
    ],
)
def test_a_table_that_may_stand_in_the_place_of_a_text_has_its_options(
    place: str, options: list[str]
) -> None:
    section = reference().partition(f"\n### `{place}` as {{ ... }}\n")[2].partition("\n#")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == options
