"""Tables of a route or an upstream above the first ``[[routes]]`` or ``[[upstreams]]``."""

import re
from collections.abc import Iterator
from typing import Final

from proxy.config.model import LISTS

_LIST: Final = re.compile(rf"\s*\[\[\s*({'|'.join(LISTS)})\s*\]\]")


def above(lines: list[str], line: int, left_out: str) -> Iterator[tuple[int, str]]:
    """Lines and messages about them, where the list that begins in ``line`` comes too late.

    Their headers are replaced in ``lines`` by tables whose name begins with ``left_out``.
    """
    found = _LIST.match(lines[line - 1])
    if not found:
        return
    name = found[1]
    for number, each in enumerate(lines[: line - 1], 1):
        if _LIST.match(each) and name in each:
            return
        early = re.match(rf"\s*\[\s*({name}\.[^\]]+?)\s*\]", each)
        if early:
            lines[number - 1] = f"[{left_out}{number}]"
            yield number, f"[{early[1]}] stands above [[{name}]], write it below the one it is for"
