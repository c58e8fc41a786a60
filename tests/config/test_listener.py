"""What ``check`` finds in ``[server.tls]``, and with ``proxy_protocol``."""

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from proxy.config.load import check
from tests.support.authority import RSA, Authority
from tests.support.proxy import toml

UPSTREAM = {"upstreams": [{"name": "a", "servers": ["http://127.0.0.1:1"]}]}


def found(tables: dict[str, Any]) -> list[str]:
    """What ``check`` says, without file and line."""
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(toml(tables))
        file.flush()
        return [line.split(": ", 1)[1] for line in map(str, check(file.name))]


def problems(tls: dict[str, Any] | None = None, **server: Any) -> list[str]:
    table = server if tls is None else {**server, "tls": tls}
    return found({"server": table, **UPSTREAM})


def entry(authority: Authority, certificate: str = "server", key: str = "server") -> dict[str, str]:
    return {
        "cert_file": authority.path(f"{certificate}.pem"),
        "key_file": authority.path(f"{key}.key"),
    }


def test_a_listener_that_can_be_used_is_none(authority: Authority) -> None:
    asked = {"client_ca_file": authority.path("ca.pem"), "client_auth": "required"}
    assert problems({"certificates": [entry(authority)], **asked}) == []
    assert problems(proxy_protocol=True, trusted_proxies=["10.0.0.0/8"]) == []


def test_each_mistake_is_named_with_its_place(authority: Authority, tmp_path: Path) -> None:
    junk = tmp_path / "junk.pem"
    junk.write_text("nothing")
    good = [entry(authority)]
    cases: list[tuple[dict[str, Any], str]] = [
        ({}, "server.tls.certificates: "),
        ({"certificates": []}, "server.tls.certificates: "),
        ({"certificates": [{"cert_file": "/gone.pem"}]}, "server.tls.certificates[0].cert_file: "),
        ({"certificates": [{**good[0], "key_file": "/"}]}, "server.tls.certificates[0].key_file: "),
        (
            {"certificates": [good[0], entry(authority, "server", "client")]},
            "server.tls.certificates[1].key_file: the key in ",
        ),
        (
            {"certificates": [{"cert_file": str(junk)}]},
            "server.tls.certificates[0].cert_file: no certificate in ",
        ),
        ({"certificates": good, "client_auth": "required"}, "server.tls.client_auth: expected "),
        (
            {"certificates": good, "client_ca_file": authority.path("ca.pem")},
            "server.tls.client_ca_file: no certificate is asked for",
        ),
        (
            {"certificates": good, "client_ca_file": str(junk), "client_auth": "optional"},
            "server.tls.client_ca_file: no certificates in ",
        ),
        ({"certificates": good, "min_version": "1.1"}, "server.tls.min_version: "),
    ]
    for tls, start in cases:
        got = problems(tls)
        assert len(got) == 1, (tls, got)
        assert got[0].startswith(start), got


def test_an_encrypted_key_wants_its_password(authority: Authority, tmp_path: Path) -> None:
    locked, password = tmp_path / "locked.key", tmp_path / "password"
    subprocess.run(
        [
            *("openssl", "pkcs8", "-topk8", "-in", authority.path("server.key")),
            *("-passout", "pass:sesame", "-out", str(locked)),
        ],
        check=True,
        capture_output=True,
    )
    named = {"cert_file": authority.path("server.pem"), "key_file": str(locked)}
    [message] = problems({"certificates": [named]})
    assert message.startswith("server.tls.certificates[0].key_file: the key in ")
    assert message.endswith("is encrypted: expected password_file beside it")
    for text, faults in (("sesame\n", 0), ("open\n", 1)):
        password.write_text(text)
        got = problems({"certificates": [{**named, "password_file": str(password)}]})
        assert len(got) == faults
        assert "sesame" not in str(got)


@pytest.mark.parametrize("name", ["tls", "ssl", "https"])
def test_tls_above_all_tables_is_told_its_place(name: str) -> None:
    assert "[server.tls]" in found({name: {"cert": 1}, **UPSTREAM})[0]


def test_clients_that_nobody_may_introduce_are_a_mistake() -> None:
    (problem,) = problems(proxy_protocol=True)
    assert problem.startswith("server.proxy_protocol: only trusted_proxies")


def test_a_certificate_that_has_expired_is_a_warning(authority: Authority, tmp_path: Path) -> None:
    authority.issue("expired", "DNS:a.test", days=-1)
    (problem,) = problems({"certificates": [entry(authority, "expired", "expired")]})
    assert problem.startswith("server.tls.certificates[0]: warning: the certificate in ")
    assert " has expired on " in problem


def test_a_certificate_that_no_client_can_get_is_a_warning(authority: Authority) -> None:
    authority.issue("two", "DNS:b.test,DNS:c.test")
    for name, names in [("one", "DNS:b.test"), ("part", "DNS:c.test,DNS:d.test")]:
        authority.issue(name, names)
    authority.issue("other", "DNS:b.test", key=RSA)
    authority.issue("nobody", "IP:127.0.0.1", subject="/O=nobody")

    def said(*names: str) -> list[str]:
        return problems({"certificates": [entry(authority, name, name) for name in names]})

    assert said("two", "part", "other") == said("one", "two") == said("nobody", "one") == []
    (problem,) = said("two", "other", "one")
    place = "server.tls.certificates[2]: warning: the certificate in "
    assert problem.startswith(f"{place}{authority.path('one.pem')!r} is never shown: ")
    assert problem.endswith(
        f"its names have {authority.path('two.pem')!r} already, with a key of the same kind"
    )
    (problem,) = said("two", "nobody")
    assert problem.endswith(" is never shown: it names no host")


def test_a_certificate_that_comes_by_a_pipe_is_left_to_the_start(authority: Authority) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"read once only")
    os.close(writer)
    try:
        piped = {"cert_file": f"/dev/fd/{reader}", "key_file": authority.path("server.key")}
        assert problems({"certificates": [piped]}) == []
        assert os.read(reader, 99) == b"read once only"
    finally:
        os.close(reader)
