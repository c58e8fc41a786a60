"""The table ``[stream]``, which three middlewares read: commit, sse_keepalive and resume.

It is here and not beside one of them because middlewares do not import each other.
"""

from typing import Annotated, Final, Literal

from msgspec import Meta

from proxy.core.duration import Duration, seconds
from proxy.core.options import Table, described

PATTERN: Final = r"^(auto|headers|first_chunk|body:[0-9]+(\.[0-9]+)?(B|KiB|MiB))$"


class StreamOptions(Table, frozen=True, kw_only=True):
    """How replies are passed on."""

    commit: Annotated[
        str,
        Meta(
            pattern=PATTERN,
            description='When the client gets a reply. "headers": at once. "first_chunk": with the '
            'first part. "body:64KiB": whole, up to that size. "auto": whole up to 64 KiB where '
            "the request may be sent again, else at once. A reply that breaks before may be tried "
            "again. See docs/streams.md.",
        ),
    ] = "auto"
    commit_wait: Annotated[
        Duration,
        described(
            "The longest time that commit holds a reply; then the client gets what has come, "
            "pings included."
        ),
    ] = seconds(5)
    heartbeat: Annotated[
        Duration,
        described(
            "A stream of events that is silent for this long gets a comment. To a client whose "
            "Accept prefers text/event-stream, the proxy sends status 200 before the upstream has "
            "answered."
        ),
    ] = seconds(0)
    on_error: Annotated[
        Literal["abort", "event", "openai", "anthropic", "graphql"],
        described(
            'How a stream of events ends that breaks, or that the proxy itself ends: "abort" cuts '
            "it; the others send a last event that says what went wrong, and then cut: "
            '"event" one that is called error and carries problem+json; "openai", "anthropic" and '
            '"graphql" what clients of those APIs understand as an error.'
        ),
    ] = "abort"
    resume: Annotated[
        Duration,
        described(
            "How long a stream of events is kept after its client has left, so that the client can "
            "come back with Last-Event-ID; GET only."
        ),
    ] = seconds(0)
