"""Lists of revoked certificates in a file of authorities."""

import math
import ssl
from pathlib import Path

import pytest

from proxy.net.revocation import doubts, enforce, next_expiry, refusal
from tests.support.authority import Authority

NEW_YEAR_2030 = 1893456000.0


def test_a_list_is_enforced_where_there_is_one(authority: Authority) -> None:
    for file, enforced in (("ca.pem", False), ("revoked.pem", True)):
        authority.revoke("client")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_verify_locations(authority.path(file))
        enforce(context)
        assert bool(context.verify_flags & ssl.VERIFY_CRL_CHECK_CHAIN) is enforced


def test_a_list_that_expires_refuses_its_authority_from_then_on(authority: Authority) -> None:
    path = authority.revoke(until="20300101000000Z")
    assert list(doubts(path, NEW_YEAR_2030 - 1)) == []
    assert next_expiry(path, NEW_YEAR_2030 - 1) == NEW_YEAR_2030
    assert next_expiry(path, NEW_YEAR_2030) == math.inf
    (doubt,) = doubts(path, NEW_YEAR_2030)
    assert doubt == (
        f"the list of revoked certificates (CRL) of 'test ca' in {path!r} has expired on "
        "2030-01-01 00:00 UTC: its certificates are refused"
    )


def test_a_list_that_is_not_valid_yet_refuses_its_authority_until_then(
    authority: Authority,
) -> None:
    """An authority whose clock is ahead makes such a list."""
    path, since = authority.revoke(), 1577836800.0
    (doubt,) = doubts(path, since - 1)
    assert doubt.endswith("is not valid before 2020-01-01 00:00 UTC: its certificates are refused")
    assert list(doubts(path, since)) == []


def test_a_newer_list_beside_one_that_has_expired_is_enough(authority: Authority) -> None:
    both = Path(authority.revoke(until="20300101000000Z"))
    newer = Path(authority.revoke(file="newer.pem", until="20600101000000Z"))  # a GeneralizedTime
    both.write_text(both.read_text() + newer.read_text())
    assert list(doubts(str(both), NEW_YEAR_2030)) == []
    assert next_expiry(str(both), NEW_YEAR_2030) == 2840140800.0


def test_an_authority_without_a_list_beside_one_with_a_list_is_named(
    authority: Authority, tmp_path: Path
) -> None:
    other = Path(Authority(tmp_path, "other ca").path("ca.pem")).read_text()
    path = Path(authority.revoke())
    path.write_text(path.read_text() + other)
    (doubt,) = doubts(str(path), NEW_YEAR_2030)
    assert "holds no list of revoked certificates (CRL) of 'other ca'" in doubt
    path.write_text(other)
    assert list(doubts(str(path), 0.0)) == []


def test_a_list_that_cannot_be_read_here_is_left_to_openssl(tmp_path: Path) -> None:
    path = tmp_path / "odd.pem"
    for der in ("", "MA==", "MIA=", "MAMwATA="):
        path.write_text(f"-----BEGIN X509 CRL-----\n{der}\n-----END X509 CRL-----\n")
        assert list(doubts(str(path), 0.0)) == []


@pytest.mark.parametrize(("code", "said"), [(23, "has revoked it"), (12, "has expired"), (20, "")])
def test_what_openssl_says_of_a_list_is_said_in_words(code: int, said: str) -> None:
    error = ssl.SSLCertVerificationError()
    error.verify_code = code
    assert refusal(error).endswith(said)
    assert bool(refusal(error)) is bool(said)
