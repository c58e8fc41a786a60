"""What certificates of servers have to be like."""

import contextlib
import shutil
import ssl
from pathlib import Path

import pytest

from proxy.net.revocation import enforce
from proxy.net.trust import same_on_every_python
from tests.support.authority import Authority


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> None:
    """In memory."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(down, up, server_hostname=name),
        server.wrap_bio(up, down, server_side=True),
    ]
    for _ in range(4):  # flights of TLS 1.3
        for end in list(ends):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            ends.remove(end)
    assert not ends


def server(authority: Authority, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.path(f"{name}.pem"), authority.path(f"{name}.key"))
    return context


def trusting(file: str) -> ssl.SSLContext:
    return same_on_every_python(ssl.create_default_context(cafile=file))


@pytest.fixture(scope="module")
def old_fashioned(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Authority:
    """Its certificates do not say which key has signed them, although RFC 5280 4.2.1.1 wants it."""
    made = Authority(tmp_path_factory.mktemp("old"))
    made.issue("old", "DNS:api.test", also="authorityKeyIdentifier=none")
    return made


def test_an_authority_need_not_say_which_key_has_signed(old_fashioned: Authority) -> None:
    shake_hands(trusting(old_fashioned.path("ca.pem")), server(old_fashioned, "old"), "api.test")


def test_a_servers_own_certificate_can_be_the_one_that_is_trusted(authority: Authority) -> None:
    shake_hands(trusting(authority.path("server.pem")), server(authority, "server"), "api.test")


@pytest.mark.parametrize(
    ("trusted", "name", "why"),
    [
        ("ca", "other.test", "Hostname mismatch"),
        ("client", "api.test", "unable to get local issuer certificate"),
    ],
)
def test_names_and_signatures_are_checked_as_ever(
    authority: Authority, trusted: str, name: str, why: str
) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match=why):
        shake_hands(trusting(authority.path(f"{trusted}.pem")), server(authority, "server"), name)


def test_a_certificate_that_is_trusted_itself_has_to_be_valid(authority: Authority) -> None:
    authority.issue("expired", "DNS:api.test", days=-1)
    client = trusting(authority.path("expired.pem"))
    with pytest.raises(ssl.SSLCertVerificationError, match="certificate has expired"):
        shake_hands(client, server(authority, "expired"), "api.test")


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Authority, Authority]:
    """An authority, and one that it has signed, which signs the servers."""
    root = Authority(tmp_path_factory.mktemp("root"), "root")
    can_sign = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign"
    root.issue("middle", "DNS:middle.test", also=can_sign)
    home = tmp_path_factory.mktemp("middle")
    middle = Authority(home, "middle")
    for kind in ("pem", "key"):
        shutil.copy(root.path(f"middle.{kind}"), home / f"ca.{kind}")
    middle.issue("server", "DNS:api.test")
    return root, middle


@pytest.mark.parametrize(
    ("revoked", "why"),
    [
        ((), ""),
        (("middle",), "certificate revoked"),
        (("server",), "certificate revoked"),
    ],
)
def test_lists_of_all_authorities_of_a_chain_are_read(
    chain: tuple[Authority, Authority], tmp_path: Path, revoked: tuple[str, ...], why: str
) -> None:
    """OpenSSL checks the list of the root by the key of the one below, if that may be the end."""
    root, middle = chain
    lists = [
        root.revoke(*(name for name in revoked if name == "middle")),
        middle.revoke(*(name for name in revoked if name == "server")),
    ]
    file = tmp_path / "all.pem"
    file.write_text("".join(Path(each).read_text() for each in lists))
    client = trusting(str(file))
    enforce(client)
    with pytest.raises(ssl.SSLError, match=why) if why else contextlib.nullcontext():
        shake_hands(client, server(middle, "server"), "api.test")
