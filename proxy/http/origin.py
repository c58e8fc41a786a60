"""Whose page asks (Fetch 3.2, RFC 6454 7)."""

from proxy.http.fields import RawHeaders, values


def of_other_origin(fields: RawHeaders, scheme: str, host: str) -> bool:
    """Whether a page asks that is not of the origin that it asks.

    Its browser shows it only what the head of the reply allows. ``null`` is nobody's origin.
    """
    if not (origins := values(fields, b"origin")):
        return False
    own = f"{scheme}://{host}".encode().lower()
    return origins[0].lower() != own and values(fields, b"sec-fetch-site") != [b"same-origin"]
