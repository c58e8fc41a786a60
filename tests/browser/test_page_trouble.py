"""Which trouble the page names, where and since when, and what a filter does to that."""

import json
from typing import Any

import pytest

from tests.support.browser import chromium_wanted
from tests.support.devtools import Page
from tests.support.shown_page import BUSY, has, shown

pytestmark = chromium_wanted


def episode(ago: float, **more: Any) -> str:
    """One that goes on, in JavaScript."""
    known = {
        "cause": "queue", "route": "/a", "upstream": "api", "server": "", "number": 1,
        "worst": 1.0, "usual": None, "example": "", "about": "", **more,
    }  # fmt: skip
    return f"({{ last: known.at, since: known.at - {ago}, ...{json.dumps(known)} }})"


async def said(page: Page, *causes: str, text: str = "", ended: str = "") -> str:
    """The verdict of a page that knows these and is told no more."""
    told: str = await page.run(
        "(() => { window.take = () => {}; window.draw = () => {}; known.lost = 0;"
        f"setFilter({json.dumps(text)}); known.causes = [{','.join(causes)}];"
        f"known.ended = [{ended}];"
        "for (const step of known.steps) for (const row of step.rows) row[2] = 0;"
        "drawVerdict(); return document.querySelector('#verdict').innerText; })()"
    )
    return told


async def test_what_is_said_of_trouble() -> None:
    async with shown(BUSY) as (_, page):
        await page.until(has(".link.live"))
        told = await said(page, episode(5, about="permit"))
        assert told.startswith("The queue: calls wait for a permit of api\n")
        assert "1 call in the last second on /a at api" in told
        told = await said(page, episode(5, about="permit"), episode(5, about="token", number=2))
        assert told.startswith("The queue: calls wait for the rate limit of their clients")
        assert "a permit of api" in told

        trickle = episode(600, cause="answer", route="/old")
        outage = episode(9, cause="answer", route="/new", number=50)
        told = await said(page, trickle, outage)
        assert "for 10 s" in told
        assert told.index("50 calls on /new") < told.index("1 call on /old")
        assert await page.run("document.querySelectorAll('#verdict .cause').length") == 1

        told = await said(page, ended=episode(9, until=0).replace('"until": 0', "until: known.at"))
        assert told.startswith("Nothing is slow at this moment; calls on /a were")
        assert await page.run(has("#verdict .uneasy"))


@pytest.mark.parametrize(
    ("text", "verdict", "hint"),
    [
        ("upstream:nope", "No route or server fits this filter", ""),
        ("cause:body", "Nothing of this cause at this moment", ""),
        ("-cause:queue", "Nothing of this cause at this moment", ""),
        ("cause:queue", "The queue", ""),
        ("upstraem:api", "The queue", "upstraem: is no such key"),
        ("cause:bdy", "Nothing of this cause", "cause:bdy: no such cause; causes: client"),
        ("client:10.0.0.7", "The queue", "client: filters the lists of calls only"),
        ("-5xx", "The queue", "-5xx is looked for as text; a status is -status:5xx"),
        ("503", "The queue", "503 is looked for as text; a status is status:503"),
        ("http://x 10.0.0.2:9000 localhost:9000", "The queue", ""),
    ],
)
async def test_what_a_filter_does_to_it(text: str, verdict: str, hint: str) -> None:
    async with shown(BUSY) as (_, page):
        await page.until(has(".link.live"))
        assert (await said(page, episode(5), text=text)).startswith(verdict)
        told = await page.run("document.querySelector('#filter-hint').textContent")
        assert told.startswith(hint)
        assert bool(told) == bool(hint)


async def test_of_many_routes_a_slow_one_is_shown() -> None:
    async with shown(BUSY) as (_, page):
        await page.until(has(".link.live"))
        routes = await page.run(
            "(() => { window.take = () => {}; window.draw = () => {};"
            "known.series = Array.from({ length: 70 }, (_, n) => [`/r${n}`, 'api', 'http://s']);"
            "known.steps = [{ at: known.at, flying: [], rows: known.series.map((_, n) =>"
            "  [n, 100 - n, 0, 0, 0, 0, [0, 0, 0, 0, 1, 0], { 9: 1 }]) }];"
            f"known.causes = [{episode(5, route='/r68')}]; drawRoutes();"
            "return document.querySelector('#routes tbody').textContent; })()"
        )
        assert routes.startswith("/r68")
