"""The table of the listener for operators, ``[admin]``."""

from typing import Annotated

from msgspec import Meta

from proxy.core.options import Table, described
from proxy.core.request_key import PATTERN


class AdminOptions(Table, frozen=True, kw_only=True):
    """The listener for operators: the page, /api, /healthz, /readyz. No table, no listener."""

    listen: Annotated[
        str,
        described(
            "Address of the admin listener. Whoever reaches it sees the whole state: "
            "keep it on loopback."
        ),
    ] = "127.0.0.1:9901"
    probes: Annotated[
        str,
        described(
            "Address for /healthz and /readyz alone, for orchestrators that ask from outside: "
            '":9902".'
        ),
    ] = ""
    hosts: Annotated[
        tuple[str, ...],
        described(
            "Names that requests to the admin listener may have in Host and Origin, beside "
            "localhost, the host of `listen` and addresses; others are refused with 403."
        ),
    ] = ()
    token_file: Annotated[
        str,
        described(
            "File with the token that requests which change something carry as "
            '"Authorization: Bearer TOKEN". On loopback and on a unix socket none is asked for.'
        ),
    ] = ""
    quit: Annotated[
        bool,
        described(
            "Serve POST /quitquitquit, which stops the proxy as SIGTERM does: for jobs in "
            "Kubernetes whose other container has ended."
        ),
    ] = False
    show_keys: Annotated[
        tuple[Annotated[str, Meta(pattern=PATTERN)], ...],
        described(
            'Keys of limits and queues that are no secrets, such as "header:X-Tenant": shown as '
            "they are, others as a short hash. client_addr, path and route are always shown."
        ),
    ] = ()
