"""Many requests at once, as the blocking client hands them out.

The crowd runs in a thread with an event loop of its own, and the requests are read in yours: a generator may use what
belongs to its thread, as a database's cursor does.
"""

import asyncio
import contextlib
import contextvars
import queue
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Self

import anyio

from ._binding import checked
from ._contract.finished import Finished
from ._engine.drive import AsyncDriver
from ._engine.many import Many
from ._orders import Orders, alone, given_up, warned
from .errors import Charged, DeliveryWarning, FluxError

if TYPE_CHECKING:
    from ._engine.effects import Flow

#: So many requests are handed to the other thread at once.
BATCH = 16

Ready = threading.Event

Added = tuple[int, "Flow[Any]"]


class Thread:
    """A thread in whose event loop a crowd runs; ``ends`` is what came of each, and None once nothing more will."""

    def __init__(
        self, driver: Callable[[], AsyncDriver], base_url: str, timeout: float, running: "set[Thread]"
    ) -> None:
        self.ends: queue.SimpleQueue[tuple[int, Any] | BaseException | None] = queue.SimpleQueue()
        self._driver, self._base_url, self._timeout = driver, base_url, timeout
        self._ready = Ready()
        self._loop: asyncio.AbstractEventLoop | None = None
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._work,), name="fluxkit-many", daemon=True)
        self.stopped = False
        self._running = running
        running.add(self)
        self._thread.start()
        try:
            self._ready.wait()
        except BaseException:
            self.stop()
            raise

    def add(self, flows: list[Added], *, more: bool) -> None:
        """Lets flows begin; *more* says that others follow at once."""
        self._post(self._add, flows, more)

    @property
    def gone(self) -> bool:
        """Whether it runs no more and will say nothing more, as in a fork, which has no threads of its parent."""
        return not self._thread.is_alive() and self.ends.empty()

    def stop(self) -> None:
        """Ends what is under way, and waits for that; what is being bought is given its two seconds."""
        self.stopped = True
        self._post(self._stop)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _post(self, do: Callable[..., None], *arguments: Any) -> None:
        with contextlib.suppress(RuntimeError):  # it has ended
            if self._loop is not None:
                self._loop.call_soon_threadsafe(do, *arguments, context=self._context)

    def _stop(self) -> None:
        self._many.stop()

    def _add(self, flows: list[Added], more: bool) -> None:  # noqa: FBT001 - call_soon takes no names
        for number, flow in flows:
            self._many.add(number, flow, timeout=self._timeout)
        self._many.expect(more=more)

    def _work(self) -> None:
        try:
            anyio.run(self._main)
        except BaseException as error:  # noqa: BLE001 - there is not even a loop, as where no file can be opened any more
            self._running.discard(self)
            self.ends.put(error)
            self._ready.set()

    async def _main(self) -> None:
        end: BaseException | None = None
        try:
            driver = self._driver()
            self._many = Many(driver, lambda number, end: self.ends.put((number, end)), base_url=self._base_url)
            self._context = contextvars.copy_context()  # in which anyio knows where it is
            self._loop = asyncio.get_running_loop()
            if self.stopped:
                self._many.stop()
            self._ready.set()
            try:
                await self._many.run()
            finally:
                with anyio.CancelScope(shield=True):
                    await driver.transport.aclose()  # type: ignore[attr-defined]  # it is one of ours
            for member in self._many.lost:
                self.ends.put((member.number, given_up(member)))
        except BaseException as error:  # noqa: BLE001 - it is raised in the thread that waits
            end = alone(error)
        finally:
            self._running.discard(self)
            self._ready.set()
            self.ends.put(end)


class Outcomes(Iterator[Finished]):
    """What became of many requests, as they finish; see ``Client.generate_many``."""

    def __init__(self, orders: Orders, requests: Iterable[Any], start: Callable[[], Thread]) -> None:
        self._orders, self._requests, self._start = orders, iter(requests), start
        self._thread: Thread | None = None
        self._ended = self._closed = False
        self._failure: BaseException | None = None
        self._refused: deque[tuple[int, Any]] = deque()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Finished:
        try:
            number, end = self._next()
        except BaseException:
            self.close()
            raise
        finished = self._orders.finished(number, end)
        if finished.result is not None:
            try:
                checked(finished.result)
            except DeliveryWarning as warning:
                return warned(finished, warning)
        return finished

    def close(self) -> None:
        """Ends what is under way, within two seconds, and hands out no more."""
        self._closed = True
        if self._thread is not None:
            self._thread.stop()

    def _next(self) -> tuple[int, Any]:
        if self._closed:
            raise StopIteration
        if self._thread is None:
            self._thread = self._start()
            weakref.finalize(self, self._thread.stop)  # also when the interpreter ends
        if self._thread.gone:
            raise FluxError(
                "These images are made by the process that this one was forked from. Make them there, or begin here.",
                charged=Charged.UNKNOWN,
            )
        self._read(self._thread)
        if self._refused:
            return self._refused.popleft()
        if self._orders.empty and self._ended:
            raise StopIteration if self._failure is None else self._failure
        end = self._thread.ends.get()
        if not isinstance(end, tuple):
            raise StopIteration if end is None else end
        return end

    def _read(self, thread: Thread) -> None:
        """Reads requests while there is room, or until something can be handed out."""
        flows: list[Added] = []
        begun = False
        while not (self._ended or thread.stopped) and self._orders.room and not self._refused and thread.ends.empty():
            try:
                number, flow = self._orders.take(next(self._requests))
            except Exception as error:  # noqa: BLE001 - StopIteration, or it is raised once all else has ended
                self._failure = None if isinstance(error, StopIteration) else error
                self._ended = True
                break
            if isinstance(flow, FluxError):
                self._refused.append((number, flow))
            else:
                flows.append((number, flow))
            if len(flows) == BATCH:
                thread.add(flows, more=True)
                flows, begun = [], True
        if flows or begun:
            thread.add(flows, more=False)
