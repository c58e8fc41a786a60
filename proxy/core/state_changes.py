"""Changes of state that operators are told of at once: lines of their own on standard error.

Each is a sentence for people and, in the JSON format, keys for programs: ``event``, one of
``EVENTS``, and what it is told of. The keys of an event never change their meaning.
"""

import logging
from typing import Any, Final

_log: Final = logging.getLogger("proxy.state")

EVENTS: Final = {
    "ejected": "route upstream endpoint for_s",
    "back": "route upstream endpoint",
    "unhealthy": "upstream endpoint fault",
    "healthy": "upstream endpoint",
    "paused": "upstream endpoint for_s",
    "limit_moved": "upstream before after",
    "local_limit": "kind",
    "withdrawn": "upstream endpoint for_s",
    "restored": "upstream endpoint",
    "purged": "path tag route removed complete",
    "log_level": "to",
    "reloaded": "by added changed removed kept restart",
    "reload_refused": "by problems",
    "draining": "requests streams tunnels grace_s",
    "drained": "requests streams tunnels seconds",
}
"""The keys of each; docs/operations.md says when it is told and what they mean."""


def tell(event: str, sentence: str, *, level: int = logging.WARNING, **keys: Any) -> None:
    """Write a line; ``keys`` are those of ``EVENTS``."""
    assert list(keys) == EVENTS[event].split(), EVENTS[event]
    if _log.isEnabledFor(level):
        _log.log(level, "%s", sentence, extra={"event": event, **keys})
