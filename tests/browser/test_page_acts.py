"""What an operator does on the page: with the keys, with a token, and while it goes on."""

import json
from typing import Any

import pytest

from tests.support.browser import chromium_wanted
from tests.support.client import ask
from tests.support.devtools import Page
from tests.support.message import get
from tests.support.shown_page import BUSY, SILENT, has, shown, text

pytestmark = chromium_wanted

FOCUS = "document.activeElement.dataset.key || document.activeElement.tagName"
ANSWERS = """(() => {
  window.asked = []; window.answers = %s; window.real = window.fetch;
  window.fetch = async (path, how) => {
    if (how?.method !== "POST") return real(path, how);
    asked.push(how.headers.Authorization || "");
    const status = answers.shift();
    if (!status) throw new TypeError("Failed to fetch");
    return new Response(JSON.stringify({ message: "done" }), { status });
  };
})()"""
"""What the page is told when it wants to change something, in the place of the proxy."""


async def enter(page: Page, token: str) -> None:
    """Give a token to the dialog."""
    await page.until("document.querySelector('#token-box').open")
    await page.run(
        f"document.querySelector('#token').value = {json.dumps(token)};"
        "document.querySelector('#token-box button').click()"
    )


async def test_a_token_that_is_wrong_is_said_to_be_and_the_focus_returns() -> None:
    async with shown(BUSY) as (_, page):
        await page.run(ANSWERS % "[401, 401, 200]")
        await page.run("document.querySelector('[data-act]').focus()")
        opener = await page.run(FOCUS)
        await page.press("Enter")
        await page.until("document.querySelector('#token-box').open")
        assert await page.run(text("#token-error")) == ""
        await enter(page, "wrong")
        await page.until("document.querySelector('#token-error').textContent !== ''")
        assert await page.run(text("#token-error")) == "That token was not accepted."
        await enter(page, "50%")
        await page.until("document.querySelector('#toast').textContent === 'done'")
        assert await page.run("asked") == ["", "Bearer wrong", "Bearer 50%"]
        assert await page.run(FOCUS) == opener


@pytest.mark.parametrize("tokens", [["a", "b", "c"], ["é", "b", "c"]])
async def test_no_token_is_asked_for_for_ever(tokens: list[str]) -> None:
    async with shown(BUSY) as (_, page):
        await page.run(ANSWERS % "[401, 401, 401, 401]")
        await page.run("document.querySelector('[data-act]').click()")
        for number, token in enumerate(tokens, 1):
            await page.until(f"asked.length === {number} && document.querySelector('dialog').open")
            await enter(page, token)
        await page.until(
            "document.querySelector('#toast').textContent.startsWith('No token was accepted')"
        )
        assert page.complaints == []


async def test_a_proxy_that_is_away_is_said_to_be() -> None:
    async with shown(BUSY) as (_, page):
        await page.run(ANSWERS % "[0]")
        await page.run("document.querySelector('[data-act]').click()")
        await page.until("document.querySelector('#toast').textContent.includes('gave no answer')")
        assert page.complaints == []


async def test_the_focus_stays_on_a_server_and_goes_on_from_a_call_that_ends() -> None:
    async with shown(BUSY, SILENT, SILENT) as (proxy, page):
        await page.run("document.querySelector('[data-act=drain]').focus()")
        await page.press("Enter")
        await page.until(has("[data-act=restore]"))
        assert await page.run("document.activeElement.dataset.act") == "restore"
        await page.press("Enter")
        await page.until(f"!{has('[data-act=restore]')}")
        async with await proxy.connect() as first, await proxy.connect() as second:
            await first.send(get("/one"))
            await second.send(get("/two"))
            await page.until("document.querySelectorAll('[data-cancel]').length === 2")
            other = await page.run("document.querySelectorAll('[data-cancel]')[1].dataset.cancel")
            await page.run("document.querySelector('[data-cancel]').focus()")
            await page.press("Enter")
            await page.until("document.querySelectorAll('[data-cancel]').length === 1")
            assert await page.run(FOCUS) == f"fly-{other}"


async def test_an_opened_call_stays_where_it_is() -> None:
    async with shown(BUSY) as (_, page):
        await page.until(has(".link.live"))
        await page.run("document.querySelector('.call').click()")
        await page.until(has("#detail"))
        await page.run("document.querySelector('#detail').scrollIntoView()")
        where = "document.querySelector('#detail').getBoundingClientRect().top"
        moved = await page.run(
            f"(() => {{ window.take = () => {{}}; const was = {where};"
            "const one = known.calls.get(known.open); addCalls("
            "Array.from({ length: 9 }, (_, n) => ({ ...one, id: `n${n}`, at: one.at + 9 })));"
            f"draw(); return [document.querySelectorAll('.call').length, {where} - was]; }})()"
        )
        assert moved[0] == 10
        assert abs(moved[1]) < 2


