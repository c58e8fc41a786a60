"""What ``check`` says of files of authorities that trust nobody, and of what they have revoked."""

import os
from typing import Any

from proxy.config.authorities import authorities_doubts
from tests.config.test_listener import entry, found
from tests.support.authority import Authority


def tables(authority: Authority, file: str) -> dict[str, Any]:
    """The file, wherever one of authorities may stand."""
    tls = {"certificates": [entry(authority)], "client_ca_file": file, "client_auth": "required"}
    oauth2 = {
        "token_url": "https://a/token",
        "client_id": "a",
        "ca_file": file,
        "client_secret_file": authority.path("ca.key"),
    }
    upstream = {"name": "a", "servers": ["https://a"], "tls": {"ca_file": file}}
    upstream |= {"credentials": {"oauth2": oauth2}}
    return {"server": {"tls": tls}, "upstreams": [upstream]}


def test_a_clients_own_certificate_is_no_authority_and_a_servers_own_is_enough(
    authority: Authority,
) -> None:
    (said,) = found(tables(authority, authority.path("client.pem")))
    assert said.startswith("server.tls.client_ca_file: warning: no certificate in ")
    assert "is that of an authority (basicConstraints CA:TRUE)" in said


def test_what_is_not_verified_is_not_refused(authority: Authority) -> None:
    made = tables(authority, authority.revoke(until="20200201000000Z"))
    del made["server"], made["upstreams"][0]["credentials"]
    assert [line for line in found(made) if "are refused" in line]
    made["upstreams"][0]["tls"]["verify"] = False
    assert not [line for line in found(made) if "are refused" in line]


def test_a_list_that_has_expired_is_a_warning_wherever_it_stands(authority: Authority) -> None:
    path = authority.revoke(until="20200201000000Z")
    got = found(tables(authority, path))
    assert [line.split(": ", 1)[0] for line in got] == [
        "server.tls.client_ca_file",
        "upstreams[0].tls.ca_file",
        "upstreams[0].credentials.oauth2.ca_file",
    ]
    assert all("warning: the list of revoked certificates (CRL) of 'test ca'" in s for s in got)
    assert found(tables(authority, authority.revoke())) == []


def test_lists_without_their_authorities_are_a_problem(authority: Authority) -> None:
    authority.revoke()
    got = found(tables(authority, authority.path("crl.pem")))
    assert len(got) == 3
    assert all("no certificates in " in line for line in got)


def test_a_pipe_is_left_to_the_start() -> None:
    reader, writer = os.pipe()
    try:
        assert list(authorities_doubts(f"/dev/fd/{reader}", ())) == []
    finally:
        os.close(reader)
        os.close(writer)
