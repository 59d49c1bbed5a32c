"""What is told of a task: when it was accepted, when it is polled, by a webhook, and once it has ended."""

import attrs

from fluxkit._wire.declaration import Provider
from fluxkit.errors import Rejected
from fluxkit.provider import State

from .answer import Answer, Drop, Incoming
from .billing import cost_of
from .casts import say_briefly, say_completed
from .dialect import Dialect
from .documents import JSON_HEADERS
from .ends import say_end, words_of_end
from .exchange import Exchange
from .mishaps import ENDINGS, POLLED, REASONS, instead
from .parcels import Report
from .refused import Refused
from .tasks import MockTask, Progression
from .works import Works


def stage_of(works: Works, dialect: Dialect, task: MockTask, now: float) -> int:
    """Which stage of its life a task has reached."""
    return task.stage(works.progression, now, dialect.life)


def is_done(works: Works, dialect: Dialect, task: MockTask, now: float) -> bool:
    """Whether a task has come to the end of its life."""
    return not task.cancelled and stage_of(works, dialect, task, now) == dialect.life.last


def words_of(dialect: Dialect, task: MockTask) -> tuple[str, ...]:
    """The words of a task's life, in which a fault may have changed the end."""
    if task.ending not in ENDINGS:
        return dialect.words
    return (*dialect.words[:-1], words_of_end(dialect, ENDINGS[task.ending])[0])


def standing(works: Works, task: MockTask) -> tuple[str, State]:
    """The word that the service has for where a task stands now, and the state that it means."""
    dialect = works.dialects[task.provider.name]
    if task.cancelled:
        return dialect.cancelled or State.CANCELLED.name, State.CANCELLED
    stage = stage_of(works, dialect, task, works.clock.now())
    word = words_of(dialect, task)[stage]
    state = task.provider.state(word)
    if state is None:
        state = State.COMPLETED if stage == dialect.life.last else State.RUNNING
    return word or state.name, state


def course(works: Works, task: MockTask) -> tuple[tuple[float, str], ...]:
    """When a task came to each of its later states, as far as time alone has moved it on, and the word for it."""
    dialect, now = works.dialects[task.provider.name], works.clock.now()
    if works.progression is not Progression.SECONDS or task.cancelled:
        return ()
    reached = 1 + stage_of(works, dialect, task, now)
    moments = [*zip(dialect.life.stages, words_of(dialect, task), strict=True)][1:reached]
    return tuple((task.created_at + task.duration * stage.begins, word) for stage, word in moments)


def asked_for(works: Works, provider: Provider, id: str, model: str | None) -> MockTask | None:
    """The task that a call names; None if the service does not know it."""
    task = works.tasks.get(id)
    if task is None or task.provider.name != provider.name or model not in (None, task.model.path):
        return None
    works.seen.is_about(task)
    return task


def poll(works: Works, dialect: Dialect, task: MockTask, call: Incoming) -> Answer | Drop:
    """The answer to a poll."""
    task.polls += 1
    if "webhook_url" in task.values and works.progression is Progression.POLLS and not task.cancelled:
        stage, report = stage_of(works, dialect, task, works.now), reporting(works, dialect, task, call)
        works.webhooks.polled(task, words_of(dialect, task), stage, works.now, report)
    # There is nothing to go back from before something was told.
    fault = works.strike("poll", task, but=() if task.told else ("status-goes-back",))
    if fault is None or fault in POLLED:
        stage = stage_of(works, dialect, task, works.now)
        done = stage == dialect.life.last and not task.cancelled
        answer = say(works, "polled", dialect, task, call, done=done, stage=stage)
        task.told = stage
        return answer if fault is None else POLLED[fault](answer)
    base_url = f"{call.origin}/{dialect.provider.name}"
    return instead(dialect, fault, id=task.id, base_url=base_url, model=task.model.path)


