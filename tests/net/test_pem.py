"""What is wrong with a PEM file is said in words, with the file and the option."""

import ssl
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from proxy.net.pem import UnusableFile, authorities_fault, load_authorities, load_pair
from tests.support.authority import Authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    home = tmp_path_factory.mktemp("authority")
    made = Authority(home)
    subprocess.run(
        "openssl pkey -in server.key -aes128 -passout pass:sesame -out locked.key && "
        "openssl ec -in server.key -aes128 -passout pass:sesame -out old.key && "
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout rsa.key -out rsa.pem -subj /CN=a && "
        "openssl req -x509 -newkey rsa:1024 -nodes -keyout small.key -out small.pem -subj /CN=a",
        cwd=home,
        shell=True,
        check=True,
        capture_output=True,
    )
    (home / "junk").write_text("nothing")
    (home / "bad.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    for name, parts in (("chain.pem", "server ca"), ("wrong.pem", "ca server")):
        texts = [(home / f"{part}.pem").read_text() for part in parts.split()]
        (home / name).write_text("".join(texts))
    key, cert = (home / "server.key").read_text(), (home / "server.pem").read_text()
    (home / "bad.key").write_text(key.replace("\nM", "\n!", 1))
    (home / "moved.pem").write_text(cert.replace("-----BEGIN", " -----BEGIN"))
    return made


def context() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)


def refused(load: Callable[[], None], home: str) -> tuple[str, str]:
    """The option and the sentence, without the folder."""
    with pytest.raises(UnusableFile) as caught:
        load()
    return caught.value.option, str(caught.value).replace(home, "")


@pytest.mark.parametrize(
    ("files", "password", "option", "said"),
    [
        ("junk server.key", b"", "cert_file", "no certificate in 'junk': expected PEM, with"),
        ("server.key server.key", b"", "cert_file", "no certificate in 'server.key': expected"),
        ("server.pem junk", b"", "key_file", "no key in 'junk': expected PEM, with a line"),
        ("server.pem ", b"", "cert_file", "no key in 'server.pem': expected PEM, with a line"),
        ("server.pem client.key", b"", "key_file", "the key in 'client.key' is not that of the"),
        ("server.pem locked.key", b"", "key_file", "the key in 'locked.key' is encrypted: exp"),
        ("server.pem old.key", b"", "key_file", "the key in 'old.key' is encrypted: expected"),
        ("server.pem old.key", b"x", "password_file", "the password in 'secret' does not open"),
        ("server.pem locked.key", b"x", "password_file", "the password in 'secret' does not"),
        ("bad.pem server.key", b"", "cert_file", "cannot use the certificate in 'bad.pem' with"),
        ("bad.pem locked.key", b"sesame", "cert_file", "cannot use the certificate in 'bad.pem'"),
        ("server.pem bad.key", b"", "key_file", "cannot use the key in 'bad.key': it is damaged"),
        ("moved.pem server.key", b"", "cert_file", "no certificate in 'moved.pem': expected PEM"),
        ("server.pem rsa.key", b"", "key_file", "the key in 'rsa.key' is not that of the cert"),
        ("rsa.pem server.key", b"", "key_file", "the key in 'server.key' is not that of the cert"),
    ],
)
def test_a_pair_that_cannot_be_used_names_the_file_and_the_option(
    authority: Authority, files: str, password: bytes, option: str, said: str
) -> None:
    home = authority.path("")
    names = (*files.split(" "), "secret" if password else "")
    paths = [f"{home}/{name}" if name else "" for name in names]

    def load() -> None:
        load_pair(context(), paths[0], paths[1], password, paths[2])

    got, sentence = refused(load, f"{home}/")
    assert (got, sentence[: len(said)]) == (option, said)
    assert "_ssl.c" not in sentence


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ("small.pem small.key", "its key is too small, expected RSA of 2048 bits or more"),
        ("bad.pem server.key", "it is damaged, what stands between a BEGIN and its END"),
        ("wrong.pem server.key", ": the certificate of the key stands first in the file"),
    ],
)
def test_why_a_pair_cannot_be_used_is_not_said_in_words_of_openssl(
    authority: Authority, files: str, why: str
) -> None:
    cert, key = (authority.path(name) for name in files.split())
    _, sentence = refused(lambda: load_pair(context(), cert, key, b"", ""), "\0")
    assert why in sentence


def test_a_chain_begins_with_the_certificate_of_the_key(authority: Authority) -> None:
    load_pair(context(), authority.path("chain.pem"), authority.path("server.key"), b"", "")


@pytest.mark.parametrize("key", ["locked.key", "old.key"])
def test_the_right_password_opens_a_key(authority: Authority, key: str) -> None:
    pair = authority.path("server.pem"), authority.path(key)
    load_pair(context(), *pair, b"sesame", authority.path("secret"))


def test_without_a_key_file_the_key_stands_with_its_certificate(
    authority: Authority, tmp_path: Path
) -> None:
    both = tmp_path / "both.pem"
    names = ("server.pem", "server.key")
    both.write_text("".join(Path(authority.path(name)).read_text() for name in names))
    load_pair(context(), str(both), "", b"", "")


def test_authorities_that_cannot_be_used_name_the_file_and_the_option(
    authority: Authority,
) -> None:
    load_authorities(context(), authority.path("ca.pem"), "ca_file")
    for name, why in (("junk", "expected PEM, with a line"), ("bad.pem", "")):
        path = authority.path(name)
        got, sentence = refused(partial(load_authorities, context(), path, "ca_file"), "\0")
        assert got == "ca_file"
        assert sentence.startswith(f"no certificates in {path!r}: {why}")
        assert "_ssl.c" not in sentence


def test_a_pipe_is_not_read_again() -> None:
    assert "'/dev/null'" in str(authorities_fault("/dev/null", "ca_file", ssl.SSLError("odd")))


def test_a_file_that_cannot_be_opened_is_named(authority: Authority) -> None:
    """OpenSSL says why, and not which."""
    home = authority.path("")
    for cert, key, named in (("none", "server.key", "none"), ("server.pem", "none", "none")):
        with pytest.raises(OSError, match="No such file") as caught:
            load_pair(context(), f"{home}/{cert}", f"{home}/{key}", b"", "")
        assert str(caught.value.filename).endswith(named)
