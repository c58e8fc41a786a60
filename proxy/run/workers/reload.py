"""A reload of all workers: each prepares, then all use it, or none does.

The parent has bound the sockets, and hands those of new addresses over (``shelf``). Only the number
of workers stays until a restart; all else is reloaded as by one process. Whoever starts meanwhile
has the former configuration, and is replaced once it serves; the answer waits for that.
"""

import asyncio
import pickle
from collections.abc import Sequence
from typing import Any, Final

from proxy.config.model import Config
from proxy.run.reasons import CannotReload
from proxy.run.workers.link import LinkClosed
from proxy.run.workers.member import Member
from proxy.run.workers.shelf import put
from proxy.run.workers.sockets import Bound

PATIENCE: Final = 30.0
"""Seconds that a worker has to prepare: it reads files and looks names up."""
FOLLOWED: Final = 5.0
"""Seconds for which an answer waits for workers that were being started with the former one."""
_ENDED: Final = "the process has ended"


async def prepare(
    members: Sequence[Member], config: Config, new: Sequence[Bound] = (), number: int = 0
) -> list[Member]:
    """Have all of them prepare; those that did. Raises CannotReload where one cannot.

    ``new``: addresses that they have no sockets of; ``number``: of this reload.
    """
    data = pickle.dumps(config)

    async def ask(member: Member) -> None:
        for bound in new:
            if member.shelf is None or member.link is None:
                raise LinkClosed(_ENDED)
            try:
                put(member.shelf, number, bound.asked, bound.rows[member.slot])
            except ConnectionError as error:  # it has ended, and its link will say so in a moment
                raise LinkClosed(_ENDED) from error
        await _ask(member, "prepare_reload", config=data, number=number)

    asked = map(ask, members)
    answers = await asyncio.gather(*asked, return_exceptions=True)
    # Whoever has ended meanwhile is replaced by one that begins with the new configuration.
    why = [
        str(each) or "a worker gave no answer"
        for each in answers
        if isinstance(each, BaseException) and not isinstance(each, LinkClosed)
    ]
    prepared = [
        member
        for member, each in zip(members, answers, strict=True)
        if not isinstance(each, BaseException)
    ]
    if why or not prepared:
        await asyncio.gather(
            *(_ask(member, "abandon_reload") for member in members), return_exceptions=True
        )
        raise CannotReload(why[0] if why else "no worker serves now")
    return prepared


async def commit(members: Sequence[Member]) -> list[Member]:
    """Have all of them use it; those that could not, which have to be replaced."""
    asked = (_ask(member, "commit_reload") for member in members)
    answers = await asyncio.gather(*asked, return_exceptions=True)
    return [
        member
        for member, each in zip(members, answers, strict=True)
        if isinstance(each, BaseException)
    ]


async def _ask(member: Member, question: str, **values: Any) -> None:
    if member.link is None:
        raise LinkClosed(_ENDED)
    async with asyncio.timeout(PATIENCE):
        await member.link.ask(question, **values)
