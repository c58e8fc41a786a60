"""The body of a reply as it comes in."""

import asyncio

from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from proxy.core.errors import ReplyStalled
from proxy.core.reply import Ending
from proxy.upstream.session import Line
from proxy.upstream.translate import body_error


class Stream:
    """Reads on the idle clock, and gives the connection back at the end."""

    __slots__ = ("_idle", "_line", "_payload", "_upload", "_whole")

    def __init__(
        self,
        line: Line,
        payload: StreamReader,
        upload: asyncio.Task[None] | None,
        idle: float,
    ) -> None:
        self._line = line
        self._payload = payload
        self._upload = upload
        self._idle = idle
        self._whole: bytes | None = None
        line.protocol.alarm.clear()

    def end_connection(self) -> None:
        """Not for another request after this one."""
        self._line.protocol.force_close()

    @property
    def buffered(self) -> bytes | None:
        """The whole body where it has already arrived, else None."""
        if self._whole is not None:
            return self._whole
        payload = self._payload
        if payload.is_eof() and payload.exception() is None:
            self._whole = take_buffered(payload)
        return self._whole

    async def read(self) -> bytes:
        """The next bytes, ``b""`` at the end. Raises ReplyBroken where the body ended early."""
        if self._whole is not None:
            whole, self._whole = self._whole, b""
            return whole
        payload = self._payload
        protocol = self._line.protocol
        protocol.expect(self._idle, _stalled)
        try:
            return await payload.readany()
        except Exception as error:
            if rest := take_buffered(payload):  # what came before it broke; the error comes again
                return rest
            raise body_error(error) from error
        finally:
            protocol.alarm.clear()

    def close(self, ending: Ending) -> None:
        """Give the connection back, or close it where anything was left unread or unsent."""
        upload = self._upload
        if upload is not None and not upload.done():
            upload.cancel()
            self._line.discard()
        elif ending is Ending.COMPLETE:
            self._line.release()
        else:
            self._line.discard()


def _stalled() -> Exception:
    return ReplyStalled("nothing came within idle")


def take_buffered(payload: StreamReader) -> bytes:
    """What has arrived of a body, even where it has broken since."""
    if payload is EMPTY_PAYLOAD or not payload._buffer:
        return b""
    return payload._read_nowait(-1)
