"""The two transports, blocking and asynchronous.

They carry out ``Call``, ``Fetch``, ``Keep`` and ``Bring``. Both use httpcore, on which httpx's clients stand, because
those would bring along what must not happen here: cookies, redirects, credentials taken out of addresses, a log line
for every signed link. A stand-in for the sockets is a transport of httpx, as whoever writes a mock knows them.
Whatever there is to decide is decided once, by `Rules` and by the modules ``secret`` and ``download``; the classes only
read and write, one blocking, one on anyio (asyncio and trio). Only they, and the modules ``network``,
``outbox``, ``rules`` and ``wires`` below them, know httpx and httpcore.
"""

import os
import threading
import time
import weakref
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, cast

import anyio
import anyio.to_thread
import httpcore
import httpx

from .answer import Answer
from .download import Draft
from .effects import Bring, Call, Fetch, Fetched, Keep, Reply
from .network import Deadline, ours
from .outbox import Exchange, Lane
from .rules import Rules
from .secret import Secret
from .trail import Trail
from .wires import CONNECTIONS, AsyncSockets, AsyncStandIn, Sockets, StandIn

MOST: Final = 16 * 1024 * 1024
"""The largest answer to a call that is taken, in bytes, unpacked."""


class Transport:
    """Carries out effects, blocking. May be used by several threads at once.

    *secret* goes with keyed calls only. *now* is the clock of the answers, in seconds since the epoch. *inner* stands
    in for the sockets, as a mock in the same process does: the request's extension ``fluxkit.patience`` tells it how
    many seconds remain, and whoever made it closes it. *proxy* is used for every host but loopback; without it the
    proxies of the environment are, as they stand when a host is first spoken to. *local* says that base_url itself is
    on this machine or in a private network: then downloads may be, too; *loopback* that they may lead to this machine,
    where a service elsewhere has no business. *allow_hosts* names hosts from which images and
    references may come although they are not public.

    Raises, from every method: `Unreachable`, `Lost`, `SettingsError`, `ContractError` or `DownloadError`, and whatever
    is no `Exception`, such as `KeyboardInterrupt`, untouched.
    """

    def __init__(
        self,
        *,
        secret: Secret | None = None,
        now: Callable[[], float] = time.time,
        inner: httpx.BaseTransport | None = None,
        proxy: str | None = None,
        local: bool = False,
        allow_hosts: frozenset[str] = frozenset(),
        loopback: bool = True,
    ) -> None:
        self._rules = Rules(
            secret=secret,
            now=now,
            proxy=proxy,
            local=local,
            stood_in=inner is not None,
            allow_hosts=allow_hosts,
            loopback=loopback,
        )
        self._inner = inner
        self._begin()
        _TRANSPORTS.add(self)

    def _begin(self) -> None:
        self._wires: dict[Lane, tuple[Sockets | StandIn, threading.Semaphore]] = {}
        self._lock = threading.Lock()

    def begin_anew(self) -> None:
        """Leaves the connections, and the locks, to the process that this one was forked from."""
        wires = self._wires
        self._begin()
        for wire, _ in wires.values():
            wire.leave()

    def call(self, call: Call) -> Reply:
        """One exchange with the service; an answer that redirects is a reply like any other."""
        exchange = self._rules.exchange(call)
        content: list[bytes] = []
        try:
            answer, _ = self._answer(exchange, MOST, content.append)
            return self._rules.reply(answer, content)
        except Exception as error:  # noqa: BLE001 - whatever it was, the call may have left before it
            failure = self._rules.call_failure(error, exchange)
        # Raised out here, it does not drag along the texts of other libraries, which may quote the key.
        raise failure

    def fetch(self, fetch: Fetch) -> Fetched:
        """One download, over its redirects, into a file that is there whole or not at all."""
        trail = None
        try:
            trail, deadline = self._rules.trail(fetch), self._rules.deadline(fetch.patience)
            with Draft(fetch.path, replaces=fetch.replaces) as draft:
                moves = True
                while moves:
                    exchange = self._rules.step(trail, deadline)
                    answer, moves = self._answer(exchange, fetch.most, draft.write, trail)
                return self._rules.fetched(answer, draft)
        except Exception as error:  # noqa: BLE001 - whatever it was, the image is paid and was not fetched
            failure = self._rules.fetch_failure(error, fetch, trail)
        raise failure

    def keep(self, keep: Keep) -> Fetched:
        """Writes an image that came inside an answer, like a download."""
        return self._rules.keep(keep)

    def bring(self, bring: Bring) -> bytes:
        """The image behind a user's address, over its redirects."""
        trail, content = None, bytearray()
        try:
            trail, deadline = self._rules.trail(bring), self._rules.deadline(bring.patience)
            moves = True
            while moves:
                exchange = self._rules.step(trail, deadline)
                answer, moves = self._answer(exchange, bring.most, content.extend, trail)
            answer.end()
            return bytes(content)
        except Exception as error:  # noqa: BLE001 - whatever it was, nothing was bought
            failure = self._rules.bring_failure(error, bring, trail)
        raise failure

    def close(self) -> None:
        """Closes all connections, those in use as soon as they are not; a later effect opens new ones."""
        with self._lock:
            wires, self._wires = self._wires, {}
        for wire, _ in wires.values():
            wire.close()

    def _answer(
        self, exchange: Exchange, most: int, write: Callable[[bytes], object], trail: Trail | None = None
    ) -> tuple[Answer, bool]:
        """The answer, whose body is handed on to *write*; and whether it sends a *trail* on instead of that."""
        wire, gate = self._wire(self._rules.lane(exchange))
        deadline = exchange.deadline
        quiet = ours.set(True)
        try:
            if not gate.acquire(timeout=deadline.remaining()):
                raise TimeoutError
            try:
                exchange.check()
                exchange.start()
                response = wire.carry(exchange)
                stream = cast("httpx.SyncByteStream", response.stream)
                try:
                    answer = Answer(response.status, response.headers, most=most, write=write)
                    moves = trail is not None and trail.moves(answer)
                    if not moves:
                        for piece in stream:
                            # What is wrong with it makes the next read from the network fail with the reason.
                            deadline.fault = answer.take(piece)
                            deadline.remaining()  # a stand-in measures no time
                    return answer, moves
                finally:
                    stream.close()
            finally:
                gate.release()
        finally:
            exchange.close()
            ours.reset(quiet)

    def _wire(self, lane: Lane) -> tuple["Sockets | StandIn", threading.Semaphore]:
        """The connections of a lane, and the gate before them: each request that waits in httpx's pool slows it."""
        with self._lock:
            if lane not in self._wires:
                wire = Sockets(lane) if self._inner is None else StandIn(self._inner, self._rules.now)
                self._wires[lane] = wire, threading.Semaphore(CONNECTIONS)
            return self._wires[lane]


