"""Calls that go on without the client that made them: what it is told, and what counts at the end.

A client that leaves before the head comes has in its log how far the call had come by then. The
attempts of the call are counted when it has ended: its own exchange then says what they came to.
"""

from proxy.core.errors import InternalError
from proxy.core.exchange import Exchange
from proxy.core.outcome import last_outcome
from proxy.core.record import BROKEN, Record
from proxy.core.reply import Ending, Reply
from proxy.middleware.coalesce.shared_reply import SharedReply


def tell_of_call(client: Exchange, call: Exchange, *, leads: bool) -> None:
    """Give the record of a client that leaves what the call has found out by now.

    ``leads``: whether it made the call, so that the attempts are its own.
    """
    record, found = client.record, call.record
    record.adopt(found, started_at=client.started_at, shared=not leads)
    if leads:
        record.attempt_log = found.attempt_log


def note_end(
    call: Exchange,
    leader: Record,
    error: Exception | None,
    own: Reply | None,
    shared: SharedReply | None,
) -> None:
    """Note in the exchange of a call that has ended what its last attempt came to.

    ``leader``: the record of the client that made the call and left; it says how that ended.
    ``error``: instead of a reply. ``own``: a reply that was for the leader only, which nobody had
    any more. ``shared``: one whose body was read for others; neither: it came whole with its head.
    """
    record = call.record
    if error is not None:
        record.outcome = last_outcome(error) or record.outcome
        if isinstance(error, InternalError):  # it has ended with its last client, or the proxy
            record.outcome = record.outcome or leader.outcome
    else:
        if own is not None:
            reply, ended = own, Ending.ABANDONED
        elif shared is not None:
            reply, ended = shared.reply, shared.ended or Ending.ABANDONED
        else:
            return
        call.committed, call.status = True, reply.status
        if ended is Ending.COMPLETE:
            return
        if ended is Ending.BROKEN:
            record.outcome = BROKEN
    call.error = call.error or "client_gone"
