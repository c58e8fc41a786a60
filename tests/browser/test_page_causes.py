"""Six troubles of the demo, as the page shows them; the screenshots are named in the output."""

import asyncio
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


@pytest.mark.parametrize("cause", CAUSES)
async def test_the_page_names_the_cause(cause: str, tmp_path: Path) -> None:
    async with usual() as (runtime, traffic), opened(f"http://{runtime.admin}/") as page:
        await page.until("document.querySelector('.link.live') !== null")
        began = asyncio.get_running_loop().time()
        async with brought(cause, traffic):
            shown = f"#verdict [data-cause={cause}]"
            await page.until(f"document.querySelector('{shown}') !== null")
            took = asyncio.get_running_loop().time() - began
            file = tmp_path / f"{cause}.png"
            await page.screenshot(file)
            print(f"{cause}: on the page after {took:.1f} s: {file}")
            title = await page.run(f"document.querySelector('{shown} .what').textContent")
        assert title.startswith(WORDS[cause])
        assert page.complaints == []
