"""Many requests at once, as both clients hand them out: what is read, what is under way, what has ended.

The blocking iterator runs the crowd in a thread with an event loop of its own, and reads the requests in yours: a
generator may use what belongs to its thread, as a database's cursor does. The asynchronous one runs it in your event
loop, so that listeners and asynchronous iterables find themselves where they were made, but in a task of its own: an
asynchronous generator would end somewhere else than it began when its loop is left early, and a task group in it with
it. What begins this task and ends it is the only place that tells asyncio and trio apart.
"""

import asyncio
import contextlib
import contextvars
import os
import queue
import sys
import threading
import weakref
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import anyio
import anyio.lowlevel
import attrs

from ._binding import Binding, checked
from ._contract.finished import Finished
from ._contract.media import format_named
from ._contract.report import shorten
from ._contract.request import Request
from ._engine.drive import AsyncDriver
from ._engine.flows import Manner, generate
from ._engine.many import Many, as_error
from ._engine.place import split
from ._service import check
from .errors import Charged, DeliveryWarning, FluxError, Overdue, SettingsError

if TYPE_CHECKING:
    from ._engine.crowd import Member
    from ._engine.effects import Flow

#: So many requests are handed to the other thread at once.
BATCH = 16

Ready = threading.Event

Added = tuple[int, "Flow[Any]"]


class Orders:
    """The requests as they are read: each has a number, and becomes a flow or the error for which it is refused."""

    def __init__(self, client: Binding, manner: Manner, to: Any, in_flight: int) -> None:
        self._client, self._manner, self._to = client, manner, to
        self.timeout, self._in_flight = manner.timeout, in_flight
        self._next = 0
        self._open: dict[int, Any] = {}

    @property
    def room(self) -> bool:
        """Whether another request may be read: what is under way or not handed out yet is bounded."""
        return len(self._open) < self._in_flight

    @property
    def empty(self) -> bool:
        """Whether everything that was read has been handed out."""
        return not self._open

    def take(self, request: Any) -> tuple[int, "Flow[Any] | FluxError"]:
        """The number of a request, and the flow that serves it or why there is none."""
        number, self._next = self._next, self._next + 1
        self._open[number] = request
        try:
            if not isinstance(request, Request | str):
                raise SettingsError(f"requests holds {shorten(request)}. Allowed: each a Request, or a str as prompt.")
            plan = self._client._plan_for(self._to, request, {})  # noqa: SLF001 - of our client
            return number, generate(plan, self._numbered(number))
        except Exception as error:  # noqa: BLE001 - one bad request must not cost the others
            return number, as_error(error)

    def _numbered(self, number: int) -> Manner:
        """A name that the user gave is everybody's: each request adds its number to it, from 1."""
        place = self._manner.place
        if place.name is None:
            return self._manner
        stem, suffix = split(place.name)
        return attrs.evolve(self._manner, place=attrs.evolve(place, name=f"{stem}-{number + 1}{suffix}"))

    def finished(self, number: int, end: Any) -> Finished:
        """What became of a request, which is handed out now. An error carries no traceback of ours."""
        request = self._open.pop(number)
        if isinstance(end, Exception):
            return Finished(number, request, error=as_error(end))
        return Finished(number, request, result=end)


def orders_of(
    client: Binding,
    requests: Any,
    *kinds: type,
    in_flight: int,
    to: str | Path | None,
    timeout: float | None,
    fetch: bool,
) -> Orders:
    """The orders of a client, once everything but the requests themselves is known to be usable."""
    client._refuse_if_offline()  # noqa: SLF001 - of our client
    bounded = isinstance(in_flight, int) and not isinstance(in_flight, bool) and in_flight >= 1
    check("in_flight", in_flight, bounded, "how many requests may be under way at once, from 1")
    several = isinstance(requests, kinds) and not isinstance(requests, str | bytes)
    check("requests", requests, several, "an iterable of prompts or Requests, such as a list; for one, use generate")
    if isinstance(to, str | os.PathLike) and format_named(Path(to).suffix) is None:
        to = f"{os.fspath(to)}{os.sep}"  # a directory, whether it is there or not
    return Orders(client, client._manner(timeout=timeout, to=to, fetch=fetch), to, in_flight)  # noqa: SLF001


def given_up(member: "Member") -> FluxError:
    """What is said of a flow that was under way when its client was closed."""
    if member.task is not None:
        task = member.task
        return Overdue(
            f"The task {task.id} on {task.provider} was under way when the client was closed. It goes on: wait for it "
            "again.",
            provider=task.provider,
            model=task.model,
            task=task,
        )
    if not member.started:
        return FluxError("The client was closed before the request was sent: nothing was bought.", charged=Charged.NO)
    return member.end or FluxError(
        "The client was closed while the request was under way. Whether it was bought is in the notes, or the journal.",
        charged=Charged.UNKNOWN,
    )


def warned(finished: Finished, warning: DeliveryWarning) -> Finished:
    """The same, with a warning that somebody made an error as its error: the loop goes on."""
    return Finished(finished.number, finished.request, error=warning)


def _alone(error: BaseException) -> BaseException:
    """The error itself, where a task group has wrapped nothing else with it."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


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
        self._thread = threading.Thread(
            target=context.run, args=(anyio.run, self._main), name="fluxkit-many", daemon=True
        )
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
            end = _alone(error)
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
            self.failure = _alone(error)
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
