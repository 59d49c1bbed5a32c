"""How a mock writes down what it is, and is again what it was: between its works and the file of its state."""

from typing import TYPE_CHECKING, Any

import attrs

from .answer import Incoming
from .exchange import Exchange
from .limits import Limits
from .refused import Refused
from .switches import SWITCHES
from .tasks import MockTask, Progression, point_of
from .telling import reporting, words_of
from .works import Works

if TYPE_CHECKING:
    from .state import Kept, StateFile


def keep(works: Works, seen: Exchange, call: Incoming) -> None:
    """Writes down what a call has changed."""
    if works.state is not None:
        works.state.keep(
            works.name,
            call=call,
            headers=seen.headers,
            task=works.tasks.get(seen.task or ""),
            bought=seen.bought,
            charges=works.bill.charges,
            uploads=works.uploads.kept,
            facts=_facts(works),
        )


def keep_facts(works: Works) -> None:
    """Writes down what holds for the whole."""
    if works.state is not None:
        works.state.keep_facts(works.name, _facts(works))


def _facts(works: Works) -> dict[str, Any]:
    """What holds for the whole mock, as JSON."""
    return {
        "now": works.clock.now(),
        "accepted": works.accepted,
        "uploads": works.uploads.number,
        "accounts": works.bill.accounts.kept,
        "faults": works.faults.kept,
        "made": works.made,
        "set": works.settings,
        "calls": [(name, works.number_of((name, key)), times) for (name, key), times in works.gauge.counted.items()],
    }


@attrs.frozen(eq=False, repr=False)
class _Watch:
    """An alarm that is never due: whenever time is moved, it writes that down, and no call has to come for it."""

    works: Works

    def due(self) -> None:
        """Never."""

    def ring(self, now: float = 0.0, /) -> None:
        with self.works.lock:
            keep_facts(self.works)

    async def ring_async(self, now: float, /) -> None:
        self.ring(now)


def recall(works: Works, state: "StateFile") -> None:
    """Takes in what a mock has kept that was here before, and keeps on."""
    works.state = state
    facts = state.facts(works.name)
    works.clock.advance(facts.get("now", 0.0) - works.clock.now())
    works.accepted = facts.get("accepted", 0)
    works.uploads.restore(state.uploads(works.name), facts.get("uploads", 0))
    settings = works.settings
    if facts.get("made") == works.made:  # what is given otherwise than before takes the place of what was set since
        settings |= facts["set"]
    works.progression = Progression(settings["progression"])
    if settings["switches"] != works.switches:
        works.switch({**dict.fromkeys(works.switches), **settings["switches"]})
    works.gauge.limits = Limits.read(settings["limits"])
    works.bill.accounts.restore(facts.get("accounts", {}), settings["balance"])
    works.bill.restore(state.charges(works.name))
    if not works.faults.armed:  # what is armed from the beginning takes their place
        works.faults.restore(facts.get("faults", {}))
    for kept in state.tasks(works.name):
        _read_again(works, kept)
    works.limit(works.gauge.limits)
    for name, number, times in facts.get("calls", ()):
        form = next((each.key.form for each in works.providers if each.name == name), None)
        if form is not None and number < len(works.keys):
            works.gauge.restore((name, form.format(key=works.keys[number])), times)
    watch = _Watch(works)
    works.clock.alarms.append(watch)
    works.bill.accounts.changed = watch.ring


def _read_again(works: Works, kept: "Kept") -> None:
    """A task of before, read from its call; one that the declarations of today do not understand is left out."""
    from .state import restored

    name, slash, rest = kept.call.path.lstrip("/").partition("/")
    if name not in works.dialects:
        return
    switched = tuple((switch, value) for switch, value in kept.facts.get("switched", ()) if switch in SWITCHES)
    dialect = works.dialects.once(name, switched)
    try:
        row, values = dialect.reader.read(dialect.reader.submitted(kept.call, f"{slash}{rest}"), kept.call)
    except Refused:
        return
    contents = kept.brought or tuple(each.content for each in values.get("references", ()))
    values, brought = works.shelf.take(values, contents)
    task = MockTask(
        kept.id, kept.number, dialect.provider, row, values, point_of(row, values), 0, "", 0.0, 0.0, brought
    )
    task = works.tasks[kept.id] = attrs.evolve(restored(task, kept.facts), switched=switched)
    works.replays.keep(works.account_of(task), dialect.provider, kept.call, task, task.created_at)
    if "webhook_url" in values and task.ending != "vanished":
        report = reporting(works, dialect, task, kept.call)
        works.webhooks.resume(task, words_of(dialect, task), works.progression, report, works.clock.now())
