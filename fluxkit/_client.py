"""The clients: one blocking, one for asyncio and trio. What they do is in the flows; what they know in the binding."""

import functools
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ._binding import Binding, checked
from ._contract.finished import Finished
from ._contract.request import Request
from ._contract.result import Result
from ._contract.task import Task
from ._sink import Sink, check_one, parted, poured, poured_async

if TYPE_CHECKING:
    from ._contract.cancellation import Cancellation
    from ._contract.event import Event
    from ._contract.journal import Recovered, Row
    from ._engine.drive import AsyncDriver, Driver


class Client(Binding):
    """Makes images on one model of one service, blocking. ``AsyncClient`` has the same methods.

    ::

        with fluxkit.Client("magnific:flux-2-klein", key="...") as client:
            result = client.generate("a lighthouse at dusk", aspect="16:9", to="lighthouse.png")
    """

    @functools.cached_property
    def _driver(self) -> "Driver":
        from ._engine.clock import SystemClock
        from ._engine.drive import Driver
        from ._engine.transport import Transport

        clock = SystemClock() if self._mock is None else self._mock.clock
        inner = None if self._mock is None else self._mock.transport()
        transport = Transport(now=clock.now, inner=inner, **self._rules)
        notes, mailbox = self._notebook(), self._mailbox
        return Driver(transport, clock, notes, hosting=self._hosting, mailbox=mailbox, ears=self._ears)

    def generate(
        self,
        request: Request | str,
        *,
        to: str | Path | Sink | None = None,
        timeout: float | None = None,
        fetch: bool = True,
        **fields: Any,
    ) -> Result:
        """Buys the images, waits for them and fetches them, within *timeout* seconds in all.

        *to* is a directory; or a file, whose name may hold ``{provider}``, ``{model}``, ``{task}``, ``{seed}`` and
        ``{n}``; or an open binary file, which is written once the image is whole. Without it, images go to the spool.
        With ``fetch=False`` only their links come.

        Raises:
            Unsupported: The model cannot serve the request; nothing was sent.
            ReferenceUnusable: A reference cannot be read, fetched or uploaded; nothing was bought.
            SubmissionUnknown: The submit left, and whether it was accepted is not known.
            Overdue: A task is still running; ``error.task`` can be waited for again.
            TaskError: The task ended without an image.
            DownloadError: The image exists, and could not be fetched; ``error.task`` can be waited for again.
            FluxError: Any other error of ``fluxkit.errors``; each says whether something was charged.
        """
        from ._engine.flows import generate

        self._refuse_if_offline()
        path, sink = parted(to, fetch=fetch)
        manner = self._manner(timeout=timeout, to=path, fetch=fetch)
        with self._recorded("generate") as call:
            wanted = call.asked(self._asked(manner.place.name, request, fields))
            plan = call.planned(check_one(self._planned(wanted), sink))
            result = call.came(self._driver.run(generate(plan, manner)))
            return checked(poured(result, sink))

    def submit(self, request: Request | str, **fields: Any) -> Task:
        """Buys one image and returns its task, without waiting for it. Raises what ``generate`` raises."""
        from ._engine.flows import place_order

        self._refuse_if_offline()
        with self._recorded("submit") as call:
            plan = call.planned(self._order(call.asked(self._asked(None, request, fields))))
            return call.came(self._driver.run(place_order(plan, self._manner(fetch=False))))

    def wait(
        self, task: Task, *, to: str | Path | Sink | None = None, timeout: float | None = None, fetch: bool = True
    ) -> Result:
        """Waits for a task, perhaps of another process, and fetches its images. Raises what ``generate`` raises."""
        from ._engine.flows import resume

        path, sink = parted(to, fetch=fetch)
        task, manner = self._own(task), self._manner(timeout=timeout, to=path, fetch=fetch)
        with self._recorded("wait") as call:
            result = call.came(self._driver.run(resume(self.provider, call.waited(task), manner)))
            return checked(poured(result, sink))

    def generate_many(
        self,
        requests: Iterable[Request | str],
        *,
        in_flight: int = 32,
        to: str | Path | None = None,
        timeout: float | None = None,
        fetch: bool = True,
    ) -> Iterator[Finished]:
        """Serves any number of requests, *in_flight* at once, and hands out what became of each as it finishes.

        ::

            for finished in client.generate_many(prompts, in_flight=32, to="images/"):
                print(finished.number, finished.error or finished.result.images[0].path)

        Every request that was read has exactly one ``Finished``, with its result or its error: the loop itself raises
        only what *requests* raises, once all else has been handed out. They are read as there is room: what is under
        way, or has ended and was not handed out yet, is at most *in_flight*. *to* is a directory, or the name of a
        picture to which each request adds its number; *timeout* counts for each request from its own beginning.

        Leaving the loop, closing the client or Ctrl-C ends it within two seconds: what is being bought then is given
        that time for its answer, and what was bought stands in the notes. The work is done in a thread of its own, and
        listeners are called there.
        """
        from ._many import Outcomes, Thread
        from ._orders import orders_of

        orders = orders_of(self, requests, Iterable, in_flight=in_flight, to=to, timeout=timeout, fetch=fetch)
        notes = self._driver.notes
        start = functools.partial(
            Thread,
            lambda: self._asynchronous(notes),
            base_url=self.base_url,
            timeout=orders.timeout,
            running=self._running,
        )
        return Outcomes(orders, requests, start)

    def status(self, task: Task) -> Task:
        """The task as it is now, by one look; nothing is waited for or fetched. Every error carries the task."""
        from ._engine.recover import look

        return self._driver.run(look(self.provider, self._own(task), self._patience))

    def events(self, task: Task, *, timeout: float | None = None) -> "Iterator[Event]":
        """What is seen of a task, from now until it has ended: how it stands, and then each change. Nothing is fetched.

        ::

            for event in client.events(task, timeout=300):
                print(event.state, event.progress)

        A change is one of its state, the service's word for that, or its progress, seen by a poll or told by a webhook.
        The last event says how it ended, also if that was without an image. Raises ``Overdue`` after *timeout* seconds
        in all, and what the service refuses; every error carries the task.
        """
        from ._engine.follow import watch
        from ._engine.sight import Sight

        timeout = self._seconds(timeout)
        return Sight(self._driver, watch(self.provider, self._own(task), timeout, self._patience))

    def cancel(self, task: Task) -> "Cancellation":
        """Asks the service to stop a task, and says what is known of it then: stopped or not, charged or not.

        A service that stops no tasks is not asked: then the task is bought and goes on. Every error carries the task.
        """
        from ._engine.cancel import cancel

        return self._driver.run(cancel(self.provider, self._own(task), self._patience))

    def recover(self, *, timeout: float | None = None) -> "Recovered":
        """Waits for and fetches all that was bought from this service and not fetched, also by processes that died.

        Images go where they were to go, beside a file that is there by now, or to the spool. Nothing is bought: a
        submit of which nobody knows whether it was accepted is listed as unknown, for you to settle. What a running
        process has in hand is left to it.

        A client that trusts its service to know a submit again (``idempotency="trust"``) sends such a one again first,
        with its key; one that never arrived is bought by that, once.

        Raises ``JournalUnavailable`` if the journal cannot be read. Errors of tasks are in what it returns.
        """
        from ._engine.recover import recover

        manner = self._manner(timeout=timeout)
        found = self._driver.run(recover(self.provider, self.base_url, manner, self._place_of))
        for result in found.results:
            checked(result)
        return found

    def tasks(self, *, state: str | None = None) -> "tuple[Row, ...]":
        """What the journal holds of this service, the oldest first; with a *state* only what stands so."""
        from ._settling import wanted

        return self._driver.notes.rows(**wanted(self, state))

    def adopt(self, row: str, task_id: str) -> Task:
        """Settles a row whose fate was not known: it was accepted, as this task, which can be waited for.

        If the service turns out not to know that task, the row can be settled again. Raises ``SettingsError`` if there
        is no such row, if it is settled or its fate is known, or if another row has that task.
        """
        from ._settling import adopted, id_of, named

        notes = self._driver.notes
        found, others = notes.rows(row=named(row)), notes.rows(task_id=id_of(task_id))
        task, note = adopted(self, row, task_id, found, others)
        notes.take(note)
        return task

    def resubmit(self, row: str) -> Task:
        """Buys once more what a row asked for whose fate is not known, knowing that it may be the second time.

        The new row names the old one, which is settled by that. Raises what ``adopt`` and ``submit`` raise.
        """
        from ._engine.flows import place_order
        from ._settling import named, order_again

        self._refuse_if_offline()
        with self._recorded("resubmit") as call:
            plan, manner = order_again(self, row, self._driver.notes.rows(row=named(row)))
            call.asked(call.planned(plan).request)
            return call.came(self._driver.run(place_order(plan, manner)))

    def dismiss(self, row: str) -> None:
        """Settles a row that nobody shall hear of again: it was not bought, or its image is not wanted any more."""
        from ._settling import dismissed, named

        notes = self._driver.notes
        notes.take(dismissed(self, row, notes.rows(row=named(row))))

    def close(self) -> None:
        """Closes the connections; tasks go on at the service."""
        for crowd in tuple(self._running):
            crowd.stop()
        if "_driver" in self.__dict__:
            driver = self.__dict__.pop("_driver")
            driver.transport.close()
            driver.notes.finish()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClient(Binding):
    """Makes images on one model of one service, on asyncio or trio: ``Client``, with ``await``."""

    @functools.cached_property
    def _driver(self) -> "AsyncDriver":
        return self._asynchronous(self._notebook())

    async def generate(
        self,
        request: Request | str,
        *,
        to: str | Path | Sink | None = None,
        timeout: float | None = None,
        fetch: bool = True,
        **fields: Any,
    ) -> Result:
        """Buys the images, waits for them and fetches them; see ``Client.generate``."""
        from ._engine.flows import generate

        self._refuse_if_offline()
        path, sink = parted(to, fetch=fetch)
        manner = self._manner(timeout=timeout, to=path, fetch=fetch)
        with self._recorded("generate") as call:
            wanted = call.asked(self._asked(manner.place.name, request, fields))
            plan = call.planned(check_one(self._planned(wanted), sink))
            result = call.came(await self._driver.run(generate(plan, manner)))
            return checked(await poured_async(result, sink))

    async def submit(self, request: Request | str, **fields: Any) -> Task:
        """Buys one image and returns its task; see ``Client.submit``."""
        from ._engine.flows import place_order

        self._refuse_if_offline()
        with self._recorded("submit") as call:
            plan = call.planned(self._order(call.asked(self._asked(None, request, fields))))
            return call.came(await self._driver.run(place_order(plan, self._manner(fetch=False))))

    async def wait(
        self, task: Task, *, to: str | Path | Sink | None = None, timeout: float | None = None, fetch: bool = True
    ) -> Result:
        """Waits for a task, perhaps of another process, and fetches its images; see ``Client.wait``."""
        from ._engine.flows import resume

        path, sink = parted(to, fetch=fetch)
        task, manner = self._own(task), self._manner(timeout=timeout, to=path, fetch=fetch)
        with self._recorded("wait") as call:
            result = call.came(await self._driver.run(resume(self.provider, call.waited(task), manner)))
            return checked(await poured_async(result, sink))

    def generate_many(
        self,
        requests: Iterable[Request | str] | AsyncIterable[Request | str],
        *,
        in_flight: int = 32,
        to: str | Path | None = None,
        timeout: float | None = None,
        fetch: bool = True,
    ) -> AsyncIterator[Finished]:
        """Serves any number of requests, *in_flight* at once; see ``Client.generate_many``."""
        from ._many_async import AsyncOutcomes, Errand
        from ._orders import orders_of

        orders = orders_of(
            self, requests, Iterable, AsyncIterable, in_flight=in_flight, to=to, timeout=timeout, fetch=fetch
        )
        start = functools.partial(Errand, orders, requests, self._driver, base_url=self.base_url, running=self._running)
        return AsyncOutcomes(orders, start)

    async def status(self, task: Task) -> Task:
        """The task as it is now, by one look; see ``Client.status``."""
        from ._engine.recover import look

        return await self._driver.run(look(self.provider, self._own(task), self._patience))

    def events(self, task: Task, *, timeout: float | None = None) -> "AsyncIterator[Event]":
        """What is seen of a task, from now until it has ended; see ``Client.events``."""
        from ._engine.follow import watch
        from ._engine.sight import AsyncSight

        timeout = self._seconds(timeout)
        return AsyncSight(self._driver, watch(self.provider, self._own(task), timeout, self._patience))

    async def cancel(self, task: Task) -> "Cancellation":
        """Asks the service to stop a task, and says what is known of it then; see ``Client.cancel``."""
        from ._engine.cancel import cancel

        return await self._driver.run(cancel(self.provider, self._own(task), self._patience))

    async def recover(self, *, timeout: float | None = None) -> "Recovered":
        """Waits for and fetches all that was bought from this service and not fetched; see ``Client.recover``."""
        from ._engine.recover import recover

        manner = self._manner(timeout=timeout)
        found = await self._driver.run(recover(self.provider, self.base_url, manner, self._place_of))
        for result in found.results:
            checked(result)
        return found

    async def tasks(self, *, state: str | None = None) -> "tuple[Row, ...]":
        """What the journal holds of this service, the oldest first; see ``Client.tasks``."""
        from ._settling import wanted

        return await self._driver.notes.rows_async(**wanted(self, state))

    async def adopt(self, row: str, task_id: str) -> Task:
        """Settles a row whose fate was not known: it was accepted, as this task; see ``Client.adopt``."""
        from ._settling import adopted, id_of, named

        notes = self._driver.notes
        found, others = await notes.rows_async(row=named(row)), await notes.rows_async(task_id=id_of(task_id))
        task, note = adopted(self, row, task_id, found, others)
        await notes.take_async(note)
        return task

    async def resubmit(self, row: str) -> Task:
        """Buys once more what a row asked for whose fate is not known; see ``Client.resubmit``."""
        from ._engine.flows import place_order
        from ._settling import named, order_again

        self._refuse_if_offline()
        with self._recorded("resubmit") as call:
            plan, manner = order_again(self, row, await self._driver.notes.rows_async(row=named(row)))
            call.asked(call.planned(plan).request)
            return call.came(await self._driver.run(place_order(plan, manner)))

    async def dismiss(self, row: str) -> None:
        """Settles a row that nobody shall hear of again; see ``Client.dismiss``."""
        from ._settling import dismissed, named

        notes = self._driver.notes
        await notes.take_async(dismissed(self, row, await notes.rows_async(row=named(row))))

    async def close(self) -> None:
        """Closes the connections; tasks go on at the service."""
        for crowd in tuple(self._running):
            await crowd.stop()
        if "_driver" in self.__dict__:
            driver = self.__dict__.pop("_driver")
            await driver.transport.aclose()
            await driver.notes.finish_async()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
