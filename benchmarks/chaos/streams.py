"""Streams of events and tunnels, as a client sees them."""

from benchmarks.chaos import content
from benchmarks.chaos.answer import OUR_OWN, Answer, End, judge
from benchmarks.chaos.plan import Ask


def numbers(body: bytes) -> list[int]:
    """The ids of the whole events in a stream."""
    events = body.split(b"\n\n")[:-1]
    firsts = (event.split(b"\n")[0] for event in events)
    return [int(first[4:]) for first in firsts if first.startswith(b"id: ")]


def judge_events(ask: Ask, answer: Answer, behind: int, total: int) -> list[str]:
    """What is wrong with a stream of ``total`` events that was to go on behind number ``behind``.

    Its head may be the proxy's own: ``heartbeat`` opens a stream before a server has answered.
    """
    if OUR_OWN in answer.fields:
        return judge(ask, answer)
    if (nonce := answer.fields.get(content.NONCE.lower())) not in (None, ask.nonce):
        return [f"wrong answer: it is that of {nonce!r}"]
    said = [part for part in answer.body.split(b"\n\n") if part and not part.startswith(b":")]
    whole = answer.end is End.WHOLE
    if not whole and not answer.body.endswith(b"\n\n") and said:
        said.pop()  # cut inside an event
    wrong = []
    if failed := [part for part in said if part.startswith(b"event: error")]:
        if whole:
            wrong.append("shortened: a clean end behind an event that says error")
        said = said[: said.index(failed[0])]
    for number, part in enumerate(said, behind + 1):
        expected = content.event(ask.nonce, number).rstrip()
        if part != expected:
            return [*wrong, f"altered: {part[:60]!r} came where {expected!r} should"]
    if whole and behind + len(said) != total:
        wrong.append(f"shortened: a clean end behind event {behind + len(said)} of {total}")
    return wrong


def judge_tunnel(ask: Ask, back: bytes) -> list[str]:
    """What is wrong with what came out of a tunnel."""
    expected = f"{ask.nonce}\n".encode() + ask.body
    if not expected.startswith(back):
        return ["altered: a tunnel gave back other bytes than were sent"]
    return []
