"""Query parameters that carry credentials, by what they are called."""

from typing import Final
from urllib.parse import unquote_to_bytes

PARAMETERS: Final = frozenset(
    # As ``underlined`` has them.
    b"""access_token refresh_token id_token token client_secret client_assertion password passwd
    secret auth_token authtoken private_token oauth_token session_token security_token app_secret
    oauth_signature x_api_key api_key apikey key subscription_key sig signature auth
    authorization jwt x_amz_signature x_amz_credential x_amz_security_token x_goog_signature
    x_goog_credential code code_verifier assertion samlresponse ticket pwd pass passphrase otp
    api_token apitoken api_secret bearer_token sas_token session_id sessionid phpsessid jsessionid
    authkey auth_key accesskey access_key secret_key secretkey awsaccesskeyid hmac appkey app_key
    """.split()
)
"""Query parameters that carry credentials (RFC 6750 2.3, signed URLs, APIs of many kinds)."""


def plain_name(name: bytes) -> bytes:
    """What a parameter is called: without escapes, case, dashes and the ``[]`` of a list."""
    bare = unquote_to_bytes(name).lower().replace(b"+", b" ").strip(b" ").partition(b"[")[0]
    return underlined(bare)


def underlined(name: bytes) -> bytes:
    """With underlines for dashes: APIs write either."""
    return name.replace(b"-", b"_")
