"""What the page says first: what is wrong, or that nothing is."""

import pytest

from proxy.admin.live import Live
from tests.support.browser import chromium_wanted
from tests.support.shown_page import BUSY, has, shown, text

pytestmark = chromium_wanted


async def test_a_proxy_that_stands_still_is_not_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is closed then: the browser is told of no error."""
    async with shown(BUSY) as (_, page):
        await page.until(has(".link.live"))
        with monkeypatch.context() as still:
            still.setattr(Live, "publish", lambda *_: None)
            await page.until(has("#verdict [data-cause=lost]"))
            assert await page.run(text("#link-text")) == "nothing heard, waiting"
        await page.until(f"!{has('#verdict [data-cause=lost]')}")


async def test_what_most_calls_meet_is_said_first() -> None:
    async with shown(BUSY) as (_, page):
        hit = "{ last: known.at, since: 1, usual: null, example: '', %s }"
        first = hit % "cause: 'client', number: 1, worst: 30, route: '/a'"
        most = hit % "cause: 'answer', number: 200, worst: 0.001, route: '/b'"
        assert await page.run(f"together([{first}, {most}])[0].cause") == "answer"


async def test_all_is_not_well_while_a_server_is_out() -> None:
    async with shown(BUSY) as (_, page):
        await page.until(has(".link.live"))
        said = await page.run(
            "(() => { window.draw = () => {}; const [first, second] = known.state.upstreams.api;"
            "known.lost = 0; known.causes = []; second.healthy = false; second.endpoint = 'http://gone';"
            "drawVerdict(); return document.querySelector('#verdict').textContent; })()"
        )
        assert said.startswith("A server gets no calls: ")
        assert "gone" in said
        assert "100 % of the calls failed" in said
        assert "All is well" not in said


async def test_what_was_slow_a_moment_ago_is_not_forgotten_between_two_calls() -> None:
    """A route with little traffic: its episode goes on, and no call is slow at this moment."""
    async with shown(BUSY) as (_, page):
        await page.until(has(".link.live"))
        said = await page.run(
            "(() => { window.draw = () => {}; known.lost = 0; known.ended = []; known.steps = [];"
            "known.causes = [{ cause: 'first_byte', route: '/v1', upstream: 'api', server: '',"
            " number: 1, worst: 3, usual: null, about: '', since: known.at - 50,"
            " last: known.at - 20 }];"
            "drawVerdict(); return document.querySelector('#verdict').textContent; })()"
        )
        assert said.startswith("Nothing is slow at this moment; calls on /v1 were within")
        assert "Last trouble: first byte, until " in said


async def test_a_failure_that_no_client_has_seen_is_no_slowness() -> None:
    async with shown(BUSY) as (_, page):
        await page.until(has(".link.live"))
        said = await page.run(
            "(() => { window.draw = () => {}; known.lost = 0; known.ended = []; known.steps = [];"
            "const stale = { cause: 'stale', route: '/v1', upstream: 'api', server: '',"
            " number: 1, worst: 3, usual: null, about: '', since: known.at - 50,"
            " last: known.at }, told = () => document.querySelector('#verdict').textContent;"
            "known.causes = [stale]; drawVerdict(); const now = told();"
            "stale.last -= 20; drawVerdict(); return [now, told()]; })()"
        )
        assert said[0].startswith("The API fails; stored replies stand in for it")
        assert said[1].startswith(
            "Nothing fails at this moment; other replies stood in for failures on /v1 within"
        )


async def test_a_server_whose_failures_no_client_has_seen_is_not_well() -> None:
    async with shown(BUSY) as (_, page):
        await page.until(has(".link.live"))
        states = await page.run(
            "[[10, 0, 0, 9], [10, 0, 9, 0], [0, 10, 0, 9], [10, 10, 9, 0]].map("
            "([calls, besides, failed, covered]) => serverState({ healthy: true }, [],"
            " { calls, besides, failed, covered })[1])"
        )
        assert states == ["✕ fails", "✕ fails", "✕ fails", "✓ well"]
