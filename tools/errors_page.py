"""Writes ``docs/errors.md`` from the status table and the errors' own words."""

from pathlib import Path

from proxy.edge.statuses import FAILURES

HEAD = """# Statuses

The answers of the proxy itself. Answers of the upstream, its own 4xx and 5xx included, pass
unchanged. When no attempt is left, the client gets the outcome of the last one.

An answer of the proxy carries `Proxy-Status: sidecar-proxy; error=TOKEN` (RFC 9209; with details
only if `[errors] details` is on) and a body in `application/problem+json` (RFC 9457). The
`instance` in that body is the request id of the log. `make docs` writes this page
from `proxy/edge/statuses.py`.

| what happened | status | token |
|---|---|---|
"""

TAIL = """
The `detail` in the body is one sentence that tells clients nothing about servers: "No reply came
from the upstream in time." With `[errors] details` it also says which server, which timeout and
why: "no reply from http://10.0.0.1:9000 within first_byte of 60 s on route /v1". The log always
says all of it.

After 400, 408, 413, 414, 431, 501, and 405 to CONNECT, the proxy closes the connection: it cannot
know where the next request would begin. 503 carries Retry-After, except for a request that an
operator has ended: no client is to send that again by itself.

Once the head of a reply has been sent, the proxy cannot send another one. If the rest does not
come, the proxy cuts the connection, so that the client knows. If only the end of the connection
ends the body, the cut is a reset. The log then has the status that was sent and
`http_response_incomplete`. If a client leaves, the log has status 499 and `client_gone`.
"""


def page() -> str:
    """The whole page."""
    rows = []
    for kind, (status, token) in FAILURES.items():
        what = (kind.__doc__ or "").splitlines()[0].rstrip(".").replace("``", "`")
        rows.append((status.value, f"| {what} | {status.value} {status.phrase} | `{token}` |\n"))
    return HEAD + "".join(row for _, row in sorted(rows, key=lambda row: row[0])) + TAIL


if __name__ == "__main__":
    Path("docs/errors.md").write_text(page(), encoding="utf-8")
