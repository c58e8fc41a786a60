"""What became of a call whose leader has left before it had a head."""

from proxy.core.errors import InternalError
from proxy.core.exchange import Exchange
from proxy.core.outcome import last_outcome
from proxy.core.record import BROKEN, Record
from proxy.core.reply import Ending, Reply
from proxy.middleware.coalesce.shared_reply import SharedReply


def note_end(twin: Exchange, leader: Record, came: Exception | Reply | SharedReply | None) -> None:
    """Note in the exchange of the call what its last attempt came to, for those who count.

    ``leader``: its record says what it has ended of.
    ``came``: what failed; the reply, where nobody else may have it; the one that others share; None
    where all of it came with its head.
    """
    record = twin.record
    if came is None:
        return
    reply: Reply
    if isinstance(came, Exception):
        record.outcome = last_outcome(came) or record.outcome
        if isinstance(came, InternalError):  # it has ended with its last client, or with the proxy
            record.outcome = record.outcome or leader.outcome
    else:
        ended = Ending.ABANDONED
        if isinstance(came, SharedReply):
            ended, reply = came.ended or ended, came.reply
        else:
            reply = came
        twin.committed, twin.status = True, reply.status
        if ended is Ending.COMPLETE:
            return
        if ended is Ending.BROKEN:
            record.outcome = BROKEN
    twin.error = twin.error or "client_gone"
