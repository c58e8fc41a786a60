"""Which heads are compared with one that comes, and that they are bounded."""

from proxy.edge.http1.known_heads import Alike, KnownHead, KnownHeads, Layout, Shape
from proxy.edge.http1.request_lines import AGENT, DECIDING, LENGTH, NAMED, PLAIN
from proxy.http.head_template import HeadTemplate, TemplateFields

SHAPE = Shape("a", "192.0.2.1", "http", (), (), b"")


def head(text: bytes) -> KnownHead:
    fields = TemplateFields([], [], [], [], b"")
    return KnownHead(HeadTemplate([text]), [], [], fields, -1, 0, SHAPE)


def alike(number: int, sender: str = "192.0.2.1") -> Alike:
    return sender, "http", (PLAIN,) * number, b"Host: a"


def test_the_last_heads_of_a_sender_are_tried_the_newest_first() -> None:
    heads, made = KnownHeads(), [head(b"%d" % number) for number in range(6)]
    for number, each in enumerate(made):
        heads.keep(alike(number), each, 10)
    assert heads.recent["192.0.2.1", "http"] == made[:1:-1]
    heads.keep(alike(0), made[0], 10)  # one that fell out comes again
    assert heads.recent["192.0.2.1", "http"] == [made[0], *made[5:2:-1]]
    assert list(heads.recent) == [("192.0.2.1", "http")]


def test_a_head_takes_the_place_of_the_one_like_it() -> None:
    heads, before, after = KnownHeads(), head(b"1"), head(b"2")
    heads.keep(alike(1), before, 10)
    heads.keep(alike(2), head(b"3"), 10)
    heads.keep(alike(1), after, 10)
    recent = heads.recent["192.0.2.1", "http"]
    assert recent[0] is after
    assert before not in recent
    assert len(recent) == 2


def test_what_is_too_large_to_be_kept_is_tried_by_nobody() -> None:
    heads = KnownHeads()
    heads.keep(alike(1), head(b"1"), 1 << 20)
    assert not heads.recent


def test_what_is_kept_for_many_senders_is_bounded() -> None:
    heads = KnownHeads()
    for number in range(5000):
        heads.keep(alike(1, f"sender {number}"), head(b"1"), 1000)
    assert len(heads.recent) == len(heads) <= 1024


def test_a_layout_says_where_lines_stand() -> None:
    layout = Layout((DECIDING, PLAIN, LENGTH, NAMED, DECIDING))
    assert layout.deciding == [True, False, False, False, True]
    assert layout.named == [3]
    assert layout.length == 2
    assert layout.agent == -1
    assert Layout((AGENT, PLAIN, AGENT)).agent == 2
    assert layout.passed(()) == [False, True, False, True, False]
    assert layout.passed((1,)) == [False, True, False, True, True]
    assert layout.passed(()) == [False, True, False, True, False]
