"""What is counted by name, as operators see it."""

from proxy.core.samples import Counts


def shown(counts: Counts) -> list[tuple[str, float | str, dict[str, str]]]:
    return [(each.name, each.value, dict(each.labels)) for each in counts.describe(0.0)]


def test_names_that_are_known_are_told_from_the_beginning() -> None:
    counts = Counts("hits", "fresh", "stale")
    counts["stale"] += 2
    assert shown(counts) == [("hits_fresh", 0, {}), ("hits_stale", 2, {})]


def test_without_names_each_one_that_came_stands_under_its_label() -> None:
    counts = Counts("bypassed", label="reason")
    assert not shown(counts)
    counts["method"] += 1
    counts["range"] += 3
    assert shown(counts) == [
        ("bypassed", 1, {"reason": "method"}),
        ("bypassed", 3, {"reason": "range"}),
    ]