async def test_a_screen_reader_hears_of_changes_alone() -> None:
    async with shown(BUSY) as (_, page):
        await page.until(has(".link.live"))
        told = await page.run(
            "(() => { window.take = () => {}; const heard = []; known.lost = 0;"
            "const say = (...causes) => { known.causes = causes.map(([cause, number]) => ({ cause,"
            "  number, last: known.at, since: 1, usual: null, example: '', route: '', upstream: '',"
            "  server: '', about: '', worst: number })); $('told').textContent = '';"
            "  drawVerdict(); heard.push($('told').textContent); };"
            "say(['body', 1]); say(['body', 2]); say(['body', 1], ['client', 2]);"
            "say(['body', 3], ['client', 2]); return heard; })()"
        )
        assert [each.partition(":")[0] for each in told] == ["The body", "", "The clients", ""]
        assert await page.run("document.querySelectorAll('#verdict[aria-live]').length") == 0


CURLS: list[tuple[dict[str, Any], str]] = [
    ({"target": "/a[1]/../b"}, "curl -v -g --path-as-is 'http://h/a[1]/../b'"),
    ({"scheme": "https"}, "curl -v -g --path-as-is 'https://h/'"),
    ({"target": "http://o/x"}, "curl -v -g --path-as-is 'http://o/x'"),
    ({"method": "HEAD"}, "curl -v -g --path-as-is -I 'http://h/'"),
    (
        {"method": "OPTIONS", "target": "*"},
        "curl -v -g --path-as-is -X 'OPTIONS' --request-target '*' 'http://h/'",
    ),
    (
        {"method": "POST", "bytes_in": 12},
        "curl -v -g --path-as-is -X 'POST' 'http://h/'",
    ),
    ({"method": "toString"}, "curl -v -g --path-as-is -X 'toString' 'http://h/'"),
    ({"method": "CONNECT", "target": "h:443"}, ""),
    ({"target": "/" + "a" * 299}, ""),
]


async def test_a_call_is_copied_as_it_was() -> None:
    async with shown(BUSY) as (_, page):
        for told, wanted in CURLS:
            call = {"method": "GET", "target": "/", "host": "h", **told}
            assert await page.run(f"curl(whole({json.dumps(call)}))") == wanted, call


async def test_long_names_do_not_make_it_wider_than_a_phone() -> None:
    async with shown(BUSY) as (proxy, page):
        await page.until(has(".link.live"))
        await ask(proxy.address, get("/" + "x" * 200))
        await page.size(375, 800)
        await page.run(
            "window.take = () => {}; const name = 'u'.repeat(145);"
            "known.state.upstreams = { [name]: known.state.upstreams.api.slice(0, 1) };"
            "known.state.concurrency = { [name]: { in_flight: 1, limit: 2, waiting: 0 } };"
            "known.causes = [{ cause: 'queue', about: 'permit', upstream: name, server: '',"
            "  route: '/' + name, number: 1, worst: 1, last: known.at, since: 1, usual: null,"
            "  example: '' }];"
            "draw()"
        )
        assert await page.run("document.documentElement.scrollWidth") <= 375


async def test_a_time_of_another_day_has_its_date() -> None:
    async with shown(BUSY) as (_, page):
        today, before = await page.run(
            "[clock(Date.now() / 1000), clock(Date.now() / 1000 - 86400 * 2)]"
        )
        assert len(before) > len(today) == len("00:00:00")
        assert (await page.run(text("#zone"))).startswith("times in ")


async def test_the_filter_box_follows_the_address_while_it_has_the_focus() -> None:
    async with shown(BUSY) as (_, page):
        box = "document.getElementById('filter').value"
        await page.run("location.hash = '#filter=status:5xx'")
        await page.until(f"{box} === 'status:5xx'")
        await page.press("/")
        await page.run("document.execCommand('insertText', false, 'nosuch status:9')")
        assert await page.run(box) == "nosuch status:9"
        await page.run("location.hash = '#filter=status:429'")
        await page.until(f"{box} === 'status:429'")
        assert await page.run("document.activeElement.id") == "filter"
        assert not await page.run(text("#filter-error"))
        await page.run("history.back()")
        await page.until(f"{box} === 'status:5xx'")


async def test_what_is_typed_into_the_filter_box_stays() -> None:
    async with shown(BUSY) as (_, page):
        box = "document.getElementById('filter').value"
        await page.press("/")
        await page.run("document.execCommand('insertText', false, 'status:5xx ')")
        await page.press("Enter")
        await page.until("location.hash === '#filter=status%3A5xx'")
        assert await page.run(box) == "status:5xx "
