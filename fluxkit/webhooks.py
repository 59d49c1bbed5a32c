"""Webhooks, on the receiving side: ``read`` for any framework, and ``receiver``, an ASGI app to mount.

::

    app.mount("/hooks", fluxkit.webhooks.receiver(client))
    client.generate("a lighthouse at dusk", webhook_url="https://app.example/hooks/")

The slash at the end of the address belongs to it: Starlette answers the bare mount with a redirect, which no service
follows. A service may add something to the address (``/callback``); the receiver takes what comes there and below.
"""

import logging
import time
from typing import TYPE_CHECKING

import attrs

from ._engine.event import MOST_BODY, Event, Replays, read_event, webhook_of
from ._wire.signatures import check_secret
from .errors import SettingsError, WebhookUnusable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from ._client import AsyncClient, Client
    from ._wire.declaration import Provider

__all__ = ["Event", "Replays", "read", "receiver"]

#: How many seconds a sender has for the body of a webhook.
PATIENCE = 10.0

_log = logging.getLogger("fluxkit")


def read(
    headers: "Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]]",
    body: bytes,
    *,
    provider: "str | Provider",
    secret: str | None = None,
    url: str = "",
    now: float | None = None,
    replays: Replays | None = None,
) -> Event:
    """What a webhook says, once it is known to be the service's.

    ::

        @app.post("/hooks")
        def hook(request):
            try:
                event = fluxkit.webhooks.read(request.headers, request.body, provider="magnific", secret=SECRET)
            except fluxkit.WebhookUnusable:
                return Response(status=400)
            ...

    Args:
        headers: Those of the request: a mapping, or pairs; in any case, as text or as bytes.
        body: The raw body, as it came: JSON that was read and written again has another signature.
        provider: The name of the provider, or its declaration.
        secret: What the service signs with; none is needed where it does not sign, and then ``event.signed`` is false:
            such an event may be anybody's. Poll the task, and believe that.
        url: The address to which it came, for the one-time token in it.
        now: The time, in seconds since the epoch; without it, that of the system.
        replays: Where deliveries are remembered: one that was seen before is ``event.replayed``.

    Raises:
        WebhookUnusable: It is forged, stale or unreadable.
        SettingsError: The secret, the provider or another argument is missing or wrong.
    """
    at = time.time() if now is None else now
    event = read_event(_declared(provider), headers, body, secret=secret, at=at, url=url)
    if replays is not None and not replays.first(event.delivery, at=at):
        return attrs.evolve(event, replayed=True)
    return event


def _declared(provider: "str | Provider") -> "Provider":
    if not isinstance(provider, str):
        return provider
    from ._plugins import installed

    return installed().provider(provider.partition(":")[0])


