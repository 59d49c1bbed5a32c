"""Many requests as they are read: each is numbered, becomes a flow or is refused, and is accounted for at its end."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from ._binding import Binding
from ._contract.finished import Finished
from ._contract.media import format_named
from ._contract.report import shorten
from ._contract.request import Request
from ._engine.flows import Manner, generate
from ._engine.many import as_error
from ._engine.place import is_template, split
from ._service import check
from .errors import Charged, DeliveryWarning, FluxError, Overdue, SettingsError

if TYPE_CHECKING:
    from ._engine.crowd import Member
    from ._engine.effects import Flow


class Orders:
    """The requests as they are read: each has a number, and becomes a flow or the error for which it is refused."""

    def __init__(self, client: Binding, manner: Manner, in_flight: int) -> None:
        self._client, self._manner = client, manner
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
        call = self._client._recorded("generate_many")  # noqa: SLF001 - of our client
        self._open[number] = request, call
        try:
            if not isinstance(request, Request | str):
                raise SettingsError(f"requests holds {shorten(request)}. Allowed: each a Request, or a str as prompt.")
            wanted = call.asked(self._client._asked(self._manner.place.name, request, {}))  # noqa: SLF001
            plan = call.planned(self._client._planned(wanted))  # noqa: SLF001
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
        request, call = self._open.pop(number)
        if isinstance(end, Exception):
            call.ended(error := as_error(end))
            return Finished(number, request, error=error)
        call.came(end)
        call.ended(None)
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
    if isinstance(to, str | os.PathLike) and format_named(Path(to).suffix) is None and not is_template(to):
        to = f"{os.fspath(to)}{os.sep}"  # a directory, whether it is there or not
    return Orders(client, client._manner(timeout=timeout, to=to, fetch=fetch), in_flight)  # noqa: SLF001


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


def alone(error: BaseException) -> BaseException:
    """The error itself, where a task group has wrapped nothing else with it."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
