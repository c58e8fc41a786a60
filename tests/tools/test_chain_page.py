"""The chains on the page of the life of a request."""

import pytest

from proxy.run.chains import ENDPOINT, ROUTE, UPSTREAM
from tools.chain_page import END, PAGE, START, renewed, tables


def test_every_link_stands_there_once_in_its_order_with_its_reason() -> None:
    rows = [line.split("`", 2)[1:] for line in tables().splitlines() if line.startswith("| `")]
    told = [(name, rest.removeprefix(" | ").removesuffix(" |")) for name, rest in rows]
    assert told == [(link.name, link.reason) for link in (*ROUTE, *UPSTREAM, *ENDPOINT)]
    assert tables() in PAGE.read_text(encoding="utf-8")


def test_what_stands_between_the_marks_is_replaced_and_nothing_else() -> None:
    page = f"before\n{START}old\n{END}after\n"
    made = renewed(page)
    assert made == f"before\n{START}\n{tables()}\n{END}after\n"
    assert renewed(made) == made


@pytest.mark.parametrize("page", ["", f"a\n{START}b\n", f"a\n{END}b\n", f"{END}{START}"])
def test_a_page_without_its_marks_is_refused(page: str) -> None:
    with pytest.raises(ValueError, match="expected the lines"):
        renewed(page)
