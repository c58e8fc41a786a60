"""Whether certificates can be trusted because of a PEM file of authorities.

A chain has to end in the file with a certificate that is signed by itself, unless a context says
that any certificate of the file is enough (X509_V_FLAG_PARTIAL_CHAIN).
"""

import base64
import re
import ssl
from pathlib import Path
from typing import Final

from proxy.net.der import issuer_and_subject

_CERTIFICATE: Final = re.compile(
    rb"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----(.+?)-----END ", re.DOTALL
)


def authorities_doubt(path: str) -> str:
    """Why nothing is trusted because of this file, in a sentence; empty where something is.

    Raises OSError, and ssl.SSLError where it holds nothing of use.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(path)
    for text in _CERTIFICATE.findall(Path(path).read_bytes()):
        try:
            issuer, subject = issuer_and_subject(base64.b64decode(text))
        except (ValueError, IndexError):  # OpenSSL could read it
            return ""
        if issuer == subject:
            return ""
    if context.cert_store_stats()["x509_ca"]:
        why = "no authority in {!r} has signed itself, so no chain of certificates ends there"
    else:
        why = "no certificate in {!r} is that of an authority (basicConstraints CA:TRUE)"
    return f"{why.format(path)}: whatever certificate is shown is refused"
