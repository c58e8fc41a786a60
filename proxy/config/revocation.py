"""Lists of revoked certificates that refuse more than they name."""

from collections.abc import Iterator

from proxy.config.values import is_pipe
from proxy.core.clock import wall
from proxy.core.findings import WARNING, Finding, Place
from proxy.net.revocation import doubts


def revocation_doubts(file: str, place: Place) -> Iterator[Finding]:
    """A warning for each authority in a file, which can be used, that nothing is accepted of."""
    if file and not is_pipe(file):
        for doubt in doubts(file, wall()):
            yield Finding(place, f"{WARNING} {doubt}")
