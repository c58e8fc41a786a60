"""Files of authorities, and of what these have revoked, that refuse more than can be meant."""

import sys
from collections.abc import Iterator
from typing import Final

from proxy.config.values import is_pipe
from proxy.core.clock import wall
from proxy.core.findings import Finding, Place, warn
from proxy.net import revocation
from proxy.net.authorities import authorities_doubt

_ANY_IS_ENOUGH: Final = sys.version_info >= (3, 13)
"""Whether ``ssl.create_default_context`` trusts any certificate of a file for what it is."""


def authorities_doubts(
    file: str, place: Place, *, any_is_enough: bool = _ANY_IS_ENOUGH
) -> Iterator[Finding]:
    """Warnings of a file that can be used, one for each authority that nothing is accepted of."""
    if file and not is_pipe(file):
        if not any_is_enough:
            yield from warn(place, authorities_doubt(file))
        for doubt in revocation.doubts(file, wall()):
            yield from warn(place, doubt)
