"""What each worker is given when it starts."""

import os
import pickle
import secrets
import socket
from collections.abc import Sequence
from typing import Any

from proxy.config.model import Config
from proxy.run.workers.balance import Inboxes, shared_file
from proxy.run.workers.kept import Kept
from proxy.run.workers.shelf import INBOX
from proxy.run.workers.sockets import Bound


class Outfit:
    """Of all of them, as the configuration of the moment has it."""

    def __init__(self, config: Config, slots: int, addresses: Sequence[Bound]) -> None:
        self._config = config
        self._slots = slots
        self._addresses = addresses
        self._instance = secrets.token_hex(4)
        self._inboxes = Inboxes(slots)
        self.memory = shared_file(slots)
        """The file that all processes share, for counts and for turns at the output."""
        self.kept = Kept()
        self.version = 0
        """Of the configuration."""

    def without(self, addresses: Sequence[Bound]) -> list[Bound]:
        """Those of these that no worker has sockets of."""
        return [bound for bound in addresses if bound not in self._addresses]

    def follow(self, config: Config, addresses: Sequence[Bound]) -> None:
        """Of workers that start from now on."""
        self._config = config
        self._addresses = addresses
        self.version += 1

    def descriptors(self, slot: int, link: socket.socket, shelf: socket.socket) -> tuple[int, ...]:
        """Those of the worker in ``slot``, in the order in which ``worker`` reads them."""
        return (
            link.fileno(),
            shelf.fileno(),
            self.memory,
            self._inboxes.receiving[slot].fileno(),
            *(end.fileno() for end in self._inboxes.sending),
            *(one.fileno() for bound in self._addresses for one in bound.rows[slot]),
        )

    def queues(self, slot: int) -> dict[str, list[socket.socket]]:
        """Where connections of a slot wait, by address, and its ``INBOX``.

        Of a unix socket all slots have the same queue, which needs nobody else.
        """
        own = {bound.asked: bound.rows[slot] for bound in self._addresses if not bound.is_for_all}
        return {**own, INBOX: [self._inboxes.receiving[slot]]}

    def values(self, slot: int) -> dict[str, Any]:
        """What goes with the descriptors, as the first notice."""
        return {
            "config": pickle.dumps(self._config),
            "slots": self._slots,
            "instance": self._instance,
            "sockets": [[bound.asked, len(bound.rows[slot])] for bound in self._addresses],
        }

    def close(self) -> None:
        """Let go of everything; workers have their own."""
        self._inboxes.close()
        os.close(self.memory)