class AsyncTransport:
    """Carries out effects on anyio: `Transport` with ``await``. Files are written in the event loop, piece by piece."""

    def __init__(
        self,
        *,
        secret: Secret | None = None,
        now: Callable[[], float] = time.time,
        inner: httpx.AsyncBaseTransport | None = None,
        proxy: str | None = None,
        local: bool = False,
        allow_hosts: frozenset[str] = frozenset(),
        loopback: bool = True,
    ) -> None:
        self._rules = Rules(
            secret=secret,
            now=now,
            proxy=proxy,
            local=local,
            stood_in=inner is not None,
            allow_hosts=allow_hosts,
            loopback=loopback,
        )
        self._inner = inner
        self._wires: dict[Lane, tuple[AsyncSockets | AsyncStandIn, anyio.Semaphore]] = {}
        _TRANSPORTS.add(self)

    def begin_anew(self) -> None:
        """Leaves the connections to the process that this one was forked from, whose event loop they belong to."""
        _LEFT.append(self._wires)
        self._wires = {}

    async def call(self, call: Call) -> Reply:
        """One exchange with the service; an answer that redirects is a reply like any other."""
        exchange = self._rules.exchange(call)
        content: list[bytes] = []
        try:
            with anyio.move_on_after(call.patience):
                async with self._answered(exchange) as response:
                    answer = Answer(response.status, response.headers, most=MOST, write=content.append)
                    await _aread(response, answer, exchange.deadline)
                return self._rules.reply(answer, content)
            raise TimeoutError
        except Exception as error:  # noqa: BLE001 - whatever it was, the call may have left before it
            failure = self._rules.call_failure(error, exchange)
        raise failure

    async def fetch(self, fetch: Fetch) -> Fetched:
        """One download, over its redirects, into a file that is there whole or not at all."""
        trail = None
        try:
            trail, deadline = self._rules.trail(fetch), self._rules.deadline(fetch.patience)
            with Draft(fetch.path, replaces=fetch.replaces) as draft:
                with anyio.move_on_after(fetch.patience):
                    moves = True
                    while moves:
                        async with self._answered(self._rules.step(trail, deadline)) as response:
                            answer = Answer(response.status, response.headers, most=fetch.most, write=draft.write)
                            moves = trail.moves(answer)
                            if not moves:
                                await _aread(response, answer, deadline)
                    return self._rules.fetched(answer, draft)
                raise TimeoutError
        except Exception as error:  # noqa: BLE001 - whatever it was, the image is paid and was not fetched
            failure = self._rules.fetch_failure(error, fetch, trail)
        raise failure

    async def keep(self, keep: Keep) -> Fetched:
        """Writes an image that came inside an answer, like a download; in a thread, because it comes all at once."""
        return await anyio.to_thread.run_sync(self._rules.keep, keep)

    async def bring(self, bring: Bring) -> bytes:
        """The image behind a user's address, over its redirects."""
        trail, content = None, bytearray()
        try:
            trail, deadline = self._rules.trail(bring), self._rules.deadline(bring.patience)
            with anyio.move_on_after(bring.patience):
                while True:
                    async with self._answered(self._rules.step(trail, deadline)) as response:
                        answer = Answer(response.status, response.headers, most=bring.most, write=content.extend)
                        if not trail.moves(answer):
                            await _aread(response, answer, deadline)
                            answer.end()
                            return bytes(content)
            raise TimeoutError
        except Exception as error:  # noqa: BLE001 - whatever it was, nothing was bought
            failure = self._rules.bring_failure(error, bring, trail)
        raise failure

    async def aclose(self) -> None:
        """Closes all connections, those in use as soon as they are not; a later effect opens new ones."""
        wires, self._wires = self._wires, {}
        for wire, _ in wires.values():
            await wire.aclose()

    @asynccontextmanager
    async def _answered(self, exchange: Exchange) -> AsyncIterator[httpcore.Response]:
        wire, gate = self._wire(self._rules.lane(exchange))
        quiet = ours.set(True)
        try:
            async with gate:
                await exchange.check_async()
                exchange.start()
                response = await wire.carry(exchange)
                try:
                    yield response
                finally:
                    await cast("httpx.AsyncByteStream", response.stream).aclose()
        finally:
            exchange.close()
            ours.reset(quiet)

    def _wire(self, lane: Lane) -> tuple["AsyncSockets | AsyncStandIn", anyio.Semaphore]:
        if lane not in self._wires:
            wire = AsyncSockets(lane) if self._inner is None else AsyncStandIn(self._inner, self._rules.now)
            self._wires[lane] = wire, anyio.Semaphore(CONNECTIONS, fast_acquire=True)
        return self._wires[lane]


#: All that there are: a fork has copies of their connections, on which two processes would get each other's answers.
_TRANSPORTS: weakref.WeakSet["Transport | AsyncTransport"] = weakref.WeakSet()

#: What a fork has of event loops of its parent, and can neither use nor close.
_LEFT: list[object] = []


def _after_fork() -> None:
    for transport in tuple(_TRANSPORTS):
        transport.begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


async def _aread(response: httpcore.Response, answer: Answer, deadline: Deadline) -> None:
    """Reads the body. What is wrong with it makes the next read from the network fail with the reason."""
    async for piece in cast("AsyncIterable[bytes]", response.stream):
        deadline.fault = answer.take(piece)
