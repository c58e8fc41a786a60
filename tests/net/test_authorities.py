"""Whether anything is trusted because of a file."""

import ssl
from pathlib import Path

import pytest

from proxy.net.authorities import authorities_doubt
from tests.support.authority import Authority


@pytest.mark.parametrize(
    ("names", "why"),
    [
        ("ca", ""),
        ("client ca", ""),
        ("client", "no certificate in {} is that of an authority (basicConstraints CA:TRUE)"),
        ("between", "no authority in {} has signed itself"),
        ("itself", ""),  # a certificate that stands for itself is trusted
    ],
)
def test_a_file_without_a_root_trusts_nobody(authority: Authority, names: str, why: str) -> None:
    authority.issue("between", "DNS:between", also="basicConstraints=critical,CA:TRUE")
    authority.sign_itself("itself")
    path = Path(authority.path("file.pem"))
    path.write_text(
        "".join(Path(authority.path(f"{name}.pem")).read_text() for name in names.split())
    )
    said = authorities_doubt(str(path))
    assert said.startswith(why.format(repr(str(path))))
    assert bool(said) == bool(why)


def test_a_file_that_cannot_be_used_is_none(authority: Authority) -> None:
    with pytest.raises(ssl.SSLError):
        authorities_doubt(authority.path("ca.key"))
