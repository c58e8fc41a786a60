"""A worker, as its parent knows it."""

from typing import Any

from proxy.core.clock import monotonic
from proxy.core.samples import Sample
from proxy.run.workers.link import Link


class Member:
    """A worker process."""

    def __init__(self, slot: int) -> None:
        self.slot = slot
        self.pid = 0
        self.state = "starting"
        """Then ``serving``, ``retiring`` and ``ended``."""
        self.link: Link | None = None
        self.samples: list[Sample] = []
        """The last that it told."""
        self.clean: bool | None = None
        """Whether nothing was cut; None before it has said so."""
        self.successor: Member | None = None
        self.since = monotonic()

    def tell(self, notice: str, **values: Any) -> None:
        """Say something, where it is there to hear it."""
        if self.link is not None:
            self.link.tell(notice, **values)
