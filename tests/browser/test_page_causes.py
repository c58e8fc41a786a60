"""Six troubles of the demo, as the page shows them; the screenshots are named in the output (-s).

How soon the page tells is counted in its updates, of which there is one a second: seconds on a
clock would say how busy the machine is.
"""

import tempfile
from pathlib import Path

import pytest

from tests.support.browser import chromium_wanted
from tests.support.devtools import opened
from tests.support.troubles import CAUSES, brought, usual

pytestmark = chromium_wanted

WORDS = {
    "client": "The clients", "queue": "The queue", "retries": "The retries",
    "connect": "The connect", "first_byte": "The first byte", "body": "The body",
}  # fmt: skip
SHOWN = Path(tempfile.gettempdir()) / "sidecar-proxy-page"
"""Where the screenshots stay: pytest removes its own folders when a test has passed."""
SOON = 3
"""Updates. The first one may come at the very moment: what it tells has happened before."""
COUNT = """(() => {
  window.updates = 0;
  const live = new EventSource("/api/live");
  window.told = new Promise(done => live.addEventListener("second", event => {
    window.updates += 1;
    if (JSON.parse(event.data).causes.some(each => each.cause === "%s")) done(window.updates);
  }));
  return new Promise(done => live.addEventListener("second", () => done(true), { once: true }));
})()"""
"""Counts the updates until one of them names the cause."""


@pytest.mark.parametrize("cause", CAUSES)
async def test_the_page_names_the_cause(cause: str) -> None:
    async with usual() as (runtime, traffic), opened(f"http://{runtime.admin}/") as page:
        await page.until("document.querySelector('.link.live') !== null")
        await page.run(COUNT % cause)
        await page.run("window.updates = 0")
        async with brought(cause, traffic):
            updates = await page.run("window.told")
            assert updates <= SOON
            shown = f"#verdict [data-cause={cause}]"
            await page.until(f"document.querySelector('{shown}') !== null")
            file = SHOWN / f"{cause}.png"
            file.parent.mkdir(exist_ok=True)
            await page.screenshot(file)
            print(f"{cause}: on the page in update {updates}: {file}")
            title = await page.run(f"document.querySelector('{shown} .what').textContent")
        assert title.startswith(WORDS[cause])
        assert page.complaints == []
