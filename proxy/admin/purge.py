"""What removes stored replies, and says so."""

from typing import Any

import msgspec
from aiohttp import web

from proxy.admin import targets
from proxy.admin.answers import answer, failed
from proxy.admin.observatory import Observatory
from proxy.core.state_changes import tell
from proxy.core.targets_shown import Targets
from proxy.telemetry.access_log_line import printable


class Purged(msgspec.Struct):
    """What was removed."""

    removed: int
    """Stored replies."""
    complete: bool
    """Whether that is all. If not, the status is 202, and the removal goes on."""


async def purge(seen: Observatory, request: web.Request) -> web.StreamResponse:
    """Remove stored replies."""
    wanted = {kind: request.query.get(kind, "") for kind in ("tag", "route")}
    removed, complete = 0, True
    try:
        if empty := [kind for kind in ("path", *wanted) if request.query.get(kind) == ""]:
            raise ValueError(f"{empty[0]}: expected something behind the equals sign")
        for path in targets.paths(request):
            for count, is_all in await seen.source.ask("purge", path=path, **wanted):
                removed += count
                complete &= is_all
        _tell(request.query.get("path", ""), **wanted, removed=removed, complete=complete)
        return answer(Purged(removed, complete), 200 if complete else 202)
    except ValueError as error:
        return failed(str(error), 400)


def _tell(path: str, tag: str, route: str, *, removed: int, complete: bool) -> None:
    """One line for all processes, also where there was nothing to remove."""
    shown = Targets().show(path.partition("?")[0].encode("utf-8", "replace"))
    kinds: dict[str, Any] = {"path": printable(shown.decode("utf-8", "replace"))}
    kinds |= {"tag": printable(tag), "route": printable(route)}
    what = " and of ".join(f"{kind} {value}" for kind, value in kinds.items() if value)
    words = f"{removed} stored {'reply' if removed == 1 else 'replies'} of {what} removed"
    words += "" if complete else " so far"
    words += ", as an operator has asked"
    tell("purged", words, **kinds, removed=removed, complete=complete)
