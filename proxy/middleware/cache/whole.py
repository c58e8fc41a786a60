"""A reply that is here already, on its way into the store."""

from collections.abc import Awaitable, Callable, Sequence

from proxy.core.reply import Reply
from proxy.core.stored import Writer
from proxy.http.event_ends import ends_well
from proxy.http.sse import streams_events


async def store_whole(
    writer: Writer,
    reply: Reply,
    whole: bytes,
    limit: int,
    place: Callable[[], Awaitable[Sequence[bytes] | None]],
) -> str:
    """Store a reply that is here already; why not, in a word."""
    try:
        if limit and len(whole) > limit:
            why = "too-large"
        elif streams_events(reply.headers) and not ends_well(whole):
            why = "event-stream"
        elif reply.trailers is not None and reply.trailers():
            why = "trailers"
        elif not writer.write(whole):
            why = "not-kept"
        elif (replaces := await place()) is None:
            why = "superseded"
        else:
            writer.commit(replaces)
            return ""
    except BaseException:
        writer.abort()
        raise
    writer.abort()
    return why
