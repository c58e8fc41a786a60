"""What a request is answered with whose whole time is over before the head of a reply was sent."""

from proxy.core.errors import UpstreamError
from proxy.core.exchange import Exchange
from proxy.core.outcome import last_outcome
from proxy.core.reply import Reply


async def answer_at_hand(exchange: Exchange, error: UpstreamError) -> Reply:
    """A stale or a fixed reply in the place of the error; raises it where there is neither.

    ``total`` and the client's deadline end what is below them by cancelling it, so the links that
    have such a reply see no error that it could stand in for. They leave word of it in the record.
    """
    record = exchange.record
    if record.at_hand is None:
        raise error from None
    record.outcome = last_outcome(error) or record.outcome
    reply = await record.at_hand(exchange, error)
    if reply is None:
        raise error from None
    exchange.deadline = None  # it needs nothing of the time that is over, but to be sent
    return reply
