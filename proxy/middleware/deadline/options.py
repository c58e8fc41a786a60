"""The options of ``[deadline]``."""

from collections.abc import Iterator
from typing import Annotated

from proxy.core.duration import Duration, seconds
from proxy.core.findings import Finding, Written, each, one, owned_fault, token_fault
from proxy.core.options import Table, described


class DeadlineOptions(Table, frozen=True, kw_only=True):
    """How long the client waits, as it says itself; passed on with what is left."""

    accept: Annotated[
        tuple[str, ...],
        described(
            "Fields in which clients say it: in milliseconds if the name ends in -ms, as in gRPC "
            "for grpc-timeout, else in seconds. Of several, the shortest time counts. All are "
            "passed on, with the time that is left."
        ),
    ] = ("x-request-timeout-ms", "grpc-timeout")
    forward: Annotated[
        str,
        described(
            'Field that tells the upstream the time that is left; "": all fields pass as they came.'
        ),
    ] = "x-request-timeout-ms"
    reserve: Annotated[
        Duration,
        described(
            "Taken off the time that the upstream is told, for the way back. A request that has no "
            'more time than this is not sent: 504. Not used with forward = "".'
        ),
    ] = seconds(0.05)
    max: Annotated[
        Duration, described("The longest time that counts, whatever the client says.")
    ] = seconds(600)


def problems(written: Written) -> Iterator[Finding]:
    """What is wrong with `[deadline]`."""
    options: DeadlineOptions | None = written.options.deadline
    if options is None:
        return
    yield from _beyond_total(options, written)
    if (place := written.at("deadline")) is None:
        return
    if not options.accept:
        yield Finding((*place, "accept"), "expected at least one field")
    yield from each((*place, "accept"), options.accept, token_fault)
    if options.forward:
        yield from one((*place, "forward"), owned_fault(options.forward))
    if options.forward and 0 < options.max <= options.reserve:
        message = f"reserve ({options.reserve}) leaves nothing of max ({options.max})"
        yield Finding((*place, "reserve"), message)


def _beyond_total(options: DeadlineOptions, written: Written) -> Iterator[Finding]:
    """Each route may have a ``total`` of its own beside the ``reserve`` of the top."""
    total = written.options.timeouts.total
    places = written.at("deadline", "reserve"), written.at("timeouts", "total")
    known = [place for place in places if place is not None]
    if options.forward and 0 < total <= options.reserve and known:
        message = f"[deadline] reserve ({options.reserve}) leaves nothing of total ({total})"
        yield Finding(max(known, key=len), message)
