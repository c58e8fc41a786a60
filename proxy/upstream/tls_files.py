"""TLS towards an upstream, with files that may be written anew at any time."""

import logging

from proxy.core.daemon_threads import in_daemon_thread
from proxy.core.files import marks, may_pass, rereadable
from proxy.net.pem import UnusableFile
from proxy.upstream.address import tls_context
from proxy.upstream.options import UpstreamOptions

log = logging.getLogger(__name__)


class UpstreamTls:
    """The context for new connections to the https servers of one upstream."""

    __slots__ = ("_files", "_marks", "_options", "_refused", "context")

    def __init__(self, options: UpstreamOptions) -> None:
        """Raises OSError or UnusableFile where a file of the options cannot be used."""
        self._options = options
        tls = options.tls
        named = () if tls is None else (tls.ca_file, tls.cert_file, tls.key_file, tls.password_file)
        files = tuple(filter(None, named))
        self._files = files if all(map(rereadable, files)) else ()
        self._marks = marks(self._files)
        self._refused = ""
        self.context = tls_context(options)
        """None where no server is spoken to over TLS."""

    @property
    def may_change(self) -> bool:
        """Whether the files are worth a look."""
        return self.context is not None and bool(self._files)

    async def look(self) -> bool:
        """The same as ``changed``; a disk may stand still, the loop may not."""
        return self.may_change and await in_daemon_thread(self.changed)

    def changed(self) -> bool:
        """Read the files again where one has changed: whether there is another context now.

        What cannot be used leaves the one before in use, and is said once.
        """
        found = marks(self._files)
        if found == self._marks:
            return False
        self._marks = found
        try:
            self.context = tls_context(self._options)
        except (OSError, UnusableFile) as error:
            if may_pass(error):
                self._marks = ()  # so it is tried again
            if str(error) != self._refused:
                self._refused = str(error)
                message = (
                    "[upstreams.tls] of %s: changed files cannot be used, the old ones stay: %s"
                )
                log.warning(message, self._options.name, error)
            return False
        self._refused = ""
        log.info(
            "[upstreams.tls] of %s: changed files are in use for new connections",
            self._options.name,
        )
        return True
