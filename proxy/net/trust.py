"""What certificates of servers have to be like: the same on every Python.

``ssl.create_default_context`` sets two flags since Python 3.13 that change what a configuration
means:

- VERIFY_X509_STRICT refuses what does not keep to RFC 5280 in all its extensions, above all
  certificates without the identifier of the key that has signed them, as companies make them for
  themselves. OpenSSL takes them unless it is told otherwise, and so does curl. Signatures, names,
  times and lists are checked in any case.
- VERIFY_X509_PARTIAL_CHAIN trusts any certificate in a file of authorities, such as a server's own
  or one in between, as curl does. Not where the file has lists of revoked ones (``revocation``).
"""

import ssl


def same_on_every_python(context: ssl.SSLContext) -> ssl.SSLContext:
    """A client's context, with the second of these flags and without the first."""
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
