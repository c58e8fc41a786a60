"""What each worker is given when it starts."""

import os
import pickle
import secrets
import socket
from collections.abc import Sequence
from typing import Any

from proxy.config.model import Config
from proxy.core.clock import Clock, monotonic
from proxy.run.workers.balance import Inboxes, shared_file
from proxy.run.workers.shelf import INBOX
from proxy.run.workers.sockets import Bound


class Kept:
    """What operators have changed, for workers that start later: the last question for each."""

    __slots__ = ("_clock", "_questions")

    def __init__(self, clock: Clock = monotonic) -> None:
        self._clock = clock
        self._questions: dict[str, tuple[float, str, dict[str, Any]]] = {}

    def keep(self, key: str, question: str, values: dict[str, Any]) -> None:
        """Keep this one, in the place of an earlier one with the same ``key``."""
        self._questions[key] = self._clock(), question, values

    def forget(self, key: str) -> None:
        """Keep nothing with this ``key``."""
        self._questions.pop(key, None)

    def now(self) -> list[tuple[str, dict[str, Any]]]:
        """The questions and their values; of ``seconds`` what is left, which may be nothing."""
        found = []
        for at, question, values in self._questions.values():
            seconds = values.get("seconds")
            if not seconds:
                found.append((question, values))
            elif (left := seconds - (self._clock() - at)) > 0:
                found.append((question, {**values, "seconds": left}))
        return found


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
        """Number of the configuration."""

    def without(self, addresses: Sequence[Bound]) -> list[Bound]:
        """The given addresses for which no worker has a socket."""
        return [bound for bound in addresses if bound not in self._addresses]

    def follow(self, config: Config, addresses: Sequence[Bound]) -> None:
        """Give workers that start from now on this configuration and these addresses."""
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
