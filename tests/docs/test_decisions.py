"""Bounds that decisions state are those of the code; a decision that was changed says by which."""

import re
from pathlib import Path

import pytest

from proxy.core.stored import LEASE
from proxy.edge.http1 import half_close, request_reader
from proxy.http import chunked
from proxy.middleware.cache import leasing
from proxy.net import small_reads, splice, timers
from proxy.policy import attempt_bound, last_chance, patience, permit_loans, rotation, soonest
from proxy.run import chains, descriptors, memory
from proxy.store import file, parts, removed
from proxy.telemetry import log
from proxy.upstream import connector, hints

FOLDER = Path(__file__).parents[2] / "docs" / "decisions"
KIB = 1 << 10
MIB = 1 << 20
IN_WORDS = {4: "four", 8: "eight", 10: "ten", 20: "twenty"}
BOUNDS = [
    ("0004", f"no more than {IN_WORDS[hints.FEW]} of them"),
    ("0011", "Thresholds of {:,}, {} and {}".format(*memory.COLLECT)),
    ("0012", f"{log.MANY} have ended or {log.BATCH * 1000:g} ms have passed"),
    ("0015", f"grown by {memory.GROWTH // MIB} MiB or a quarter"),
    ("0015", f"at most {100 // memory.SHARE} % of the time"),
    ("0016", f"{request_reader.AHEAD // KIB} KiB of it are read"),
    ("0016", f"with its extensions may have {chunked.LONGEST_LINE // KIB} KiB"),
    ("0021", f"are tried {connector.RACE * 1000:g} ms later"),
    ("0021", f"for {IN_WORDS[rotation.PATIENCE]} answers"),
    ("0025", f"known after {IN_WORDS[soonest.ENOUGH]} answers"),
    ("0026", f"waited for in {IN_WORDS[int(permit_loans.GRACE)]} seconds"),
    ("0026", f"{permit_loans.SHARE * 100:g} % of the time"),
    ("0026", f"on loan for {permit_loans.LEFT:g} s"),
    ("0027", f"takes a FIN within {half_close.AT_ONCE * 1000:g} ms"),
    ("0029", f"after {descriptors.SPARE} are set aside"),
    ("0029", f"and {descriptors.AMPLE:,} more"),
    ("0035", f"a {small_reads.SHARE}nd of what is left of {small_reads.TOTAL // MIB} MiB"),
    ("0035", f"between {small_reads.SMALLEST // KIB} KiB and {small_reads.LARGEST // KIB} KiB"),
    ("0046", f"put together into pieces of {parts.PIECE // KIB} KiB"),
    ("0046", f"tried again after {IN_WORDS[int(file.REST)]} seconds"),
    ("0049", f"more than {timers.LATE * 1000:g} ms late gives the loop"),
    ("0049", f"the loop {IN_WORDS[timers.TURNS]} turns first"),
    ("0051", f"rom {splice.LEAST // KIB} KiB"),
    ("0051", f"Up to {splice.MOST} bodies at a time"),
    ("0052", f"It lasts for {LEASE:g} s"),
    ("0056", f"clients of the last {patience.MOST} in five minutes"),
    ("0056", f"Of the last {last_chance.SIZE} answers"),
    ("0056", f"one of {IN_WORDS[int(last_chance.TRUST)]} tokens"),
    ("0056", f"a pause of {last_chance.PAUSE:g} s"),
]


def read(number: str) -> str:
    [page] = FOLDER.glob(f"{number}-*.md")
    return " ".join(page.read_text(encoding="utf-8").split())


@pytest.mark.parametrize(("number", "bound"), BOUNDS)
def test_a_bound_of_a_decision_is_that_of_the_code(number: str, bound: str) -> None:
    assert bound in read(number)


def test_bounds_in_words_are_those_of_the_code() -> None:
    assert (removed.LINGER, removed.ORPHANED) == (600.0, 3600.0)
    for words in ("are swept after an hour", "Its chunks stay for ten minutes"):
        assert words in read("0046")
    assert leasing.IN_VAIN_FOR == 60.0
    assert "For a minute nobody waits for such requests" in read("0052")
    assert (attempt_bound.QUANTILE, attempt_bound.MULTIPLE, attempt_bound.FLOOR) == (
        0.95,
        4,
        0.5,
    )
    assert "four times what 95 % of the attempts of a route take at most, and half a" in read(
        "0038"
    )
    assert permit_loans.SILENT == 60.0
    assert "a tunnel without a byte for a minute" in read("0026")
    assert soonest.BUCKET * soonest.BUCKETS == 300.0
    assert "within five minutes" in read("0025")
    assert (patience.LEAST, patience.ALIKE, patience.SHORTEST) == (8, 1.2, 1.0)
    assert "Eight clients" in read("0056")
    assert "within 20 % of the same time, one second or more" in read("0056")


def test_no_decision_lists_a_chain_that_is_not_the_one_there_is() -> None:
    names = [
        link.name.replace("_", "").rpartition("/")[2]
        for link in (*chains.ROUTE, *chains.UPSTREAM, *chains.ENDPOINT)
    ]
    for page in FOLDER.glob("*.md"):
        for listed in re.findall(r"`([A-Z]\w+(?:,? (?:-> )?[A-Z]\w+)+)`", page.read_text()):
            order = [word.lower() for word in re.findall(r"\w+", listed)]
            known = [names.index(word) for word in order if word in names]
            assert known == sorted(known), (page.name, listed)


def test_a_decision_that_another_one_changed_names_it() -> None:
    for number, by in (("0008", "0037"), ("0008", "0021"), ("0028", "0037"), ("0007", "0020")):
        assert by in read(number)[:900], (number, by)
