"""One connection of a mock on a port: HTTP as uvicorn speaks it, with bounds on how a request begins."""

import asyncio
import functools
from collections.abc import Iterable
from typing import Any, NoReturn

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from .app import HANG_UP, SAY, is_plain
from .intake import WHOLE, Receive, Scope, Send, headers_of

#: How many bytes the head of a request may have that comes in pieces.
MOST_HEAD = 262_144

#: Within how many seconds the head of a request must have come.
HEAD_PATIENCE = 30.0


class Line(HttpToolsProtocol):
    """A connection that the app can close without a reply, and on which the head of a request must come in time."""

    _timer: asyncio.TimerHandle | None = None
    _held: tuple[RequestResponseCycle, Any] | None = None
    _receiving = False
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
        self._receiving = True
        super().data_received(data)
        self._receiving = False
        if self._held is not None:  # its body has not come with it
            self._begin(*self._held)
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
        """The head is complete."""
        self._head_came()
        super().on_headers_complete()
        if self._held is None:
            self._equip(self.cycle)

    def on_message_complete(self) -> None:
        """All of the body is there, most times in one piece with the head: then it is answered at once."""
        super().on_message_complete()
        self.scope["state"][WHOLE] = True
        if self._held is not None:
            self._answer(*self._held)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """As uvicorn begins to answer a request; one whose end may have come along is held until that is known.

        A uvicorn that has no such method answers every request in a task.
        """
        if self.transport.is_closing():
            return  # nobody would hear the answer to what came after a last request
        if self._receiving and cycle.more_body:
            self._held = cycle, app
        else:
            self._begin(cycle, app)

    def _answer(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Answers a request that is all here; in a task only what takes time, or what is no service's."""
        at_once = getattr(app, "at_once", None)  # uvicorn may have wrapped it
        if at_once is None:
            self._begin(cycle, app)
            return
        self._held = None
        try:
            answer = at_once(cycle.scope, bytes(cycle.body))
        except Exception as error:  # noqa: BLE001 - uvicorn tells of it
            self._begin(cycle, functools.partial(_fail, error))
            return
        if answer is None:
            self._begin(cycle, app)
        elif not (is_plain(answer) and self._say(cycle, answer.status, headers_of(answer), answer.body)):
            self._begin(cycle, functools.partial(app.give, answer))

    def _begin(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._held = None
        self._equip(cycle)
        super()._start_asgi_task(cycle, app)

    def _equip(self, cycle: RequestResponseCycle) -> None:
        """Tells the app how to say all of an answer at once, and how to hang up."""
        state = cycle.scope["state"]
        state[SAY], state[HANG_UP] = functools.partial(self._say, cycle), functools.partial(self._hang_up, cycle)

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


async def _fail(error: Exception, scope: Scope, receive: Receive, send: Send) -> NoReturn:  # noqa: ARG001 - an app
    raise error
