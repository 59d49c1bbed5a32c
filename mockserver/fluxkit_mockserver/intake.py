"""Requests as they come over ASGI: bodies of bounded size in bounded time, and short answers without an app."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from .answer import Answer

#: What an ASGI connection is about, its two ways, and an app.
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

#: The name in ``scope["state"]`` by which a server says that all of a body has come.
WHOLE = "fluxkit.whole"

#: Within how many real seconds a body must have come, and each of its pieces after the one before.
BODY_PATIENCE, PIECE_PATIENCE = 300.0, 30.0


class Gone(Exception):
    """The client has gone away."""


async def read_body(headers: Mapping[str, str], receive: Receive, *, most: int, whole: bool = False) -> bytes | None:
    """The body of a request, None if it has more than *most* bytes, of which none are kept then.

    One that is *whole* there needs no timer. The rest of a large body is read and forgotten: a client that still sends
    would see a reset and not the refusal.
    Raises ``TimeoutError`` for a client that dawdles, ``Gone`` for one that goes away.
    """
    declared = headers.get("content-length", "")
    if not declared and "transfer-encoding" not in headers:
        return b""
    large = declared.isascii() and declared.isdecimal() and (len(declared) > 18 or int(declared) > most)
    body, more = bytearray(), True
    end = time.monotonic() + BODY_PATIENCE
    while more:
        if whole:
            message = await receive()
        else:
            async with asyncio.timeout(min(PIECE_PATIENCE, end - time.monotonic())):
                message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        if not large:
            body += message["body"]
            if large := len(body) > most:
                body.clear()
        more = message["more_body"]
    return None if large else bytes(body)


async def reply(answer: Answer, send: Send, *, close: bool = False) -> None:
    """Sends an answer that says all there is to say; with *close*, the connection ends with it."""
    headers = [*headers_of(answer), *([(b"connection", b"close")] if close else [])]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def headers_of(answer: Answer) -> list[tuple[bytes, bytes]]:
    """The headers of an answer that says all there is to say."""
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()]
    return [*headers, (b"content-length", b"%d" % len(answer.body))]
