"""The listener against Mozilla's intermediate profile, version 5.7: every cipher is tried."""

import asyncio
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest

from tests.support.authority import Authority
from tests.support.client import PATIENCE
from tests.support.process import started
from tests.support.proxy import Proxy, fronted

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
    async with fronted(server=server) as (_, proxy):
        found = await asyncio.to_thread(accepted, address_of(proxy))
        for old in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            assert await asyncio.to_thread(agreed, address_of(proxy), anyone(old)) == ""
    assert found - {""} <= INTERMEDIATE
    signed = "ECDSA" if kind == "ec" else "RSA"
    usual = {name for name in INTERMEDIATE if name.startswith(f"ECDHE-{signed}-")}
    assert found >= usual, "a usual client finds nothing"


TOP: Final = Path(__file__).parents[2]
CONFIG: Final = """
[server]
listen = "127.0.0.1:0"
[server.tls]
certificates = [{{ cert_file = "{0}.pem", key_file = "{0}.key" }}]
[[upstreams]]
name = "api"
servers = ["http://127.0.0.1:9"]
[[routes]]
upstream = "api"
"""
CURVES: Final = {"X448", "secp521r1"}
"""Curves of OpenSSL that the profile has not, and that Python cannot switch off alone."""


def complaints(port: str, authority: Authority) -> list[str]:
    """What sslyze says against the listener by the profile."""
    command = [sys.executable, "-m", "sslyze", "--mozilla_config", "intermediate"]
    command += ["--certinfo_ca_file", authority.path("ca.pem"), f"127.0.0.1:{port}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    verdict = done.stdout.partition("COMPLIANCE AGAINST TLS CONFIGURATION")[2]
    assert "Checking results against Mozilla's" in verdict, done.stdout + done.stderr
    found = re.findall(r"(?m)^ +\* (.*)$", verdict)
    assert done.returncode == bool(found), verdict
    assert ("OK - Compliant" in verdict) == (not found), verdict
    # An authority of the test's own is in no trust store.
    return [line for line in found if not line.startswith("certificate_path_validation")]


@pytest.mark.skipif(not find_spec("sslyze"), reason="needs sslyze: make clients")
@pytest.mark.parametrize("curves", ["all", "of-the-profile"])
async def test_sslyze_has_nothing_against_it_but_two_curves_of_openssl(
    curves: str, authority: Authority, tmp_path: Path
) -> None:
    path = tmp_path / "config.toml"
    path.write_text(CONFIG.format(authority.path("server")))
    settings = "" if curves == "all" else str(TOP / "deploy" / "openssl.cnf")
    usual = os.environ.get("OPENSSL_CONF", "")
    async with started("run", str(path), OPENSSL_CONF=settings or usual) as process:
        await process.ready()
        port = process.http[0].rpartition(":")[2]
        found = await asyncio.to_thread(complaints, port, authority)
        if curves == "all":
            [only] = found
            assert only.startswith("tls_curves: ")
            assert set(re.findall(r"'(\w+)'", only)) <= CURVES, only
        else:
            assert found == []
