"""Many requests at once, as the asynchronous client hands them out.

The crowd runs in your event loop, so that listeners and asynchronous iterables find themselves where they were made,
but in a task of its own: an asynchronous generator would end somewhere else than it began when its loop is left early,
and a task group in it with it. What begins this task and ends it is the only place that tells asyncio and trio apart.
"""

import asyncio
import contextlib
import contextvars
import sys
import weakref
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable
from typing import Any, Self

import anyio
import anyio.lowlevel

from ._binding import checked
from ._contract.finished import Finished
from ._engine.drive import AsyncDriver
from ._engine.many import Many
from ._orders import Orders, alone, given_up, warned
from .errors import DeliveryWarning, FluxError


class Errand:
    """A crowd in the event loop of whoever waits for it, and who reads its requests; in a task of its own."""

    def __init__(
        self,
        orders: Orders,
        requests: Iterable[Any] | AsyncIterable[Any],
        driver: AsyncDriver,
        base_url: str,
        running: "set[Errand]",
    ) -> None:
        self.ends: deque[tuple[int, Any]] = deque()
        self.over = False
        self.failure: BaseException | None = None
        self._orders, self._requests = orders, requests
        self._many = Many(driver, self._deliver, base_url=base_url)
        self._news, self._room = anyio.Event(), anyio.Event()
        self._running = running
        running.add(self)
        self._post = _begin(self._main)

    async def news(self) -> None:
        """Waits until something can be handed out, or all is over."""
        while not (self.ends or self.over):
            await self._next_news()

    def handed_out(self) -> None:
        """There is room for another request."""
        self._room.set()

    def give_up(self) -> None:
        """Ends what is under way. May be called in any thread."""
        with contextlib.suppress(Exception):  # the event loop has ended, and all that was in it
            self._post(self._many.stop)

    async def stop(self) -> None:
        """Ends what is under way and waits for that, whatever happens to the caller."""
        self._many.stop()
        with anyio.CancelScope(shield=True):
            while not self.over:
                await self._next_news()

    async def _next_news(self) -> None:
        if self._news.is_set():
            self._news = anyio.Event()
        await self._news.wait()

    def _deliver(self, number: int, end: Any) -> None:
        self.ends.append((number, end))
        self._news.set()

    async def _main(self) -> None:
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._read)
                await self._many.run()
                group.cancel_scope.cancel()  # whoever reads waits for what nobody wants any more
        except anyio.get_cancelled_exc_class():
            raise
        except BaseException as error:  # noqa: BLE001 - it is raised where the outcomes are awaited
            self.failure = alone(error)
        finally:
            for member in self._many.lost:
                self.ends.append((member.number, given_up(member)))
            self.over = True
            self._running.discard(self)
            self._news.set()

    async def _read(self) -> None:
        """Reads requests while there is room; an error of theirs is raised once what is under way has ended."""
        try:
            async with contextlib.aclosing(_items(self._requests)) as requests:
                while await self._room_made():
                    self._many.expect(more=not isinstance(self._requests, AsyncIterable))
                    number, flow = self._orders.take(await anext(requests))
                    if isinstance(flow, FluxError):
                        self._deliver(number, flow)
                    else:
                        self._many.add(number, flow, timeout=self._orders.timeout)
        except (StopAsyncIteration, anyio.get_cancelled_exc_class()) as error:
            if not isinstance(error, StopAsyncIteration):
                raise
        except BaseException as error:  # noqa: BLE001 - it is the caller's own
            self.failure = error
            if not isinstance(error, Exception):
                self._many.stop()  # Ctrl-C waits for nobody
        self._many.expect(more=False)
        self._many.finish()

    async def _room_made(self) -> bool:
        while not self._orders.room:
            self._many.expect(more=False)
            self._room = anyio.Event()
            await self._room.wait()
        return True


async def _items(requests: Iterable[Any] | AsyncIterable[Any]) -> AsyncGenerator[Any, None]:
    """The requests; an asynchronous generator among them is closed with this one, because nobody else can do it."""
    if not isinstance(requests, AsyncIterable):
        for request in requests:
            yield request
            await anyio.lowlevel.checkpoint()  # planning takes its time, and others have a right to theirs
        return
    try:
        async for request in requests:
            yield request
    finally:
        if isinstance(requests, AsyncGenerator):
            with anyio.CancelScope(shield=True):
                await requests.aclose()


#: Tasks of asyncio that run; the event loop itself would forget them.
_tasks: set[Any] = set()


def _begin(main: Callable[[], Any]) -> Callable[[Callable[[], None]], object]:
    """Begins *main* as a task that nobody owns; gives what calls a function in its event loop, from any thread.

    anyio has tasks only in groups, which end where they began; an iterator begins and ends where it is told to.
    """
    if anyio.get_cancelled_exc_class() is asyncio.CancelledError:
        task = asyncio.get_running_loop().create_task(main())
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)
        return asyncio.get_running_loop().call_soon_threadsafe
    trio = sys.modules["trio"]  # whoever runs on it has imported it; fluxkit does not ask for it
    trio.lowlevel.spawn_system_task(main, context=contextvars.copy_context())
    post: Callable[[Callable[[], None]], object] = trio.lowlevel.current_trio_token().run_sync_soon
    return post


class AsyncOutcomes(AsyncIterator[Finished]):
    """What became of many requests, as they finish; see ``AsyncClient.generate_many``."""

    def __init__(self, orders: Orders, start: Callable[[], Errand]) -> None:
        self._orders, self._start = orders, start
        self._errand: Errand | None = None
        self._closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Finished:
        if self._closed:
            raise StopAsyncIteration
        if self._errand is None:
            self._errand = self._start()
            weakref.finalize(self, self._errand.give_up).atexit = False
        errand = self._errand
        try:
            await errand.news()
        except BaseException:
            await self.aclose()
            raise
        if not errand.ends or not isinstance(errand.failure, Exception | None):
            self._closed = True
            raise StopAsyncIteration if errand.failure is None else errand.failure
        finished = self._orders.finished(*errand.ends.popleft())
        errand.handed_out()
        if finished.result is not None:
            try:
                checked(finished.result)
            except DeliveryWarning as warning:
                return warned(finished, warning)
        return finished

    async def aclose(self) -> None:
        """Ends what is under way, within two seconds, and hands out no more."""
        self._closed = True
        if self._errand is not None:
            await self._errand.stop()
