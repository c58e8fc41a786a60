"""The token server of an upstream: asked for an access token, and what it may answer."""

import asyncio
import base64
import json
import math
import re
from typing import Any, Final, NamedTuple
from urllib.parse import quote_plus, urlencode

from yarl import URL

from proxy.core.body import BytesBody
from proxy.core.clock import monotonic
from proxy.core.errors import ProxyError
from proxy.core.exchange import Exchange
from proxy.core.looks import Looks
from proxy.core.redaction import conceal, rotating
from proxy.core.reply import Ending, Reply
from proxy.core.secret_file import SecretFile
from proxy.core.timeouts import TimeoutsOptions
from proxy.core.words import in_seconds, plain
from proxy.http.fields import Fields
from proxy.http.framing import LENGTH_LINE
from proxy.upstream.address import Address
from proxy.upstream.credentials.options import OAuth2Options
from proxy.upstream.forward import Forward
from proxy.upstream.options import UpstreamOptions, UpstreamTlsOptions, entries
from proxy.upstream.session import Session
from proxy.upstream.tls_files import UpstreamTls

PATIENCE: Final = 10.0
"""Seconds for one request of a token, from connecting to the end of the answer."""
_OK: Final = 200
_LONGEST: Final = 64 << 10
"""Bytes of an answer that are read."""
_SAID: Final = 200
"""Letters of an error's description that are logged."""
_TOKEN: Final = re.compile(r"[!-~]{1,32768}")
"""What can stand behind "Bearer" (RFC 6750 2.1), and what servers are known to give beside it."""
_FOREVER: Final = 10 * 365 * 86400.0


class NoToken(Exception):
    """A sentence for the operator, without secrets."""


class Token(NamedTuple):
    """An access token."""

    value: bytes
    lifetime: float
    """Seconds, from when it was asked for; infinite where the server does not say."""
    odd_life: bool = False
    """Whether the server has said something else than seconds above 0."""


class TokenServer:
    """Asks for tokens by the client credentials grant (RFC 6749 4.4), over the proxy's session."""

    __slots__ = (
        "_address",
        "_forward",
        "_host",
        "_looks",
        "_options",
        "_pool",
        "_secret",
        "_target",
        "_tls",
        "_used",
    )

    def __init__(self, options: OAuth2Options, session: Session) -> None:
        """Raises OSError, ValueError or ssl.SSLError where a file cannot be used."""
        self._options = options
        self._secret = SecretFile(options.client_secret_file, _not_empty)
        url = URL(options.token_url)
        tls = UpstreamTlsOptions(ca_file=options.ca_file) if options.ca_file else None
        server = UpstreamOptions(
            name="token server", servers=(str(url.origin()),), host_header="upstream", tls=tls
        )
        self._tls = UpstreamTls(server)
        self._used = self._tls.context
        self._looks = Looks(self._look)
        self._address = address = Address(server, entries(server)[0], self._tls.context)
        self._pool = session.connection_pool(address.template, None, keepalive=0, limit=0)
        self._forward = Forward(address, self._pool, TimeoutsOptions(), tuple).handle
        self._host = address.authority.decode()
        self._target = url.raw_path_qs.encode()

    async def ask(self) -> Token:
        """A new token. Raises NoToken."""
        if self._secret.may_change or self._tls.may_change:
            await self._looks.look()
        if self._tls.context is not self._used:
            self._used = self._tls.context
            self._address.use_tls(self._used)
            self._pool.use(self._address.template)
        exchange = self._request()
        try:
            async with asyncio.timeout(PATIENCE):
                reply = await self._forward(exchange)
                said = await _whole(reply)
        except TimeoutError:
            raise NoToken(f"no answer within {in_seconds(PATIENCE)}") from None
        except ProxyError as error:
            raise NoToken(plain(conceal(error.detail))) from None
        return read_answer(reply.status, said)

    def _look(self) -> None:
        if self._secret.may_change:
            self._secret.changed()
        if self._tls.may_change:
            self._tls.changed()

    def _request(self) -> Exchange:
        options = self._options
        form = {"grant_type": "client_credentials"}
        if options.scope:
            form["scope"] = options.scope
        fields: Fields = [
            (b"Content-Type", b"application/x-www-form-urlencoded"),
            (b"Accept", b"application/json"),
        ]
        secret = self._secret.value
        if options.client_auth == "basic":  # both are form-encoded first (RFC 6749 2.3.1)
            pair = f"{quote_plus(options.client_id)}:{quote_plus(secret)}"
            shown = base64.b64encode(pair.encode())
            rotating(shown)
            fields.append((b"Authorization", b"Basic " + shown))
        else:
            form["client_id"] = options.client_id
        body = urlencode(form).encode()
        if options.client_auth == "post":
            body += b"&client_secret=" + quote_plus(secret).encode()
        framing = LENGTH_LINE % len(body)
        return Exchange(
            "POST",
            self._target,
            fields,
            self._target,
            host=self._host,
            body=BytesBody(body, framing, len(body)),
            started_at=monotonic(),
        )


def _not_empty(secret: bytes) -> bytes:
    if not secret:
        raise ValueError("the secret is empty")
    return secret


async def _whole(reply: Reply) -> bytes:
    """The body of an answer, its first 64 KiB at most."""
    said, ending = b"", Ending.ABANDONED
    try:
        while len(said) <= _LONGEST:
            if not (piece := await reply.read()):
                ending = Ending.COMPLETE
                break
            said += piece
    finally:
        reply.close(ending)
    return said[:_LONGEST]


def read_answer(status: int, said: bytes) -> Token:
    """The token in an answer (RFC 6749 5.1). Raises NoToken; nothing repeats what may be one."""
    try:
        answer: Any = json.loads(said)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise NoToken(f"the answer, with status {status}, is no JSON object")
    if status != _OK or "error" in answer:
        words = [answer.get("error"), answer.get("error_description")]
        told = ": ".join(word[:_SAID] for word in words if isinstance(word, str) and word)
        raise NoToken(plain(conceal(f"status {status}{f', {told}' if told else ''}")))
    token = answer.get("access_token")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise NoToken("the answer has no access_token that can be sent")
    rotating(token.encode())
    kind = answer.get("token_type", "Bearer")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise NoToken("the token is of a type other than Bearer")
    life = _lifetime(said_life := answer.get("expires_in"))
    return Token(token.encode(), life, said_life is not None and life == math.inf)


def _lifetime(said: Any) -> float:
    """``expires_in``; some servers write it as a string. Infinite where it says nothing of use."""
    try:
        seconds = math.nan if isinstance(said, bool) else float(said)
    except (TypeError, ValueError):
        seconds = math.nan
    except OverflowError:  # an integer of many digits
        seconds = math.inf if said > 0 else math.nan
    return min(seconds, _FOREVER) if seconds > 0 else math.inf
