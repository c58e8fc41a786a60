"""The listener against Mozilla's intermediate profile, version 5.7: every cipher is tried."""

import asyncio
import shutil
import socket
import ssl
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.support.client import PATIENCE
from tests.support.proxy import Proxy, proxied
from tests.support.upstream import RawUpstream

INTERMEDIATE: Final = frozenset(
    {
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
        "DHE-RSA-AES128-GCM-SHA256",
        "DHE-RSA-AES256-GCM-SHA384",
        "DHE-RSA-CHACHA20-POLY1305",
        "TLS_AES_128_GCM_SHA256",
        "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256",
    }
)
"""https://ssl-config.mozilla.org/guidelines/5.7.json"""
KEYS: Final = {"rsa": ["rsa:2048"], "ec": ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]}


def anyone(version: ssl.TLSVersion, ciphers: str = "ALL:@SECLEVEL=0") -> ssl.SSLContext:
    """A client that takes whatever it gets."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    context.set_ciphers(ciphers)
    return context


def agreed(address: tuple[str, int], context: ssl.SSLContext) -> str:
    """The cipher; empty where there is none that both have."""
    with socket.create_connection(address, PATIENCE) as sock:
        try:
            with context.wrap_socket(sock) as tls:
                found = tls.cipher()
                return found[0] if found else ""
        except (ssl.SSLError, ConnectionError):
            return ""


def accepted(address: tuple[str, int]) -> set[str]:
    """All ciphers of TLS 1.2 and 1.3 that a handshake can end with."""
    known = {each["name"] for each in anyone(ssl.TLSVersion.TLSv1_2).get_ciphers()}
    older = [name for name in known if not name.startswith("TLS_")]
    found = {
        agreed(address, anyone(ssl.TLSVersion.TLSv1_2, f"{name}:@SECLEVEL=0")) for name in older
    }
    return found | {agreed(address, anyone(ssl.TLSVersion.TLSv1_3))} - {""}


def address_of(proxy: Proxy) -> tuple[str, int]:
    address = proxy.address
    assert isinstance(address, tuple)
    return address


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")  # that we may not is the point
@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")
@pytest.mark.parametrize("kind", ["rsa", "ec"])
async def test_nothing_is_agreed_on_that_the_profile_has_not(kind: str, tmp_path: Path) -> None:
    made = ("openssl", "req", "-x509", "-newkey", *KEYS[kind], "-nodes", "-subj", "/CN=a.test")
    files = {"cert_file": str(tmp_path / "tls.pem"), "key_file": str(tmp_path / "tls.key")}
    command = [*made, "-out", files["cert_file"], "-keyout", files["key_file"]]
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)
    server = {"tls": {"certificates": [files]}}
    async with RawUpstream() as upstream, proxied(upstream, server=server) as proxy:
        found = await asyncio.to_thread(accepted, address_of(proxy))
        for old in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            assert await asyncio.to_thread(agreed, address_of(proxy), anyone(old)) == ""
    assert found - {""} <= INTERMEDIATE
    signed = "ECDSA" if kind == "ec" else "RSA"
    usual = {name for name in INTERMEDIATE if name.startswith(f"ECDHE-{signed}-")}
    assert found >= usual, "a usual client finds nothing"
