"""What operators are shown of one thing, as a test compares it."""

from typing import Any

from proxy.core.samples import Described


def told(thing: Described, now: float = 0.0) -> dict[str, Any]:
    """Values by name, with those of their labels behind it: ``coalesce_bypassed private``."""
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for sample in thing.describe(now)
    }
