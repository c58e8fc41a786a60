"""Files of authorities, and of what these have revoked, that refuse more than can be meant."""

from collections.abc import Iterator

from proxy.config.values import is_pipe
from proxy.core.clock import wall
from proxy.core.findings import Finding, Place, warn
from proxy.net import revocation
from proxy.net.authorities import authorities_doubt


def authorities_doubts(file: str, place: Place, *, any_is_enough: bool = True) -> Iterator[Finding]:
    """Warnings of a file that can be used, one for each authority that nothing is accepted of.

    ``any_is_enough``: any certificate in it is trusted, as for servers (``net/trust``), unless
    there are lists of revoked ones.
    """
    if file and not is_pipe(file):
        if not any_is_enough or revocation.holds_lists(file):
            yield from warn(place, authorities_doubt(file))
        for doubt in revocation.doubts(file, wall()):
            yield from warn(place, doubt)
