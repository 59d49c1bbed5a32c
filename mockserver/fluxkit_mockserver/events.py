"""Server-sent events: what happens on a mock, for any number of viewers, each at most so far behind.

A viewer that comes back says which event it saw last, and is sent what it missed, as far as that is kept; if it is not,
``gap`` says so. One that reads so slowly that what it needs is not kept any more is cut off: it will come back.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Final

from .answer import PLAIN, Answer, Incoming
from .control.answering import problem
from .control.schema import whole_in
from .control.shown import charge, sent, task
from .intake import Receive, Send

if TYPE_CHECKING:
    from .feed import Happening
    from .service import MockService

#: After how many real seconds without anything a comment shows that the connection lives.
HEARTBEAT = 15.0

#: How many may watch a namespace at once.
MOST_VIEWERS = 64

#: How many real seconds a viewer has to take a piece.
VIEWER_PATIENCE = 10.0

#: How many events go out in one piece.
BATCH: Final = 100

HEADERS: Final = {"content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no"}


def control_of(service: "MockService", call: Incoming) -> "Answer | tuple[MockService, str | None]":
    """The mock that a viewer wants to watch and the event that it saw last, or why it may not."""
    try:
        world, _ = service.lead(call)
    except ValueError as error:
        return Answer(400, f"{error}\n".encode(), PLAIN)
    if world.feed.listeners >= MOST_VIEWERS:
        return problem(503, f"{MOST_VIEWERS} watch already. Close a page, or name another namespace.")
    return world, call.headers.get("last-event-id") or call.query.get("last")


async def watch(world: "MockService", last: str | None, receive: Receive, send: Send) -> bool:
    """Sends events until the viewer leaves; false if it was too slow and is to be cut off."""
    headers = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    ended = {asyncio.ensure_future(_send(world, last, send)), asyncio.ensure_future(_leave(receive))}
    try:
        done, _ = await asyncio.wait(ended, return_when=asyncio.FIRST_COMPLETED)
        return all(each.result() for each in done)
    finally:
        for each in ended:
            each.cancel()
        await asyncio.gather(*ended, return_exceptions=True)


async def _send(world: "MockService", last: str | None, send: Send) -> bool:
    async for piece in stream(world, last):
        try:
            async with asyncio.timeout(VIEWER_PATIENCE):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        except TimeoutError:
            return False
    return False


async def _leave(receive: Receive) -> bool:
    while (await receive())["type"] != "http.disconnect":
        pass
    return True


def missed(world: "MockService", last: str | None) -> str:
    """Every event that is kept after the one that was seen *last*, or all."""
    place, text = _place(world, last)
    while happenings := world.feed.after(place, most=BATCH):
        text += _written(world, happenings)
        place = happenings[-1].number
    return text


async def stream(world: "MockService", last: str | None) -> AsyncIterator[bytes]:
    """The events after the one that was seen *last*, or from now on, until the viewer is too far behind."""
    changed, loop = asyncio.Event(), asyncio.get_running_loop()
    feed = world.feed
    with feed.heard(lambda: _wake(loop, changed)):
        place, text = (feed.last, "") if last is None else _place(world, last)
        yield f"retry: 1000\n: here is what happens\n\n{text}".encode()
        while True:
            changed.clear()
            happenings = feed.after(place, most=BATCH)
            if happenings is None:
                return
            if happenings:
                place = happenings[-1].number
                yield _written(world, happenings).encode()
                continue
            try:
                async with asyncio.timeout(HEARTBEAT):
                    await changed.wait()
            except TimeoutError:
                yield b": still here\n\n"


def _wake(loop: asyncio.AbstractEventLoop, changed: asyncio.Event) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(changed.set)


def _place(world: "MockService", last: str | None) -> tuple[int, str]:
    """From where on events are told, and the event that says that some are not kept any more."""
    feed = world.feed
    name, _, number = (last or "").partition("-")
    seen = (whole_in(number) or 0) if name == feed.name else 0
    if seen <= feed.last and feed.after(seen, most=1) is not None and (name == feed.name or last is None):
        return seen, ""
    first = feed.first - 1
    gap = {"after": last, "now": f"{feed.name}-{first}"}
    return first, f"id: {feed.name}-{first}\nevent: gap\ndata: {json.dumps(gap)}\n\n"


def _written(world: "MockService", happenings: "list[Happening]") -> str:
    return "".join(
        f"id: {world.feed.name}-{each.number}\nevent: {each.kind}\ndata: {json.dumps(_told(world, each))}\n\n"
        for each in happenings
    )


def _told(world: "MockService", happening: "Happening") -> Any:
    """What an event says; of a task how it stands now, null if it is not kept any more."""
    match happening.kind:
        case "exchange":
            return happening.subject.document()
        case "bill":
            return charge(happening.subject)
        case "webhook":
            return sent(happening.subject)
        case "task":
            found = world.task(happening.subject)
            return None if found is None else task(world, found)
    return happening.subject
