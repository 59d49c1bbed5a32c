"""The mock over HTTP: a thin Starlette skin over a ``MockService``."""

import asyncio
import functools
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, TypeGuard

import attrs

from .answer import CONTROL, EVENTS, MOST_BODY, MOST_CONTROL_BODY, PLAIN, Answer, Drop, Incoming
from .control.guard import Guard
from .documents import read_query
from .inspector import page_of
from .intake import WHOLE, App, Gone, Receive, Scope, Send, headers_of, read_body, reply
from .namespaces import is_control, without_prefix
from .service import MockService

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response, StreamingResponse

#: Where there are pages; everything else is asked of the services, thousands of times a run, without routing.
PAGES = ("/", CONTROL)

#: The name in ``scope["state"]`` under which the server gives its way to close a connection without a reply.
HANG_UP = "fluxkit.hang_up"

#: The name of its way to say all of an answer at once.
SAY = "fluxkit.say"


def make_app(service: MockService, *, drip_scale: float = 1.0, guard: Guard | None = None) -> App:
    """The ASGI app of a mock: a page with its addresses at ``/``, every service below its name.

    Args:
        service: The mock.
        drip_scale: How many real seconds a second of a slow or dripping answer takes. ASGI has no word for a
            connection that closes, so faults that do so need the server of this package; under any other they are
            errors.
        guard: Who may use the control; this machine and no page of another origin, if nothing is said.
    """
    return _Door(service, drip_scale, guard or Guard())


