"""The chains on the page of the life of a request."""

from proxy.run.chains import ENDPOINT, ROUTE, UPSTREAM
from tools.chain_page import PAGE, tables


def test_every_link_stands_there_once_in_its_order_with_its_reason() -> None:
    rows = [line.split("`", 2)[1:] for line in tables().splitlines() if line.startswith("| `")]
    told = [(name, rest.removeprefix(" | ").removesuffix(" |")) for name, rest in rows]
    assert told == [(link.name, link.reason) for link in (*ROUTE, *UPSTREAM, *ENDPOINT)]
    assert tables() in PAGE.read_text(encoding="utf-8")
