"""TLS on the listener: which certificate a client is shown, renewed when its files change."""

import contextlib
import logging
import math
import ssl
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple, TypeAlias

from proxy.core.clock import Clock, monotonic, wall
from proxy.core.files import LOOK_EVERY, marks, may_pass, rereadable, secret_content
from proxy.core.looks import Looks
from proxy.core.pipes import readable, without_waiting
from proxy.edge.options import CertificateOptions, ServerTlsOptions
from proxy.net import revocation
from proxy.net.der import kind_of_key
from proxy.net.half_tls import can_half_close
from proxy.net.pem import load_authorities, load_pair

log = logging.getLogger(__name__)

CIPHERS: Final = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)
"""Of Mozilla's intermediate profile (5.7) those with forward secrecy on curves; TLS 1.3 has its
own three, all of which the profile has."""
_VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_AUTH: Final = {
    "off": ssl.CERT_NONE,
    "optional": ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
}
_FLIGHTS: Final = 4
"""Times that both sides of a handshake speak, and more."""

_ByKind: TypeAlias = dict[bytes, CertificateOptions]
"""The first certificate for a name with a key of each kind, see ``kind_of_key``."""
_Held: TypeAlias = dict[str, str]
"""The name by which each file can be read as often as need be."""


class ListenerTls:
    """The context for new connections."""

    __slots__ = (
        "_clock", "_context", "_expires_at", "_files", "_lists", "_look_at", "_looks", "_mark",
        "_options", "_refused", "_wall",
    )  # fmt: skip

    def __init__(
        self, options: ServerTlsOptions, clock: Clock = monotonic, wall: Clock = wall
    ) -> None:
        """Raises OSError or ValueError, with a sentence, where a file cannot be used."""
        self._options = options
        self._clock = clock
        self._wall = wall
        files = tuple(files_of(options))
        self._files = files if all(map(rereadable, files)) else ()
        """What is looked at; nothing where one is read once, as all are read together."""
        self._mark = marks(self._files)
        self._refused = ""
        """What was wrong when they were last read: that is said once."""
        self._context = listener_context(options)
        lists = options.client_ca_file
        self._lists = lists if lists and rereadable(lists) else ""
        """The file that may have lists of revoked certificates; empty where it is read once."""
        self._expires_at = self._expiry(said=True)
        self._look_at = clock() + LOOK_EVERY
        self._looks = Looks(self.context)

    async def latest(self) -> ssl.SSLContext:
        """The same as ``context``; a disk may stand still, the loop may not."""
        if self._clock() >= self._look_at or self._looks.under_way:
            await self._looks.look()
        return self._context

    def context(self) -> ssl.SSLContext:
        """What the next client is served with; connections that stand keep what they have."""
        now = self._clock()
        if now >= self._look_at:
            self._look_at = now + LOOK_EVERY
            self._look()
        return self._context

    def _look(self) -> None:
        mark = marks(self._files)
        expired = self._wall() >= self._expires_at
        if mark == self._mark and not expired:
            return
        self._mark = mark
        if self._files:
            self._read_again(expired=expired)
        self._expires_at = self._expiry()

    def _read_again(self, *, expired: bool) -> None:
        """``expired``: since a list has, and no file has changed."""
        try:
            with without_waiting():  # the loop would
                self._context = listener_context(self._options)
        except (OSError, ValueError) as error:
            if may_pass(error):
                self._mark = ()  # so it is tried again
            if str(error) != self._refused:
                self._refused = str(error)
                message = "[server.tls]: changed files cannot be used, the old ones stay: %s"
                log.error(message, error)
        else:
            self._refused = ""
            if not expired:
                log.info("[server.tls]: changed files are in use for new connections")

    def _expiry(self, *, said: bool = False) -> float:
        """When the next list of revoked certificates expires; what is wrong with them is logged.

        Then the context is made anew: sessions that it has let in would be taken up again.
        ``said``: the check of the configuration has logged that.
        """
        file, now = self._lists, self._wall()
        if not file:
            return math.inf
        try:
            for doubt in () if said else revocation.doubts(file, now):
                log.warning("[server.tls] client_ca_file: %s", doubt)
            return revocation.next_expiry(file, now)
        except OSError as error:  # ssl.SSLError is one: that has been said
            return now if may_pass(error) else math.inf


def files_of(options: ServerTlsOptions) -> Iterator[str]:
    """All that the table names."""
    for entry in options.certificates:
        yield from filter(None, (entry.cert_file, entry.key_file, entry.password_file))
    if options.client_ca_file:
        yield options.client_ca_file


