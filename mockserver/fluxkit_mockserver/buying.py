"""A submit: read, checked, billed, and made a task, whatever becomes of the answer."""

import hashlib
from collections.abc import Mapping
from typing import Any

import attrs

from fluxkit._wire.declaration import Model
from fluxkit._wire.json import Problem
from fluxkit.errors import Rejected

from .answer import MOST_BODY, Answer, Drop, Incoming
from .billing import cost_of
from .dialect import Dialect
from .mishaps import ACCEPTED, moderation, refusal
from .namespaces import without_prefix
from .refused import Refused
from .replays import marked
from .shelf import Laid
from .switches import MOST_REFERENCE
from .tasks import SLOWNESS, MockTask, duration_of, point_of
from .telling import accepted, is_done, reporting, words_of
from .uploads import UPLOADS, path_of
from .works import Account, Works


def buy(works: Works, dialect: Dialect, rows: tuple[Model, ...], account: Account, call: Incoming) -> Answer | Drop:
    """Takes a submit, or answers again one that has come before with its key."""
    provider = dialect.provider
    if provider.idempotency is None:
        return _buy_new(works, dialect, rows, account, call)
    task = works.replays.task_of(account, provider, call, works.now)
    if task is None:
        before = works.accepted
        try:
            return _buy_new(works, dialect, rows, account, call)
        finally:  # whatever became of the answer
            if works.accepted > before:
                works.replays.keep(account, provider, call, next(reversed(works.tasks.values())), works.now)
    fault = works.strike("submit", task)
    if fault == "stale-connection":
        return Drop()
    if fault is not None and (refused := refusal(dialect, fault)) is not None:
        raise refused
    answer = accepted(works, dialect, task, call)
    answer = attrs.evolve(answer, headers={**answer.headers, **marked(provider)})
    return answer if fault is None else ACCEPTED[fault](answer)


def _buy_new(
    works: Works, dialect: Dialect, rows: tuple[Model, ...], account: Account, call: Incoming
) -> Answer | Drop:
    row, values = dialect.reader.read(rows, call)
    brought: tuple[bytes | Laid, ...] = ()
    if "references" in values:
        values, brought = works.shelf.take(values, _brought(works, dialect, row, values))
    now, number = works.now, works.accepted + 1
    if works.gauge.counts_tasks:
        works.gauge.begin(account, lambda task: not (task.cancelled or is_done(works, dialect, task, now)))
    task = MockTask(
        id=dialect.new_id(works.seed, number),
        number=number,
        provider=dialect.provider,
        model=row,
        values=values,
        point=point_of(row, values),
        seed=values["seed"] if "seed" in values else _drawn(works.seed, number),
        format=values.get("output_format", row.delivers or "png"),
        created_at=now,
        duration=duration_of(row, number, works.durations, works.seed),
        brought=brought,
        caller=call.caller,
        key=works.number_of(account),
        switched=works.dialects.own(dialect.provider.name),
    )
    cost = cost_of(task)
    works.bill.accounts.check(dialect.provider.name, cost)
    fault = None
    if works.faults:
        fault = works.strike("submit", task)
        if fault == "stale-connection":
            return Drop()
        if fault is not None and (refused := refusal(dialect, fault)) is not None:
            raise refused
        _doom(works, dialect, task)
    works.accepted = number
    works.bill.charge(task, cost, now)
    works.tasks[task.id] = task
    if works.gauge.counts_tasks:
        works.gauge.began(account, task)
    works.seen.has_bought(task)
    if "webhook_url" in values and task.ending != "vanished":
        report = reporting(works, dialect, task, call)
        works.webhooks.accepted(task, words_of(dialect, task), works.progression, report)
    answer = accepted(works, dialect, task, call)
    return answer if fault is None else ACCEPTED[fault](answer)


def _doom(works: Works, dialect: Dialect, task: MockTask) -> None:
    """Lets a fault decide what becomes of a task, if one strikes."""
    fault = works.strike("task", task)
    if fault == "moderated" and dialect.switches.get("moderated") == "submit":
        raise moderation(dialect)
    task.stuck, task.slow = fault == "stuck", fault == "slow"
    if task.slow:
        task.duration *= SLOWNESS
    elif fault is not None and not task.stuck:
        task.ending = fault


def _brought(works: Works, dialect: Dialect, row: Model, values: Mapping[str, Any]) -> tuple[bytes, ...]:
    """What the references show: their content, that of an upload, or of an address elsewhere its text.

    An upload that is not there is refused, as a service refuses an address that it cannot fetch.
    """
    brought, problems = [], []
    is_bounded = dialect.switches.get("reference-size") == "10MB"
    most = MOST_REFERENCE if is_bounded else MOST_BODY
    for reference in values["references"]:
        content = reference.content
        if content is None:
            path = path_of(reference.url)
            own = path.removeprefix(works.prefix)
            # An upload of another namespace is as if it were not there.
            is_upload = without_prefix(path).startswith(UPLOADS)
            content = works.uploads.content(own, works.now) if is_upload else reference.url.encode()
        if content is None:
            place = _place_of_references(row)
            problems.append(Problem(place, reference.url, "an address at which an image lies"))
        elif len(content) > most:
            problems.append(Problem(_place_of_references(row), f"{len(content)} bytes", f"at most {most} bytes"))
        else:
            brought.append(content)
    if problems:
        raise Refused(Rejected, problems=tuple(problems))
    return tuple(brought)


def _place_of_references(row: Model) -> str:
    return ".".join(next(iter(dict(row.form.fields)["references"].places())))


def _drawn(seed: int, number: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}:seed:{number}".encode()).digest()[:4])
