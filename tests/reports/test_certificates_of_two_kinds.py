"""Of two certificates of one name, with an RSA and an EC key, each client gets what it can check.

traefik/traefik#3483, caddyserver/caddy#1575 and haproxy/haproxy#2392 (only the first of them, or
the last, is ever shown).
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from proxy.net.der import kind_of_key
from tests.support.authority import RSA, Authority
from tests.support.proxy import Proxy, fronted
from tests.support.tls_client import client_of, encrypted, trusting

CIPHERS = {"ec": "ECDHE-ECDSA-AES128-GCM-SHA256", "rsa": "ECDHE-RSA-AES128-GCM-SHA256"}


@pytest.fixture(scope="module")
def both(authority: Authority) -> Authority:
    """Each kind of key for each kind of name."""
    for name, names in [("", "DNS:x.test"), ("star-", "DNS:*.y.test"), ("one-", "DNS:one.y.test")]:
        authority.issue(f"{name}ec", names)
        authority.issue(f"{name}rsa", names, key=RSA)
    authority.issue("ec-wide", "DNS:x.test,DNS:z.test")
    authority.issue("rsa-again", "DNS:x.test", key=RSA)
    return authority


@asynccontextmanager
async def showing(authority: Authority, *certificates: str) -> AsyncIterator[Proxy]:
    server = encrypted(authority, *certificates)
    async with fronted(server=server) as (_, proxy):
        yield proxy


async def shown(proxy: Proxy, authority: Authority, kind: str, name: str | None) -> str:
    """The certificate that a client of TLS 1.2 gets that has keys of this kind only."""
    context = trusting(authority)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS[kind])
    try:
        async with await client_of(proxy, authority, context=context, name=name) as client:
            der = client.tls.getpeercert(binary_form=True)
    except ssl.SSLError:
        return "none"
    [found] = [each for each in EACH if authority.der(each) == der]
    return found


EACH = ("ec", "rsa", "star-ec", "star-rsa", "one-ec", "one-rsa", "ec-wide", "rsa-again", "server")


@pytest.mark.parametrize(
    ("certificates", "name", "ec", "rsa"),
    [
        (["ec", "rsa"], "x.test", "ec", "rsa"),
        (["rsa", "ec"], "x.test", "ec", "rsa"),
        (["ec", "rsa"], None, "ec", "rsa"),  # the first, and what stands beside it
        (["ec", "rsa"], "other.test", "ec", "rsa"),
        (["server", "ec", "rsa"], "x.test", "ec", "rsa"),
        (["server", "ec", "rsa"], None, "server", "none"),
        (["star-ec", "star-rsa"], "a.y.test", "star-ec", "star-rsa"),
        # a star is for those without a certificate of their own
        (["one-ec", "star-rsa"], "one.y.test", "one-ec", "none"),
        (["star-rsa", "star-ec", "one-rsa"], "one.y.test", "none", "one-rsa"),
        (["one-ec", "star-rsa"], "two.y.test", "none", "star-rsa"),
        (["ec-wide", "rsa"], "x.test", "ec-wide", "rsa"),
        (["ec-wide", "rsa"], "z.test", "ec-wide", "none"),  # that one is for others
        (["rsa", "rsa-again"], "x.test", "none", "rsa"),  # of one kind, the first
    ],
    ids=range(13),
)
async def test_a_client_gets_the_certificate_that_it_can_check(
    both: Authority, certificates: list[str], name: str | None, ec: str, rsa: str
) -> None:
    async with showing(both, *certificates) as proxy:
        assert await shown(proxy, both, "ec", name) == ec
        assert await shown(proxy, both, "rsa", name) == rsa


@pytest.mark.parametrize("name", ["one.y.test", None])
async def test_a_star_does_not_come_before_the_name_itself(
    both: Authority, name: str | None
) -> None:
    """To a client that can check both, and takes EC first (haproxy/haproxy#394)."""
    async with (
        showing(both, "one-rsa", "star-ec") as proxy,
        await client_of(proxy, both, context=trusting(both), name=name) as client,
    ):
        assert client.tls.getpeercert(binary_form=True) == both.der("one-rsa")


@pytest.mark.parametrize(
    ("algorithm", "kind"), [("rsa_pss_rsae_sha256", "rsa"), ("ecdsa_secp256r1_sha256", "ec")]
)
async def test_a_client_of_tls_1_3_is_told_by_its_algorithms(
    both: Authority, algorithm: str, kind: str
) -> None:
    async with showing(both, "ec", "rsa") as proxy:
        assert isinstance(proxy.address, tuple)
        command = ("openssl", "s_client", "-connect", f"127.0.0.1:{proxy.address[1]}")
        process = await asyncio.create_subprocess_exec(
            *(*command, "-servername", "x.test", "-tls1_3", "-sigalgs", algorithm),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        output, _ = await process.communicate()
    pem = output[output.index(b"-----BEGIN CERT") : output.index(b"-----END CERT")].decode()
    der = ssl.PEM_cert_to_DER_cert(pem + "-----END CERTIFICATE-----\n")
    assert kind_of_key(der) == kind_of_key(both.der(kind))