def listener_context(options: ServerTlsOptions) -> ssl.SSLContext:
    """The context of the first certificate, which gives way to another by the name asked for.

    Raises OSError, or ValueError where a file does not hold what it should.
    """
    named: dict[str, _ByKind] = {}
    made: dict[tuple[CertificateOptions, ...], ssl.SSLContext] = {}
    contexts: dict[str, ssl.SSLContext] = {}
    with _held(_read_files(options)) as held:
        for entry in options.certificates:
            shown = _shown(entry, held)
            for name in shown.names or ("",):
                named.setdefault(name, {}).setdefault(shown.kind, entry)
        for name, by_kind in named.items():
            entries = tuple(by_kind.values())
            if entries not in made:
                made[entries] = _context(options, entries, held)
            contexts[name] = made[entries]
    default = next(iter(named.values()))
    first = made[tuple(default.values())]
    # It holds what chooses, which must not hold it: a megabyte would wait for the collector.
    others = {name: None if found is first else found for name, found in contexts.items()}

    def choose(connection: ssl.SSLObject, name: str | None, asked_of: ssl.SSLContext) -> None:
        """RFC 6066 3, and RFC 6125 6.4.3: a star stands for one label."""
        # OpenSSL calls this again behind a HelloRetryRequest, whether its context lives or not.
        connection.asked_of = asked_of  # type: ignore[attr-defined]  # kept for as long as it
        if name:
            asked = name.lower().rstrip(".")
            found = others[asked] if asked in others else others.get(_star_for(asked))
            if found is not None:
                connection.context = found

    first.sni_callback = choose
    return first


def _star_for(name: str) -> str:
    """What a certificate for all hosts beside this one says."""
    return f"*.{name.partition('.')[2]}"


@contextlib.contextmanager
def _held(files: Iterable[str]) -> Iterator[_Held]:
    """A pipe is read once, whatever is made of it."""
    with contextlib.ExitStack() as stack:
        yield {file: stack.enter_context(readable(file)) for file in dict.fromkeys(files)}


def _read_files(options: ServerTlsOptions) -> Iterator[str]:
    for entry in options.certificates:
        yield from _files_of(entry)
    yield options.client_ca_file


def _files_of(entry: CertificateOptions) -> tuple[str, str, str]:
    return entry.cert_file, entry.key_file, entry.password_file


def _context(
    options: ServerTlsOptions, entries: Iterable[CertificateOptions], held: _Held
) -> ssl.SSLContext:
    """``entries``: of keys of different kinds. OpenSSL shows the one that the client can check."""
    context = can_half_close(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    context.minimum_version = _VERSIONS[options.min_version]
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    # All of them are good: a client without AES in hardware knows best what is cheap for it.
    context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    context.verify_mode = _AUTH[options.client_auth]
    if file := options.client_ca_file:
        load_authorities(context, file, "client_ca_file", held[file])
    for entry in entries:
        _load(context, entry, held)
    return context


def _load(context: ssl.SSLContext, entry: CertificateOptions, held: _Held) -> None:
    """Show this certificate. Raises OSError, or UnusableFile with the file's name."""
    file = entry.password_file
    password = secret_content(held[file]) if file else b""
    names = entry.cert_file, entry.key_file
    load_pair(context, *names, password, file, read_from=(held[names[0]], held[names[1]]))


class Shown(NamedTuple):
    """What clients read in a certificate."""

    names: list[str]
    """The hosts that it is for, in lower case."""
    not_after: str
    """When it expires, as OpenSSL writes dates."""
    kind: bytes
    """Which algorithm its key is of, see ``kind_of_key``."""


def read_certificate(entry: CertificateOptions) -> Shown:
    """Raises OSError, or ValueError where the files cannot be used."""
    with _held(_files_of(entry)) as held:
        return _shown(entry, held)


def _shown(entry: CertificateOptions, held: _Held) -> Shown:
    """Python reads certificates of peers only: so this is shown to a peer, in memory."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load(server, entry, held)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = client.wrap_bio(back, there), server.wrap_bio(there, back, server_side=True)
    for _ in range(_FLIGHTS):
        for side in sides:
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
    client.verify_mode = ssl.CERT_REQUIRED  # it says nothing about what it need not verify
    shown: dict[str, Any] = sides[0].getpeercert() or {}
    names = [value for kind, value in shown.get("subjectAltName", ()) if kind == "DNS"]
    if not names:
        subject = shown.get("subject", ())
        names = [value for part in subject for kind, value in part if kind == "commonName"]
    kind = kind_of_key(sides[0].getpeercert(binary_form=True) or b"")
    return Shown([name.lower() for name in names], shown["notAfter"], kind)
