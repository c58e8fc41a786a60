"""What a proxy is to do with a recording, with the commands ``record`` and ``replay``."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # those commands alone load it
    from proxy.core.recording import Recording


class RecordingMode(NamedTuple):
    """What a proxy is to do with a recording."""

    recording: "Recording"
    replays: bool = False
    paced: bool = False
    """Whether replies take the time that they took."""
    compressed: bool = False
    """Whether clients may ask the API for compressed bodies while it is recorded."""
