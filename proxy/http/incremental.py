"""Messages that are to be passed on as they come (RFC 10036)."""

from proxy.http.fields import RawHeaders, values


def is_incremental(fields: RawHeaders) -> bool:
    """Whether ``Incremental: ?1`` says so; what else may stand there says nothing."""
    return any(value.partition(b";")[0] == b"?1" for value in values(fields, b"incremental"))