def result(works: Works, dialect: Dialect, task: MockTask, call: Incoming) -> Answer:
    """The answer of a service that tells results apart from how tasks stand."""
    if not is_done(works, dialect, task, works.now):
        raise Refused(Rejected, "The task is not completed")
    if task.ending in ENDINGS and ENDINGS[task.ending] is not State.COMPLETED:
        raise Refused(Rejected, "The task has ended without an image")
    return say(works, "resulted", dialect, task, call, done=True)


def cancel(works: Works, dialect: Dialect, task: MockTask, call: Incoming) -> Answer:
    """Stops a task, which stays billed; a service that has no word for that does not know it any more."""
    declared = dialect.provider.cancel
    assert declared is not None  # noqa: S101 - whoever cancels has found the route
    if task.cancelled or is_done(works, dialect, task, works.now):
        raise Refused(Rejected, "The task has ended already", status=declared.late)
    task.cancelled = True
    works.webhooks.cancelled(task, dialect.cancelled, works.now, reporting(works, dialect, task, call))
    if declared.answer is None or dialect.cancelled is None:
        return Answer(declared.status, b"{}", JSON_HEADERS)
    return attrs.evolve(say(works, "cancelled", dialect, task, call, done=False), status=declared.status)


def accepted(works: Works, dialect: Dialect, task: MockTask, call: Incoming) -> Answer:
    """The answer to a submit. A service that cannot be polled has the image ready then, and no other has."""
    webhook = dialect.provider.webhook
    hooked = webhook is not None and webhook.accepted is not None and "webhook_url" in task.values
    return say(works, "hooked" if hooked else "accepted", dialect, task, call, done=dialect.provider.poll is None)


def reporting(works: Works, dialect: Dialect, task: MockTask, call: Incoming) -> Report:
    """What writes the webhook of a task at a stage of its life, with links as the call would get them."""
    call, last = attrs.evolve(call, body=b""), dialect.life.last

    def report(stage: int, now: float) -> bytes:
        with works.lock:
            works.seen, works.now = Exchange("", "", 0, now), now  # no exchange is under way
            return say(works, "webhook", dialect, task, call, done=stage == last, stage=stage).body

    return report


def say(
    works: Works,
    of: str,
    dialect: Dialect,
    task: MockTask,
    call: Incoming,
    *,
    done: bool,
    stage: int | None = None,
) -> Answer:
    """What is said of a task now; a link is minted, and may be dead, only where one is said."""
    base_url = f"{call.origin}/{dialect.provider.name}"  # the origin of a namespace holds its name
    if stage is None:
        stage = dialect.life.last if done else stage_of(works, dialect, task, works.now)
    if task.cancelled and dialect.cancelled is not None:
        facts = dialect.facts(of, stage, id=task.id, base_url=base_url, model=task.model.path)
        return dialect.say(of, {**facts, "status": dialect.cancelled})
    if of == "hooked":
        facts = dialect.facts(of, stage, id=task.id, base_url=base_url, model=task.model.path)
        return dialect.say(of, {**facts, "webhook_url": task.values["webhook_url"]})
    cost = cost_of(task) if (done or of == "accepted") and "cost" in dialect.form(of) else None
    if not done and cost is None:
        return say_briefly(dialect, of, stage, id=task.id, base_url=base_url, model=task.model.path)
    if done and task.ending in ENDINGS:
        works.bill.refund(dialect, task)
        place = {"id": task.id, "base_url": base_url, "model": task.model.path}
        return say_end(dialect, of, ENDINGS[task.ending], reason=REASONS[task.ending], cost=cost, **place)
    facts = dialect.facts(of, stage, id=task.id, base_url=base_url, model=task.model.path)
    if cost is not None:
        facts["cost"] = cost
    if done:
        facts["seed"] = task.seed
        if "images" in dialect.form(of):
            task.links += 1
            fault = works.strike("link", task, but=() if task.links == 1 else ("expired-link",))
            picture = works.gallery.picture(task, call.origin, works.now, dead=fault == "expired-link")
            if fault != "two-links":
                return say_completed(dialect, of, facts, picture, base_url=base_url, model=task.model.path)
            again = works.gallery.picture(task, call.origin, works.now, dead=False, copy=1)
            facts["images"] = picture, again
    return dialect.say(of, facts)
