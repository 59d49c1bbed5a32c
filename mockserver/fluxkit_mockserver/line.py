"""One connection of a mock on a port: HTTP as uvicorn speaks it, with bounds on how a request begins."""

import asyncio
import functools
from collections.abc import Iterable

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from .app import HANG_UP, SAY
from .intake import WHOLE

#: How many bytes the head of a request may have that comes in pieces.
MOST_HEAD = 262_144

#: Within how many seconds the head of a request must have come.
HEAD_PATIENCE = 30.0


class Line(HttpToolsProtocol):
    """A connection that the app can close without a reply, and on which the head of a request must come in time."""

    _timer: asyncio.TimerHandle | None = None
    _heading = False
    _head_size = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """A client has connected: the head of its first request is waited for."""
        super().connection_made(transport)
        self.access_log = False  # the setting of the same name would silence every uvicorn in this process
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, and with it what was waited for."""
        self._head_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes have come; a head that is not complete with them is bounded in time and size."""
        super().data_received(data)
        if self._heading:  # most heads come in one piece, and need neither a timer nor a bound
            self._head_size += len(data)
            if self._head_size > MOST_HEAD:
                self._refuse(b"431 Request Header Fields Too Large")
            elif self._timer is None:
                self._await_head()

    def on_message_begin(self) -> None:
        """A request begins with its head."""
        super().on_message_begin()
        self._heading, self._head_size = True, 0

    def on_headers_complete(self) -> None:
        """The head is complete; the app is told how to say all at once, and how to hang up."""
        self._head_came()
        super().on_headers_complete()
        state = self.scope["state"]
        state[SAY], state[HANG_UP] = (functools.partial(way, self.cycle) for way in (self._say, self._hang_up))

    def on_message_complete(self) -> None:
        """All of the body is there, most times before the app is called."""
        super().on_message_complete()
        self.scope["state"][WHOLE] = True

    def on_response_complete(self) -> None:
        """The next call of this connection is begun. No more are read before all that were sent together are begun.

        uvicorn reads on after each answer, so that whoever sends 20,000 at once has all of them in memory, and others
        wait until they are parsed.
        """
        super().on_response_complete()
        if self.pipeline:
            self.flow.pause_reading()

    def _await_head(self) -> None:
        self._timer = self.loop.call_later(HEAD_PATIENCE, self._refuse, b"408 Request Timeout")

    def _head_came(self) -> None:
        self._heading = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, why: bytes) -> None:
        """Ends a connection on which no head comes, or no end of it: nobody holds one, or fills it, for ever."""
        self.transport.write(b"HTTP/1.1 %s\r\nconnection: close\r\ncontent-length: 0\r\n\r\n" % why)
        self.transport.close()

    def _say(
        self, cycle: RequestResponseCycle, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes
    ) -> bool:
        """Writes an answer in one piece, which uvicorn would write in two; tells whether it may."""
        if cycle.disconnected or self.flow.write_paused or cycle.scope["method"] == "HEAD":
            return False
        lines = [STATUS_LINE[status]]
        for name, value in (*cycle.default_headers, *headers):
            lines += (name, b": ", value, b"\r\n")
        lines += (b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n", body)
        cycle.response_started = cycle.response_complete = True
        cycle.transport.write(b"".join(lines))
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()
        return True

    def _hang_up(self, cycle: RequestResponseCycle, *, at_once: bool = False) -> None:
        cycle.disconnected = True  # so no reply is missed
        if at_once:
            self.transport.abort()  # whoever does not read would never have read the rest
        else:
            self.transport.close()