@attrs.frozen(eq=False, repr=False)
class _Door:
    """One ASGI app for everything that a service may be asked: Starlette leaves methods and paths to it."""

    service: MockService
    drip_scale: float
    guard: Guard

    @functools.cached_property
    def _pages(self) -> App:
        # Starlette is loaded for the first page and the first answer that drips: clients, who come first, wait for it.
        from starlette.applications import Starlette
        from starlette.routing import Route

        return Starlette(routes=[Route(path, self.index) for path in PAGES])

    async def index(self, request: "Request") -> "Response":
        """What is served here, and with which keys, as plain text."""
        from starlette.responses import PlainTextResponse

        return PlainTextResponse(_index(self.service, _origin(request.scope, request.headers)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_page = scope["path"] in PAGES and scope["method"] in ("GET", "HEAD")
        if is_page and not _wants_page(scope) and not _has_two_hosts(scope):
            await self._pages(scope, receive, send)
            return
        call = await self._let_in(scope, receive, send)
        if call is None:
            return
        await self.give(self.service.handle(call), scope, receive, send)

    def at_once(self, scope: Scope, body: bytes) -> Answer | Drop | None:
        """What comes of a request to a service, of which all is here; None if it may be for anybody else."""
        if scope["path"] in PAGES or CONTROL[1:-1] in scope["path"]:
            return None
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if len(headers) < len(scope["headers"]) and _has_two_hosts(scope):
            return None
        return self.service.handle(_incoming(scope, headers, body))

    async def give(self, answer: Answer | Drop, scope: Scope, receive: Receive, send: Send) -> None:
        """Gives an answer as it is to be given: late, in pieces, in part or not at all."""
        silent = self._real(answer.delay if isinstance(answer, Answer) else answer.after)
        if silent and await _leaves(receive, silent):
            return
        if isinstance(answer, Drop):
            _hang_up(scope)
        elif answer.drip:
            await self._dripping(answer)(scope, receive, send)
        elif answer.cut is not None and scope["method"] != "HEAD":
            await _send_part(answer, answer.cut, send)
            _hang_up(scope)
        else:
            say = scope.get("state", {}).get(SAY)
            if say is None or not say(answer.status, headers_of(answer), answer.body):
                await reply(answer, send)

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> Incoming | None:
        """A request with its body; None if it was answered already, or its client is gone."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if len(headers) < len(scope["headers"]) and _has_two_hosts(scope):
            await reply(Answer(400, b"Two Host headers: a request has one.\n", PLAIN), send, close=True)
            return None
        path = scope["raw_path"].decode("latin-1")
        control = is_control(path)
        if control or path.endswith(CONTROL[:-1]):
            call = _incoming(scope, headers, b"")
            if (page := page_of(call)) is not None:
                await reply(page, send)
                return None
        if control:
            if (refused := self.guard.refuse(call)) is not None:
                await reply(refused, send, close=True)
                return None
            if scope["method"] == "GET" and without_prefix(call.path) == EVENTS:
                await self._watched(call, scope, receive, send)
                return None
        try:
            most = MOST_CONTROL_BODY if control else MOST_BODY
            body = await read_body(headers, receive, most=most, whole=WHOLE in scope.get("state", ()))
        except TimeoutError:
            late = "The body did not come in time.\n"
            await reply(Answer(408, late.encode(), PLAIN), send, close=True)
            return None
        except Gone:
            return None
        return _incoming(scope, headers, body)

    async def _watched(self, call: Incoming, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets a viewer watch what happens, until it leaves or is too slow."""
        from .events import control_of, watch  # they know the control's table, which few runs need

        answer = control_of(self.service, call)
        if isinstance(answer, Answer):
            await reply(answer, send)
        elif not await watch(*answer, receive, send):
            _hang_up(scope, at_once=True)

    def _real(self, seconds: float) -> float:
        """How many real seconds so many of a slow answer take."""
        return seconds * self.drip_scale / float(getattr(self.service.clock, "speed", 1.0))

    def _dripping(self, answer: Answer) -> "StreamingResponse":
        from starlette.responses import StreamingResponse

        # A client that gives up ends the response: Starlette listens for that between two bytes.
        headers = {**answer.headers, "content-length": str(len(answer.body))}
        return StreamingResponse(_drops(answer.body, self._real(answer.drip)), answer.status, headers)


def _has_two_hosts(scope: Scope) -> bool:
    """Whether a request says twice where it goes, of which nobody knows what holds (RFC 9112, 3.2)."""
    return len([name for name, _ in scope["headers"] if name == b"host"]) > 1


def is_plain(answer: Answer | Drop) -> TypeGuard[Answer]:
    """Whether an answer is given at once and whole."""
    return isinstance(answer, Answer) and not (answer.delay or answer.drip) and answer.cut is None


def _wants_page(scope: Scope) -> bool:
    """Whether a browser asks for the inspector."""
    accepted = next((value for name, value in scope["headers"] if name == b"accept"), b"")
    return scope["path"] == CONTROL and b"text/html" in accepted


async def _drops(body: bytes, interval: float) -> AsyncIterator[bytes]:
    for place in range(len(body)):
        await asyncio.sleep(interval)
        yield body[place : place + 1]


async def _leaves(receive: Receive, seconds: float) -> bool:
    """Whether the client goes away within so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return False
    return True


async def _send_part(answer: Answer, cut: int, send: Send) -> None:
    """The head of an answer, which promises all of its body, and the first bytes of that."""
    head = {**answer.headers, "content-length": str(len(answer.body))}
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in head.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body[:cut], "more_body": True})


def _incoming(scope: Scope, headers: Mapping[str, str], body: bytes | None) -> Incoming:
    """An ASGI request as the mock knows it; without a body it has too large a one."""
    return Incoming(
        method=scope["method"],
        path=scope["raw_path"].decode("latin-1"),
        query=read_query(scope["query_string"].decode("latin-1")) if scope["query_string"] else {},
        headers=headers,
        body=body or b"",
        origin=_origin(scope, headers),
        oversized=body is None,
        caller=scope["client"][0] if scope.get("client") else "",
    )


def _origin(scope: Scope, headers: Mapping[str, str]) -> str:
    """How the client got here: what it says, or where it was connected if it does not say."""
    if "host" in headers:
        return f"{scope['scheme']}://{headers['host']}"
    host, port = scope["server"]
    return f"{scope['scheme']}://{f'[{host}]' if ':' in host else host}:{port}"


def _hang_up(scope: Scope, *, at_once: bool = False) -> None:
    hang_up = scope.get("state", {}).get(HANG_UP)
    if hang_up is None:
        raise RuntimeError("This server cannot close a connection without a reply: run the mock's own.")
    hang_up(at_once=at_once)


def _index(service: MockService, origin: str) -> str:
    width = max(map(len, service.providers), default=0)
    rows = "\n".join(f"  {name:{width}}  {service.base_url(name, origin)}" for name in service.providers)
    return (
        "The mock server of fluxkit: it speaks as these services do, and nothing is bought.\n\n"
        f"Base URLs:\n{rows}\n\n"
        f"Keys taken: {', '.join(service.keys)}\n\n"
        f"What happens here, in a browser: {origin}{CONTROL}\n"
    )
