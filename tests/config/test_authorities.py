"""What ``check`` says of files of authorities that trust nobody."""

import sys

from tests.config.test_listener import found
from tests.config.test_revocation import tables
from tests.support.authority import Authority

PLACES = ["server.tls.client_ca_file"]
if sys.version_info < (3, 13):  # later ones trust any certificate of a file towards servers
    PLACES += ["upstreams[0].tls.ca_file", "upstreams[0].credentials.oauth2.ca_file"]


def test_a_clients_own_certificate_is_no_authority(authority: Authority) -> None:
    got = found(tables(authority, authority.path("client.pem")))
    assert [line.split(": ", 1)[0] for line in got] == PLACES
    assert all("warning: no certificate in " in line for line in got)
    assert all("is that of an authority (basicConstraints CA:TRUE)" in line for line in got)


def test_what_is_not_verified_is_not_refused(authority: Authority) -> None:
    made = tables(authority, authority.path("client.pem"))
    del made["server"], made["upstreams"][0]["credentials"]
    made["upstreams"][0]["tls"]["verify"] = False
    assert not [line for line in found(made) if "authority" in line]
