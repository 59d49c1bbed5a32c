"""How traces come about: of the exchanges of a task that runs, of the mock that is asked the same, and of samples."""

import datetime as dt
import json
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import attrs

from .._contract.media import TYPES, format_named
from .._contract.request import Request
from .._contract.task import Snapshot
from .._engine.drive import Driver
from .._engine.effects import Call, Reply
from .._engine.flows import Manner, generate
from .._engine.place import Place
from .._wire.answers import is_answer, read_snapshot
from .._wire.codec import Codec
from .._wire.declaration import Provider
from .._wire.plan import Plan, make_plan
from .._wire.route import Route
from .._wire.samples import Sample, samples_of
from ..errors import FluxError
from .bench import driver, service_of
from .exhibits import reply_of
from .shape import shape_of
from .trace import ROUTES, Exchange, Trace, gathered, sequence_of

#: Where a call goes whose address an answer has given, if that is none that the declaration knows.
GIVEN = "an address that an answer gave"


@attrs.frozen(eq=False)
class Attended(Driver):
    """A driver that keeps the exchanges of what it carries out: each call, and its answer if one came."""

    heard: list[tuple[Call, Reply]] = attrs.field(factory=list, init=False)

    def _carry_out(self, effect: Any) -> Any:
        answer = super()._carry_out(effect)
        if isinstance(effect, Call) and isinstance(answer, Reply):
            self.heard.append((effect, answer))
        return answer


def attended(by: Driver) -> Attended:
    """The same driver, attended."""
    return Attended(by.transport, by.clock, by.notes, hosting=by.hosting, mailbox=by.mailbox, ears=by.ears)


def trace_of(
    plan: Plan,
    heard: Iterable[tuple[Call, Reply]],
    *,
    origin: str,
    date: dt.date,
    pixels: Iterable[tuple[int, int]] = (),
    formats: Iterable[str] = (),
) -> Trace:
    """The trace of the one task that a plan has bought, of all that was heard meanwhile."""
    provider = plan.provider
    exchanges: list[Exchange] = []
    task = ""
    for call, reply in heard:
        route = "" if call.about is None else call.about.kind
        if route not in ROUTES:
            continue
        _, codec = declared_for(provider, route)
        said = said_of(provider, route, codec, reply)
        if route == "submit" and said is not None:
            task = said.id or ""
        sent = json.loads(call.body) if isinstance(call.body, bytes) and call.body else None
        exchanges.append(
            Exchange(
                route=route,
                method=call.method,
                path=path_of(call, plan),
                status=reply.status,
                state="" if said is None else said.state.value,
                words=(said.status,) if said is not None and said.status else (),
                sent=shape_of(sent, id=task) if sent is not None else {},
                said=shape_of(reply.document, id=task, word="" if said is None else said.status),
            )
        )
    return Trace(
        provider=provider.name,
        model=plan.model.name,
        origin=origin,
        date=date,
        request=asked_by(plan.request),
        words=tuple(word for word, _ in provider.statuses),
        states=sequence_of(exchanges),
        exchanges=gathered(exchanges),
        pixels=tuple(dict.fromkeys(pixels)),
        formats=tuple(dict.fromkeys(formats)),
    )


def asked_by(request: Request) -> dict[str, Any]:
    """What a request asks for beside the words of its prompt, which no service shows in what it answers."""
    said = {name: getattr(request, name) for name in ("aspect", "resolution", "size", "seed", "output_format")}
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in said.items() if value is not None
    }


def mock_trace(
    provider: Provider, model: str, request: Request, *, today: dt.date | None = None, **settings: Any
) -> Trace:
    """The trace of the mock of *provider* that is asked for the same, over every state of a task's life.

    *settings* are the mock's own. Its pixels and formats are those that the declaration promises.
    """
    mock = service_of(provider, **{"progression": "polls", **settings})
    plan = make_plan(provider, model, request, base_url=mock.base_url(provider.name))
    at = attended(driver(provider, mock))
    with tempfile.TemporaryDirectory(prefix="fluxkit-trace-") as folder:  # for an image that comes within an answer
        manner = Manner(timeout=600.0, patience=60.0, place=Place(Path(folder)), fetch=False, local=True)
        try:
            at.run(generate(plan, manner))
        except FluxError:
            if not at.heard:
                raise  # else the trace shows how it ended
    return trace_of(
        plan, at.heard, origin="mock", date=today or this_day(), pixels=plan.expected, formats=promised(plan)
    )


def this_day() -> dt.date:
    """The day that it is, in UTC."""
    return dt.datetime.now(dt.UTC).date()


def promised(plan: Plan) -> tuple[str, ...]:
    """The media type that the image has by the request or by the declaration; none if neither says it."""
    named = format_named(plan.output_format or plan.model.delivers or "")
    return () if named is None else (TYPES[named],)


def sample_trace(provider: Provider, model: str, samples: Sequence[Sample] | None = None) -> Trace:
    """What was recorded of a service, as a trace: all that it may say in each situation, and no one task."""
    exchanges, dates = [], []
    for sample in samples_of(provider) if samples is None else samples:
        route = {"accepted": "submit", "polled": "poll", "resulted": "result"}.get(sample.of)
        if route is None or sample.model not in (None, model):
            continue
        declared, codec = declared_for(provider, route)
        said = read_snapshot(provider, codec, reply_of(sample).document)
        dates.append(sample.date)
        exchanges.append(
            Exchange(
                route=route,
                method=declared.method,
                path=declared.path,
                status=sample.status,
                state=said.state.value,
                words=(said.status,) if said.status else (),
                sent={},
                said=shape_of(sample.body, id=said.id, word=said.status),
            )
        )
    newest = max(dates, default="1970")
    return Trace(
        provider=provider.name,
        model=model,
        origin="samples",
        date=dt.date.fromisoformat(f"{newest}-01-01"[:10] if len(newest) == 4 else f"{newest}-01"[:10]),
        request={},
        words=tuple(word for word, _ in provider.statuses),
        states=(),
        exchanges=gathered(exchanges),
    )


def declared_for(provider: Provider, route: str) -> tuple[Route, Codec]:
    """The route that a call of this kind goes to, and the codec of its answer."""
    match route:
        case "submit":
            return provider.submit, provider.accepted
        case "result":
            return provider.result or provider.submit, provider.resulted or provider.polled
    return provider.poll or provider.submit, provider.polled


def said_of(provider: Provider, route: str, codec: Codec, reply: Reply) -> Snapshot | None:
    """What an answer says of the task; None if it says nothing of one."""
    brings = 200 <= reply.status < 300 if route == "submit" else is_answer(provider, reply.status)
    said = read_snapshot(provider, codec, reply.document) if brings else None
    if said is None or not (said.pictures or (said.id if route == "submit" else said.status)):
        return None
    return said


def path_of(call: Call, plan: Plan) -> str:
    """The declared path if the call went there, else a word for any other: in an address may stand a secret."""
    assert call.about is not None  # noqa: S101 - the calls of a task say what they are about
    declared, _ = declared_for(plan.provider, call.about.kind)
    parts = urlsplit(call.url)
    below = parts.path.removeprefix(urlsplit(plan.base_url).path)
    return declared.path if declared.match(call.method, below, dict(parse_qsl(parts.query))) is not None else GIVEN