def receiver(client: "Client | AsyncClient") -> "ASGIApp":
    """An ASGI app that takes the webhooks of a client's service, and wakes those who wait on that client.

    It answers at once: 200 to what it takes, also if it has seen it before or nobody waits for it, 400 to what is
    forged, stale or unreadable, without saying which, 413 to a body of more than a mebibyte, 408 to one that takes
    more than ten seconds to come.

    An event is believed like the answer to a poll if the service has signed it. A service that signs nothing
    (``apimart``) is never believed: anybody who knows the address could say anything of any task. Its events only make
    the next poll of a task that is being waited for come at once, and do so a few times a task at most.

    An event that brings back the token of a submit whose answer was lost settles which task that submit has bought, by
    the journal also for a process that has died since: the client's listener hears of it as an event ``settled``, with
    the task, to be waited for, and ``recover`` fetches it. If the answer may still come, to this process or another
    one, the journal knows the task all the same: that one may not live to note it.

    Raises ``SettingsError`` if the service has no webhooks, the client no secret for them, or Starlette is missing.
    """
    provider, secret = client.provider, client._webhook_secret  # noqa: SLF001 - the door to the client's own parts
    check_secret(webhook_of(provider).signature, secret)
    try:
        from starlette.applications import Starlette
        from starlette.requests import ClientDisconnect
        from starlette.responses import Response
        from starlette.routing import Route
    except ImportError as error:
        raise SettingsError(
            "The receiver needs starlette, which is not installed: pip install starlette. Without it, use read()."
        ) from error
    replays, mailbox, mock = Replays(), client._mailbox, client._mock  # noqa: SLF001
    mailbox.attended = True

    async def take(request: "Request") -> Response:
        import anyio

        try:
            with anyio.fail_after(PATIENCE):
                body = await _read_body(request)
        except TimeoutError:
            return Response(status_code=408)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        if body is None:
            return Response(status_code=413)
        # A mock signs by its own time. What is real is compared with the clock on the wall, which may be set meanwhile.
        now = time.time() if mock is None else mock.clock.now()
        try:
            event = read(
                request.scope["headers"],
                body,
                provider=provider,
                secret=secret,
                url=f"?{request.scope['query_string'].decode('latin-1')}",
                now=now,
                replays=replays,
            )
        except WebhookUnusable as error:
            _log.warning("%s", error)
            return Response(status_code=400)
        client._ears.received(event)  # noqa: SLF001
        if not event.replayed:
            settled = False
            try:
                settled = await _settle(client, event)
            finally:
                if not settled:
                    replays.forget(event.delivery, at=now)  # the service sends it again, and then it counts
            if not settled:
                return Response(status_code=503)
            mailbox.deliver(event)
            await _share(client, event)
        return Response()

    return Starlette(routes=[Route("/{path:path}", take, methods=["POST"])])


async def _settle(client: "Client | AsyncClient", event: Event) -> bool:
    """Notes which task a submit of unknown fate has bought, if the event tells; False if that is to be told again.

    What this client has submitted it knows by itself. Else the journal may know the token: of a process that has died,
    or of one that still waits for the answer.
    """
    from ._contract.journal import Fate
    from ._engine.keeping import keep_note_async
    from ._engine.tokens import adopted_by, foretelling

    notes, mailbox = client._driver.notes, client._mailbox  # noqa: SLF001
    ears = client._ears  # noqa: SLF001
    note = mailbox.tokens.settled_by(event)
    if note is None and event.token is not None and not mailbox.tokens.knows(event.token):
        here = {"provider": client.provider.name, "base_url": client.base_url}
        for row in await notes.rows_async(token=event.token, **here):
            note = adopted_by(row, event)
    if note is None:
        early = mailbox.tokens.foretold_by(event)
        if early is not None:
            await notes.foretell(early)
        return True
    try:
        await keep_note_async(note, notes, mailbox, ears)
    except SettingsError:
        rows = await notes.rows_async(row=note.entry["row"])
        if any(row.state == Fate.UNKNOWN for row in rows):
            return False
        if any(row.state == Fate.INTENT for row in rows):
            await notes.foretell(foretelling(note))
            ears.note(note)
            ears.logged(note, "")
    return True


async def _share(client: "Client | AsyncClient", event: Event) -> None:
    """Notes in the journal how a task has ended, if the service has proved it: another process may wait for it."""
    from ._engine.effects import Note
    from ._engine.keeping import keep_note_async

    notes, mailbox, ears = client._driver.notes, client._mailbox, client._ears  # noqa: SLF001
    if not (event.signed and event.state.ended) or getattr(notes, "writer", None) is None:
        return  # it proves nothing, or there is no journal in which others could read it
    try:
        here = {"provider": client.provider.name, "base_url": client.base_url}
        for row in await notes.rows_async(task_id=event.task_id, **here):
            if not row.draft.state.ended:
                task = attrs.evolve(row.draft, state=event.state, status=event.status)
                note = Note("state", {"task": task, "progress": None, "problems": ()})
                await keep_note_async(note, notes, mailbox, ears)
    except Exception as error:  # noqa: BLE001 - the news has arrived; only others wait for their next poll
        _log.error("The journal could not note the end of task %s: %s", event.task_id, error)


async def _read_body(request: "Request") -> bytes | None:
    """The body; None if it is too large, which is known before the rest of it has come."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BODY:
            return None
    return bytes(body)
