"""The page for operators, as a browser shows it."""

import asyncio
import contextlib
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.support.browser import chromium_wanted
from tests.support.client import ask
from tests.support.devtools import opened
from tests.support.message import get, length
from tests.support.proxy import proxied
from tests.support.shown_page import BUSY, SILENT, has, shown, text
from tests.support.upstream import RawUpstream

pytestmark = chromium_wanted

FILTERS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "admin/filters.json").read_text()
)
_AXE = find_spec("axe_playwright_python")  # of which nothing but axe-core itself is used
AXE = ""
if _AXE is not None and _AXE.submodule_search_locations:
    AXE = (Path(_AXE.submodule_search_locations[0]) / "axe.min.js").read_text(encoding="utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
NASTY = "/<img src=x onerror=alert(1)>"


async def test_it_shows_what_goes_wrong_and_asks_nobody_else() -> None:
    async with shown(BUSY) as (proxy, page):
        await page.until("document.querySelector('.link.live') !== null")
        # It is said of the last seconds: a slow browser may come too late for the first request.
        while not await page.run(has("#verdict [data-cause=answer]")):
            await proxy.ask(get("/first"))
            await asyncio.sleep(0.2)
        assert "answered 500" in await page.run(text(".call .why"))
        await page.until("document.querySelector('#routes tbody').textContent.includes('100 %')")
        assert await page.run(text("#verdict .what")) == "The API answers with errors"
        assert await page.run("document.querySelectorAll('.chart svg').length") == 3
        asked = {url.partition("/api/")[0] for url in page.requests if url.startswith("http")}
        assert asked <= {f"http://{proxy.runtime.admin}", f"http://{proxy.runtime.admin}/"}
        assert page.complaints == []


async def test_a_call_is_opened_by_its_link_and_by_keys() -> None:
    async with shown(BUSY) as (_, page):
        await page.press("j")
        await page.press("Enter")
        await page.until(has("#detail"))
        link = await page.run("location.hash")
        assert link.startswith("#call=")
        sentence = await page.run(text("#detail .sentence"))
        assert "answered 500" in sentence
        copied = await page.run("document.querySelector('[data-copy^=curl]').dataset.copy")
        assert copied == "curl -v -g --path-as-is 'http://proxy.test/first'"
        await page.press("Escape")
        await page.until(f"!{has('#detail')}")
        await page.run(f"location.hash = {json.dumps(link)}")
        await page.until(has("#detail"))
        assert await page.run(text("#detail .sentence")) == sentence
        await page.press("Escape")
        await page.press("/")
        assert await page.run("document.activeElement.id") == "filter"
        assert page.complaints == []


async def test_a_link_to_a_call_and_a_filter_is_followed() -> None:
    async with shown(BUSY, where="#filter=status%3A2xx&span=3600") as (_, page):
        await page.until("document.querySelector('#filter').value === 'status:2xx'")
        assert await page.run(has("#spans [data-span='3600'][aria-pressed=true]"))
        await page.run("location.hash = '#filter=status:5xx'")
        await page.until("document.querySelector('#calls-count').textContent === '1'")
        await page.run("location.hash = '#filter=status:9'")
        await page.until("document.querySelector('#filter-error').textContent !== ''")
        assert "expected a status" in await page.run(text("#filter-error"))


async def test_a_call_in_flight_is_shown_and_ended() -> None:
    async with shown(BUSY, SILENT) as (proxy, page), await proxy.connect() as client:
        await client.send(get("/held"))
        await page.until(has("[data-cancel]"))
        assert "GET /held" in await page.run(text("#flying tbody"))
        assert "first byte" in await page.run(text("#flying tbody"))
        await page.run("document.querySelector('[data-cancel]').click()")
        assert (await client.receive()).status == 503
        await page.until(f"!{has('[data-cancel]')}")
        assert "was ended" in await page.run(text("#toast"))


async def test_a_server_is_drained_and_restored() -> None:
    async with shown(BUSY) as (proxy, page):
        await page.run("document.querySelector('[data-act=drain]').click()")
        await page.until("document.querySelector('#servers').textContent.includes('drained')")
        assert (await proxy.ask(get())).status == 200  # the other one's
        await page.until("document.querySelector('#events').textContent.includes('operator')")
        await page.until(has("[data-act=restore]"))
        await page.run("document.querySelector('[data-act=restore]').click()")
        await page.until(f"!{has('[data-act=restore]')}")


async def test_names_cannot_inject() -> None:
    routes = [{"path": "/", "upstream": "api"}, {"path_regex": NASTY + ".*", "upstream": "api"}]
    async with shown(BUSY, BUSY, routes=routes) as (proxy, page):
        raw = f"GET {NASTY.replace(' ', '%20')} HTTP/1.1\r\nHost: <b>x</b>\r\n"
        await ask(proxy.address, raw.encode() + b"User-Agent: <script>alert(1)</script>\r\n\r\n")
        await page.until("document.querySelectorAll('.call').length === 2")
        await page.run("document.querySelector('.call').click()")
        await page.until(has("#detail"))
        await page.until("document.querySelectorAll('#routes tbody tr').length >= 1")
        assert await page.run("document.querySelectorAll('img, main script, main b b').length") == 0
        assert page.complaints == []


async def test_the_page_filters_as_the_api_does() -> None:
    async with shown(BUSY) as (_, page):
        calls = json.dumps(FILTERS[0]["calls"])
        for row in FILTERS[1:]:
            found = await page.run(
                f"({calls}).map(whole).map((call, number) => "
                f"parse({json.dumps(row['filter'])})(call) ? number : -1).filter(n => n >= 0)"
            )
            assert found == row["accepts"], row["filter"]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_it_is_accessible(*, dark: bool) -> None:
    """WCAG 2.2 AA, as far as axe-core can tell."""
    if not AXE:
        pytest.skip("axe-core is not installed: make clients")
    async with shown(BUSY, SILENT, dark=dark) as (proxy, page), await proxy.connect() as client:
        await client.send(get("/held"))
        await page.until(has("[data-cancel]"))
        await page.run("document.querySelector('.call').click()")
        await page.until(has("#detail"))
        await page.send("Page.setBypassCSP", enabled=True)
        await page.send("Runtime.evaluate", expression=AXE)
        told = json.loads(
            await page.run(
                f"axe.run(document, {{runOnly: {RULES}}}).then(told => JSON.stringify({{"
                "passes: told.passes.length, violations: told.violations.map(each => "
                "[each.id, each.nodes.map(node => node.failureSummary)])}))"
            )
        )
        assert told["violations"] == []
        assert told["passes"] > 20


@pytest.mark.parametrize("width", [360, 768, 1360])
async def test_nothing_is_wider_than_the_window(width: int) -> None:
    async with (
        shown(BUSY, SILENT, circuit_breaker={}, concurrency={}) as (proxy, page),
        await proxy.connect() as client,
    ):
        await client.send(get("/held" * 40))
        await page.size(width, 800)
        await page.until(has("[data-cancel]"))
        await page.run("document.querySelector('.call').click()")
        await page.until(has("#detail"))
        await page.until(f"document.documentElement.scrollWidth <= {width}")


async def test_it_comes_back_after_the_proxy_was_away() -> None:
    async with RawUpstream(BUSY) as upstream:
        async with proxied(upstream, admin={"listen": "127.0.0.1:0"}) as first:
            address = first.runtime.admin
            browser = contextlib.AsyncExitStack()
            page = await browser.enter_async_context(opened(f"http://{address}/"))
            await page.until(has(".link.live"))
        try:
            await page.until(has(".link.lost"))
            said = await page.run(text("#verdict"))
            assert said.startswith("The proxy is not reached since ")
            assert "All is well" not in said
            async with proxied(upstream, admin={"listen": address}) as second:
                await page.until(f"!{has('#verdict [data-cause=lost]')}")
                await second.ask(get("/again"))
                await page.until(has(".link.live"))
                await page.until(
                    "document.querySelector('#call-list').textContent.includes('/again')"
                )
        finally:
            await browser.aclose()


async def test_of_many_servers_and_routes_those_in_trouble_are_shown() -> None:
    async with shown(BUSY) as (_, page):
        await page.until(has(".link.live"))
        await page.run("document.addEventListener = () => {}; window.draw = () => {}")
        found = await page.run(
            "(() => { const server = known.state.upstreams.api[0];"
            "known.state.upstreams.api = Array.from({ length: 200 }, (_, n) =>"
            "  ({ ...server, endpoint: `http://s${n}`, withdrawn: n === 190 }));"
            "known.series = Array.from({ length: 70 }, (_, n) => [`/r${n}`, 'api', `http://s${n}`]);"
            "known.steps = [{ at: known.at, flying: [], rows: known.series.map((_, n) =>"
            "  [n, 100 - n, n === 69 ? 31 : 0, 0, 0, 0, [0, 0, 0, 0, 1, 0], { 9: 1 }]) }];"
            "drawRoutes(); drawServers();"
            "const tiles = [...document.querySelectorAll('.tile')].map(each => each.textContent);"
            "return [tiles.length, tiles[0], tiles[1],"
            "  document.querySelector('#servers').textContent,"
            "  document.querySelector('#routes tbody').textContent]; })()"
        )
        number, first, second, servers, routes = found
        assert number == 60
        assert "fails" in first + second
        assert "drained" in first + second
        assert "and 140 more" in servers
        assert routes.startswith("/r69")
        assert "and 20 more" in routes


async def test_what_became_of_stored_replies_is_shown() -> None:
    fresh = length(b"kept", fields=b"Cache-Control: max-age=60\r\nAge: 4\r\n")
    async with shown(BUSY, [fresh], cache={}) as (proxy, page):
        await page.until(has(".link.live"))
        await page.until("known.stored.length > 0")
        for _ in range(4):
            assert (await proxy.ask(get("/a"))).body == b"kept"
        await page.until("known.state.cache.routes['/'].hits === 3")
        said = await page.run("drawLimits(), document.querySelector('#limits').textContent")
        assert "/: stored replies3 of 4hits over " in said
        assert ", 0 stale, 1 misses; mean age of a hit 4.0 s" in said
        assert said.endswith("3 hits, 0 stale, 2 misses since the start")
        before = await page.run("document.querySelectorAll('#limits .limit').length")
        await page.run("known.filter = 'route:/other', drawLimits()")
        assert await page.run("document.querySelectorAll('#limits .limit').length") == before - 1


async def test_more_news_do_not_make_it_larger() -> None:
    """What the page keeps is bounded, as what the proxy keeps."""
    async with shown(BUSY) as (_, page):
        await page.until(has(".link.live"))
        count = await page.run(
            "for (let n = 0; n < 5000; n++) take({at: known.at + 1, series: known.series, "
            "step: {at: known.at + 1, rows: [[0, 1, 0, 0, 0, 0, [0,0,0,0,1,0], {9: 1}]], "
            "flying: []}, in_flight: [], kept: [{...[...known.calls.values()][0], id: 'x' + n}], "
            "causes: [], ended: [], events: [{at: n, text: 'x'}], connections: 0, "
            "state: known.state}); "
            "[known.steps.length, known.calls.size, known.events.length]"
        )
        assert count[0] <= 302
        assert count[1:] == [600, 300]
        await asyncio.sleep(0)


async def test_half_of_a_scale_of_calls_is_a_number_of_calls() -> None:
    """Of three in flight it was 2, at the height of 1.5."""
    async with shown(BUSY) as (_, page):
        await page.until(has(".link.live"))
        scales = await page.run(
            "[1, 3, 5, 15].map(number => { const node = document.querySelector('#flying-chart');"
            "const data = { begin: 0, count: 1, values: [{ queue: number }] };"
            "stacked(node, ['queue'], data, String, '', true);"
            "const words = [...node.querySelectorAll('text')].map(each => each.textContent);"
            "return words.slice(0, 3); })"
        )
        assert scales == [["0", "1", "2"], ["0", "2", "4"], ["0", "3", "6"], ["0", "8", "16"]]
