"""The tables `[upstreams.credentials]`, and what they give to send."""

from collections.abc import Iterator
from typing import Annotated, Literal, TypeAlias

from proxy.core.files import secret_content
from proxy.core.options import Table, described
from proxy.core.redaction import configured, rotating
from proxy.core.secret_file import one_line
from proxy.http.grammar import CONTROL


class OAuth2Options(Table, frozen=True, kw_only=True):
    """An access token from a token server, by the client credentials grant (RFC 6749 4.4)."""

    token_url: Annotated[
        str, described('The token endpoint, "https://auth.example.com/oauth2/token".')
    ]
    client_id: Annotated[str, described("What the token server calls this client.")]
    client_secret_file: Annotated[
        str,
        described(
            "File that holds the client's secret; a BOM and its last line break are dropped. It "
            "is read again when it changes."
        ),
    ]
    scope: Annotated[
        str, described('What the token may be used for, names with blanks between: "read write".')
    ] = ""
    client_auth: Annotated[
        Literal["basic", "post"],
        described(
            'How the client shows its secret: "basic" in an Authorization field, "post" in the '
            "body (RFC 6749 2.3.1)."
        ),
    ] = "basic"
    ca_file: Annotated[
        str,
        described("PEM file of the authorities to trust for `token_url` instead of the system's."),
    ] = ""


class CredentialsOptions(Table, frozen=True, kw_only=True):
    """Credentials that the proxy sends to the upstream in place of the client's."""

    name: Annotated[
        str,
        described(
            "What logs and the state call these credentials; needed where there are several, as "
            "`[[upstreams.credentials]]`."
        ),
    ] = ""
    header: Annotated[str, described("Field that carries the credentials.")] = "Authorization"
    value: Annotated[
        str, described('The value, usually from the environment: "Bearer ${API_TOKEN}".')
    ] = ""
    value_file: Annotated[
        str,
        described(
            "File that holds the value; a BOM and its last line break are dropped. It is read "
            "again within seconds when it changes, and at once when the upstream answers 401."
        ),
    ] = ""
    oauth2: OAuth2Options | None = None


CredentialsTables: TypeAlias = CredentialsOptions | tuple[CredentialsOptions, ...]


def each_of(tables: CredentialsTables | None) -> tuple[CredentialsOptions, ...]:
    """All credentials of an upstream, however they are written."""
    if tables is None:
        return ()
    return tables if isinstance(tables, tuple) else (tables,)


def names_of(tables: CredentialsTables | None) -> Iterator[str]:
    """What logs call them: their number where they have no name."""
    for number, options in enumerate(each_of(tables)):
        yield options.name or str(number)


def checked_value(value: bytes) -> bytes:
    """A value that can stand in a field. Raises ValueError, which does not repeat the secret."""
    if not value:
        raise ValueError("the value is empty")
    if CONTROL.search(value):
        raise ValueError("a control character cannot stand in a field")
    return value


def checked_content(value: bytes) -> bytes:
    """The value that a file holds. Raises ValueError, which does not repeat the secret."""
    return checked_value(one_line(value))


def credentials_field(options: CredentialsOptions) -> tuple[bytes, bytes]:
    """The field to send. Raises OSError, or ValueError where its value cannot stand in a field."""
    value = options.value.encode("utf-8", "surrogateescape")
    if options.value_file:
        value = secret_content(options.value_file)
        rotating(value)
        return options.header.encode(), checked_content(value)
    configured(value)
    return options.header.encode(), checked_value(value)
