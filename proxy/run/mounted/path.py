"""Where the proxy is mounted: requests lose that path before anything is decided about them.

So every path of the configuration means the same as on a listener. What the upstream says of its
own paths gets it back in ``middleware/rewrite``.
"""

from proxy.core.errors import BadRequest, NoRoute
from proxy.http.grammar import Malformed
from proxy.http.target import normal_path, split_target, within
from proxy.middleware.rewrite.paths import PathRewriter


class MountPath:
    """Takes a path off targets."""

    def __init__(self, path: str) -> None:
        """``path``: nothing where the proxy stands on its own. Raises ValueError."""
        self._paths = PathRewriter(path)

    def below(self, method: str, raw: bytes) -> bytes:
        """The target without the path, in the form in which it came.

        Raises NoRoute for one that is not below the path, and BadRequest where nobody can tell.
        """
        mount = self._paths.strip
        if not mount:
            return raw
        try:
            target, authority = split_target(method, raw)
            path = normal_path(target)
        except Malformed:
            return raw  # the proxy refuses it
        if not within(path.encode("ascii"), mount):
            raise NoRoute(f"no route for {path}")
        try:
            target = self._paths.apply(target, path)
        except Malformed as error:
            raise BadRequest(str(error)) from None
        if authority is None:
            return target
        return raw[: raw.index(b"//") + 2] + authority + target
