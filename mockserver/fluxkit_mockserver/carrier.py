"""Posts over the network what falls due, on asyncio beside the server, for as long as a mock stands on a port."""

import asyncio
import contextlib
import functools
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

import attrs

from .outlet import Delivery
from .parcels import Parcel, Parcels
from .reach import may_go

if TYPE_CHECKING:
    import httpx

#: How many are under way at a time, so that receivers who never answer hold up others only so much.
MOST_AT_ONCE = 16

#: How many seconds a receiver has where no page says it.
USUAL_TIMEOUT = 10.0


@attrs.define(eq=False, repr=False)
class Carrier:
    """Carries *parcels* by the mock's *clock* to where they may go.

    It is made in an event loop. *deliver* gives a parcel as it goes out at a time, and *done* is told what came of it:
    the address, and the status of the answer, 0 if there was none, None if the address is not *allowed*.
    """

    parcels: Parcels
    clock: Any
    deliver: Callable[[Parcel, float], Delivery]
    done: Callable[[Parcel, str, int | None], None]
    allowed: Collection[str]
    _busy: set[str] = attrs.field(init=False, factory=set)
    _changed: asyncio.Event = attrs.field(init=False, factory=asyncio.Event)
    _loop: asyncio.AbstractEventLoop = attrs.field(init=False, factory=asyncio.get_running_loop)

    def wake(self) -> None:
        """Has it look again, from any thread: a parcel was put, or time has moved."""
        self._loop.call_soon_threadsafe(self._changed.set)

    async def run(self) -> None:
        """Posts until it is cancelled."""
        client: httpx.AsyncClient | None = None
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    self._changed.clear()
                    while (parcel := self._next()) is not None:
                        client = client or _network()
                        self._busy.add(parcel.task.id)
                        ended = functools.partial(self._ended, parcel.task.id)
                        group.create_task(self._post(client, parcel)).add_done_callback(ended)
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(self._pause()):
                            await self._changed.wait()
        finally:
            if client is not None:
                await client.aclose()

    def _next(self) -> Parcel | None:
        return self.parcels.take(self.clock.now(), self._busy) if len(self._busy) < MOST_AT_ONCE else None

    def _ended(self, task: str, _: object) -> None:
        self._busy.discard(task)
        self._changed.set()

    def _pause(self) -> float | None:
        """For how many real seconds there is nothing to do, unless something changes; None for as long as it takes."""
        speed: float | None = getattr(self.clock, "pace", None)
        due = self.parcels.due(self._busy)
        if not speed or due is None or len(self._busy) >= MOST_AT_ONCE:
            return None
        return max(0.0, (due - float(self.clock.now())) / speed)

    async def _post(self, client: "httpx.AsyncClient", parcel: Parcel) -> None:
        import httpx

        delivery = self.deliver(parcel, self.clock.now())
        answer: int | None = None
        if may_go(delivery.url, caller=parcel.task.caller, allowed=self.allowed):
            try:
                async with (
                    asyncio.timeout(parcel.webhook.timeout or USUAL_TIMEOUT),
                    client.stream(
                        "POST", delivery.url, content=delivery.body, headers=dict(delivery.headers)
                    ) as response,
                ):
                    answer = response.status_code
            except (httpx.HTTPError, httpx.InvalidURL, TimeoutError):
                answer = 0
        self.done(parcel, delivery.url, answer)


def _network() -> "httpx.AsyncClient":
    import httpx  # only who has webhooks needs it, and it would take a fourth of a mock's start

    return httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=None)  # noqa: S113 - the whole has one
