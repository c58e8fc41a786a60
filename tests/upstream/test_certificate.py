"""What is said of a certificate that is for another name."""

import asyncio
import ssl
from pathlib import Path

import pytest

from proxy.upstream.certificate import listed, names
from tests.support.authority import Authority
from tests.support.names import system_names


def test_a_certificate_is_told_by_its_names() -> None:
    names = [("DNS", f"{number}.test") for number in range(10)]
    assert listed({"subjectAltName": names[:2]}) == "0.test, 1.test"
    assert listed({"subjectAltName": names}).endswith("7.test and 2 more")
    assert listed({}) == ""


async def test_a_name_is_looked_up_as_all_others_are(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    trusting = ssl.create_default_context(cafile=authority.path("ca.pem"))

    def closes(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    with system_names(other=["127.0.0.1"]) as told:
        async with await asyncio.start_server(
            closes, "127.0.0.1", 0, ssl=authority.server()
        ) as server:
            port = server.sockets[0].getsockname()[1]
            assert await names("other.test", port, "", trusting) == "api.test, 127.0.0.1"
        assert told.asked == ["other.test"]


@pytest.mark.parametrize("trusted", ["ca", "server"])
async def test_what_the_system_trusts_does_not_depend_on_the_version_of_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusted: str
) -> None:
    authority = Authority(tmp_path)
    authority.issue("server", "DNS:api.test", also="authorityKeyIdentifier=none")
    monkeypatch.setenv("SSL_CERT_FILE", authority.path(f"{trusted}.pem"))

    def closes(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    with system_names(other=["127.0.0.1"]):
        async with await asyncio.start_server(
            closes, "127.0.0.1", 0, ssl=authority.server()
        ) as server:
            port = server.sockets[0].getsockname()[1]
            assert await names("other.test", port, "", None) == "api.test"
