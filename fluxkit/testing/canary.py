"""A canary: it asks a real service a few things for nothing, and buys one image with which all live checks are made.

What it buys goes through the journal, like all that fluxkit buys: under a budget, once, and recoverable.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import attrs

from .._client import Client
from .._contract.amount import Amount
from .._contract.request import Request
from .._contract.result import Result
from .._contract.task import Snapshot, Task
from .._engine.drive import Driver
from .._engine.effects import Flow, Reply, Wait, calling
from .._engine.flows import Manner, generate, place_order
from .._engine.pacing import backoff
from .._engine.recover import look
from .._engine.secret import Secret
from .._engine.transport import Transport
from .._wire.answers import read_poll
from .._wire.calls import polling
from .._wire.complaint import retry_after
from .._wire.declaration import Provider
from .._wire.json import Json
from .._wire.plan import Plan, make_plan
from .._wire.samples import samples_of
from ..errors import FluxError, JournalUnavailable, SettingsError, Unauthorized, Unsupported
from .drift import Allowance, Drift, drifts, judged
from .evidence import Evidence
from .finding import Finding
from .live import LIVE, PASSING
from .lookalike import lookalike
from .trace import Trace
from .tracing import asked_by, attended, mock_trace, sample_trace, this_day, trace_of

#: What every canary asks for, so that its traces can be compared.
PROMPT = "a lighthouse at dusk, oil on canvas"
SEED = 42

#: A call that buys nothing is tried so often, if the service has no time for it.
TRIES = 3

#: After an answer with such a status the same is asked again.
LATER = (408, 429, 500, 502, 503, 504)


def requests() -> Iterator[Request]:
    """What a canary asks for, the most telling first: a size that is no default, and a seed."""
    yield Request(PROMPT, aspect="3:2", seed=SEED)
    yield Request(PROMPT, aspect="3:2")
    yield Request(PROMPT, seed=SEED)
    yield Request(PROMPT)


def best_plan(plan: Callable[[Request], Plan]) -> Plan:
    """The plan of the most telling request that a model can serve."""
    refusal: Unsupported | None = None
    for request in requests():
        try:
            return plan(request)
        except Unsupported as error:
            refusal = error
    assert refusal is not None  # noqa: S101 - there are requests
    raise refusal


def model_for(provider: Provider) -> str:
    """The model that a canary buys from if nobody names one: the cheapest with a declared price, or the first."""
    priced: list[tuple[Any, str]] = []
    for row in provider.models:
        try:
            price = best_plan(lambda request, name=row.name: make_plan(provider, name, request)).price  # type: ignore[misc]
        except Unsupported:
            continue
        if price is not None:
            priced.append((price.number, row.name))
    return min(priced)[1] if priced else provider.models[0].name


def plan_for(client: Client, cap: Amount) -> Plan:
    """What a canary would buy by this client; raises ``SettingsError`` if nobody knows that *cap* suffices for it."""
    plan = best_plan(client._planned)  # noqa: SLF001 - the defaults of its profile would make another trace
    name = f"{client.provider.name}:{client.model}"
    if plan.price is None:
        raise SettingsError(
            f"What an image of {name} costs is not known, so {cap} cannot be kept. Nothing was sent. Allowed: a "
            f'profile that states it, price = "0.03 {cap.currency}", or a model whose price is declared.',
            provider=client.provider.name,
        )
    if plan.price.currency != cap.currency:
        raise SettingsError(
            f"An image of {name} costs {plan.price}, and {cap} is in another currency. Nothing was sent. "
            f"Allowed: an amount in {plan.price.currency}.",
            provider=client.provider.name,
        )
    if plan.price.number > cap.number:
        raise SettingsError(
            f"An image of {name} costs {plan.price}, which is more than {cap}. Nothing was sent. "
            f"Allowed: at least {plan.price}.",
            provider=client.provider.name,
        )
    return plan


@attrs.frozen(eq=False)
class Flight:
    """What came of a canary: the evidence, the findings, and the trace of the task that it has bought."""

    evidence: Evidence
    findings: tuple[Finding, ...]
    trace: Trace | None


def fly(
    client: Client, plan: Plan, *, label: str, allowances: Sequence[Allowance] = (), recorded: Trace | None = None
) -> Flight:
    """Asks for nothing first, then buys the image of the plan, and judges both. Rows in the journal bear the *label*.

    Raises what keeps a canary from flying: the service cannot be reached, refuses the key, or no journal can be kept.
    Then nothing was bought. Ctrl-C passes on, and what was bought stands in the journal.
    """
    provider = client.provider
    if recorded is not None:
        check_comparable(recorded, provider, plan)
    # Made before anything is sent: once it is bought, no error may stand between the image and its report.
    expected, known = mock_trace(provider, client.model, plan.request), sample_trace(provider, client.model)
    driver: Driver = client._driver  # noqa: SLF001 - of our client, like all that follows
    foreign = wrong = None
    if provider.poll is not None:
        task = _foreign_task(client)
        foreign = _asked(driver, provider, task, client)
        if isinstance(foreign, Unauthorized):
            raise foreign
        with _misfit(client, driver) as misfit:
            wrong = _asked(misfit, provider, task, client)
    manner = attrs.evolve(client._manner(), label=label)  # noqa: SLF001
    evidence = Evidence(plan, wrong_key=wrong, foreign=foreign, bad=_bad(driver, plan, manner))
    at = attended(driver)
    result: Result | None = None
    error: FluxError | None = None
    again: Task | FluxError | None = None
    unbought = ""
    try:
        result = at.run(generate(plan, manner))
    except FluxError as trouble:
        if isinstance(trouble, (SettingsError, JournalUnavailable)) and not trouble.charged:
            raise
        if isinstance(trouble, PASSING) and not trouble.charged:
            unbought = trouble.message
        else:
            error = trouble
    if result is not None and provider.poll is not None:
        try:
            again = driver.run(look(provider, result.tasks[0], client._patience))  # noqa: SLF001
        except FluxError as trouble:
            again = trouble
    evidence = attrs.evolve(evidence, heard=tuple(at.heard), result=result, error=error, again=again, unbought=unbought)
    trace = _trace(evidence) if at.heard and not unbought else None
    if trace is not None:
        found = [*drifts(expected, trace, known=known), *(() if recorded is None else drifts(recorded, trace))]
        evidence = attrs.evolve(evidence, judgement=judged(dict.fromkeys(found), allowances, this_day()))
    return Flight(evidence, tuple(check.find(evidence) for check in LIVE), trace)


def _trace(evidence: Evidence) -> Trace:
    images = () if evidence.result is None else evidence.result.images
    return trace_of(
        evidence.plan,
        evidence.heard,
        origin="live",
        date=this_day(),
        pixels=[image.pixels for image in images if image.pixels is not None],
        formats=[image.media_type for image in images if image.media_type is not None],
    )


def check_comparable(recorded: Trace, provider: Provider, plan: Plan) -> None:
    """Refuses a trace of something else than what is about to be asked for."""
    is_of = (recorded.provider, recorded.model, dict(recorded.request))
    asked = (provider.name, plan.model.name, asked_by(plan.request))
    if is_of != asked:
        raise SettingsError(
            f"The trace is of {is_of[0]}:{is_of[1]}, asked for {is_of[2]!r:.200}, and {asked[0]}:{asked[1]} is to be "
            f"asked for {asked[2]!r:.200}. Nothing was sent. Allowed: the same model, or another trace."
        )


def drifts_of_record(provider: Provider, trace: Trace) -> Iterator[Drift]:
    """In what a recorded trace differs from the mock of the provider as it is now, and from its samples."""
    requests_by = {repr(asked_by(request)): request for request in requests()}
    request = requests_by.get(repr(dict(trace.request)))
    if trace.provider != provider.name or request is None or not provider.named(trace.model):
        raise SettingsError(
            f"The trace is of {trace.provider}:{trace.model}, asked for {dict(trace.request)!r:.200}. "
            f"Allowed: one that fluxkit verify {provider.name} --live --record has written."
        )
    expected = mock_trace(provider, trace.model, request)
    yield from drifts(expected, trace, known=sample_trace(provider, trace.model))


def _asked(driver: Driver, provider: Provider, task: Task, client: Client) -> Snapshot | FluxError:
    """What a service says of a task, or the error; what is wrong with the network is raised."""
    reply = driver.run(_poll(provider, task, client._patience))  # noqa: SLF001
    try:
        return read_poll(provider, task, reply)
    except FluxError as error:
        return error


def _poll(provider: Provider, task: Task, patience: float) -> Flow[Reply]:
    outgoing = polling(provider, task)
    assert outgoing is not None  # noqa: S101 - asked only of a service with tasks
    for attempt in range(TRIES):
        reply: Reply = yield calling(outgoing, patience)
        if reply.status not in LATER or attempt == TRIES - 1:
            break
        yield Wait(backoff(attempt, retry_after(reply)))
    return reply


def _bad(driver: Driver, plan: Plan, manner: Manner) -> tuple[Reply | None, FluxError | Task] | None:
    """What becomes of a submit without its prompt, if the model needs one. It is noted like any, because it may buy."""
    if "prompt" not in plan.model.form.needed or plan.provider.poll is None:
        return None
    bad = attrs.evolve(plan, documents=(_without(plan.documents[0], plan.request.prompt),))
    at = attended(driver)
    try:
        task = at.run(place_order(bad, manner))
    except FluxError as error:
        if isinstance(error, (SettingsError, JournalUnavailable)) and not error.charged:
            raise
        return (at.heard[-1][1] if at.heard else None), error
    return None, task


def _without(document: Json, text: str) -> Json:
    """The document without the fields that hold a text."""
    if not isinstance(document, dict):
        return document
    return {name: _without(value, text) for name, value in document.items() if value != text}


def _foreign_task(client: Client) -> Task:
    """A task that is not there, by an id such as the service gives."""
    provider = client.provider
    shown = next(
        (str(each.means["id"]) for each in samples_of(provider) if each.of == "accepted" and each.means.get("id")), ""
    )
    name = lookalike(shown or "046b6c7f-0b8a-43b9-b35d-6489e6daee91")
    task = Task(provider.name, client.model, name, client.base_url)
    if provider.poll is None or not provider.poll.given:
        return task
    return attrs.evolve(task, poll_url=provider.poll.url(client.base_url, id=name))


@contextmanager
def _misfit(client: Client, driver: Driver) -> Iterator[Driver]:
    """The driver of a client with a key that is none."""
    key = client.provider.key
    before, _, after = key.form.partition("{key}")
    line = client._secret._header[1].decode()  # noqa: SLF001
    wrong = Secret(lookalike(line[len(before) : len(line) - len(after)]), key.header, key.form)
    inner = None if client._mock is None else client._mock.transport()  # noqa: SLF001
    rules = {**client._rules, "secret": wrong}  # noqa: SLF001
    transport = Transport(now=driver.clock.now, inner=inner, **rules)
    try:
        yield attrs.evolve(driver, transport=transport)
    finally:
        transport.close()
