"""What stands in a field that ``[log] redact`` names is shown nowhere."""

import io
import json
import logging

import pytest

from proxy.telemetry.log import JsonFormatter
from tests.support.client import ask
from tests.support.message import get
from tests.support.proxy import dialled

TRACE = "0af7651916cd43dd8448eb211c80319c"
FIELDS = (
    b"User-Agent: SECRET-AGENT\r\nX-Request-Id: SECRET-ID\r\n"
    b"traceparent: 00-%b-b7ad6b7169203331-01\r\n" % TRACE.encode()
)
NAMES = ["User-Agent", "host", "X_Request_Id", "Traceparent"]
SECRETS = ["SECRET-AGENT", "SECRET-ID", "secret.test", TRACE]
PAGES = ("/api/exchanges", "/api/history", "/api/state", "/api/tunnels")
OPENMETRICS = b"Accept: application/openmetrics-text\r\n"


@pytest.mark.parametrize("redact", [[], NAMES], ids=["shown", "hidden"])
async def test_what_is_redacted_is_shown_nowhere(redact: list[str]) -> None:
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger("proxy")
    level = root.level
    root.addHandler(handler)
    root.setLevel("INFO")
    tunnel = [b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n"]
    options = {"log": {"redact": redact}, "admin": {"listen": "127.0.0.1:0"}}
    try:
        async with dialled(tunnel, [b"nonsense\r\n\r\n"], **options) as (_, proxy, client):
            request = get(fields=FIELDS).replace(b"Host: ", b"Host: secret.test\r\nX-Was: ", 1)
            offer = b"Connection: Upgrade\r\nUpgrade: foo\r\n\r\n"
            await client.send(request[:-2] + offer)
            await client.read_until(b"Upgrade: foo\r\n")
            assert (await proxy.ask(request)).status == 502
            await proxy.record()
            told = (
                "".join([(await ask(proxy.admin, get(page))).body.decode() for page in PAGES])
                + (await ask(proxy.admin, get("/metrics", OPENMETRICS))).body.decode()
            )
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    told += text.getvalue()
    assert [secret for secret in SECRETS if secret in told] == ([] if redact else SECRETS)
    assert '"***"' in told or not redact
    assert any("request_id" in json.loads(line) for line in text.getvalue().splitlines())
