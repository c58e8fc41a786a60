"""What ``check`` says of lists of revoked certificates."""

import os
from typing import Any

from proxy.config.revocation import revocation_doubts
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
        assert list(revocation_doubts(f"/dev/fd/{reader}", ())) == []
    finally:
        os.close(reader)
        os.close(writer)
