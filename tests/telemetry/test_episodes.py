"""Trouble, from its beginning to its end."""

from proxy.telemetry.episodes import ACTIVE, KEPT, QUIET, SILENT, Episodes
from proxy.telemetry.second import Hit


def hit(
    number: int = 1,
    worst: float = 2.0,
    *,
    cause: str = "first_byte",
    route: str = "/v1",
    about: str = "",
) -> Hit:
    server = "http://10.0.0.2:9000"
    return Hit(cause, route, "api", server, number, worst, f"r{worst:g}", 0.08, about)


def test_an_episode_lasts_from_the_first_such_call_until_there_were_none_for_a_while() -> None:
    episodes = Episodes()
    for at in (10.0, 11.0, 14.0):
        episodes.add([hit()], at)
    episodes.add([], 14.0 + QUIET - 0.1, {"/v1"})
    [going_on] = episodes.now()
    assert (going_on.since, going_on.last, going_on.until) == (10.0, 14.0, None)
    episodes.add([], 14.0 + QUIET)
    assert episodes.now() == []
    [ended] = episodes.ended
    assert (ended.since, ended.until, ended.noticed) == (10.0, 14.0, 19.0)


def test_one_on_a_route_that_is_seldom_called_goes_on_between_two_calls() -> None:
    """Nobody knows of the route meanwhile: others being well say nothing of it."""
    episodes = Episodes()
    episodes.add([hit()], 10.0)
    for at in (15.0, 30.0, 10.0 + SILENT - 1):
        episodes.add([], at, {"/v2"})
    episodes.add([hit()], 69.5)
    [going_on] = episodes.now()
    assert (going_on.since, going_on.last) == (10.0, 69.5)
    assert not episodes.ended
    episodes.add([], 69.5 + SILENT)
    [ended] = episodes.ended
    assert (ended.since, ended.until) == (10.0, 69.5)


def test_only_calls_that_were_well_after_the_last_such_call_end_it() -> None:
    episodes = Episodes()
    episodes.add([hit()], 10.0, {"/v1"})
    episodes.add([], 11.0, {"/v1"})
    episodes.add([hit()], 12.0, {"/v1"})
    episodes.add([], 12.0 + QUIET)
    assert episodes.now()
    episodes.add([], 13.0 + QUIET, {"/v1"})
    assert not episodes.now()


def test_what_is_usual_is_told_as_soon_as_it_is_known() -> None:
    episodes = Episodes()
    for at, usual in ((10.0, None), (11.0, 0.5), (12.0, None)):
        known = hit()
        known.usual = usual
        episodes.add([known], at)
    [episode] = episodes.now()
    assert episode.usual == 0.5
    assert episode.text.endswith(", usually 500 ms")


def test_what_is_wrong_now_goes_before_what_was() -> None:
    episodes = Episodes()
    episodes.add([hit(route=f"/{number}") for number in range(ACTIVE - 1)], 10.0)
    episodes.add([hit(route="/later")], 11.0)
    episodes.add([hit(route="/later"), hit(route="/a"), hit(route="/b")], 12.0)
    assert {"/later", "/a", "/b"} <= {each.route for each in episodes.now()}
    assert (len(episodes.now()), len(episodes.ended)) == (ACTIVE, 2)


def test_it_knows_how_many_calls_and_the_worst_of_them() -> None:
    episodes = Episodes()
    for number, worst in ((3, 2.0), (7, 4.5), (5, 1.0)):
        episodes.add([hit(number, worst)], 10.0)
    [episode] = episodes.now()
    assert (episode.number, episode.peak, episode.worst, episode.example) == (5, 7, 4.5, "r4.5")
    assert episode.text == (
        "Calls wait for the first byte of api (10.0.0.2:9000) on /v1; "
        "5 calls, up to 4.5 s, usually 80 ms"
    )


def test_causes_and_places_are_told_apart_and_the_greatest_is_first() -> None:
    episodes = Episodes()
    episodes.add([hit(1), hit(9, cause="connect"), hit(4, route="/v2")], 10.0)
    assert [(e.cause, e.route) for e in episodes.now()] == [
        ("connect", "/v1"),
        ("first_byte", "/v2"),
        ("first_byte", "/v1"),
    ]


def test_their_number_is_bounded() -> None:
    episodes = Episodes()
    for round_ in range(3):
        at = round_ * 10 * SILENT
        episodes.add([hit(route=f"/{round_}/{number}") for number in range(2 * ACTIVE)], at)
        assert len(episodes.now()) == ACTIVE
        episodes.add([], at + SILENT)
    assert len(episodes.ended) == KEPT


def test_waits_for_different_things_are_told_apart() -> None:
    episodes = Episodes()
    episodes.add([hit(3, cause="queue", about=each) for each in ("permit", "answer", "")], 10.0)
    assert [each.text.partition(":")[0].partition(" of api")[0] for each in episodes.now()] == [
        "Calls wait for a permit",
        "Calls wait for the answer to an equal request",
        "Calls wait before a server is asked",
    ]


def test_no_queue_is_said_to_be_full_where_there_may_be_none() -> None:
    episodes = Episodes()
    episodes.add([hit(3, cause="queue", about="queue_full")], 10.0)
    [episode] = episodes.now()
    assert episode.text.startswith("No more calls may wait: api (10.0.0.2:9000) on /v1; 3 calls")
