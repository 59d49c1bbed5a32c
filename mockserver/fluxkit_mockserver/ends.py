"""What a service says of tasks that end without an image, or that a fault has stand where no task of its stands."""

import contextlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import attrs

from fluxkit._wire.json import Unfit, merge
from fluxkit.provider import State

from .answer import Answer
from .dialect import Dialect
from .documents import answer_of, encoded


def words_of_end(dialect: Dialect, state: State) -> tuple[str, ...]:
    """The service's words for an end in *state*: that for a failure, where it has none for a refusal."""
    return dialect.life.ends.get(state) or dialect.life.ends.get(State.FAILED, ())


def say_end(
    dialect: Dialect, of: str, state: State, *, reason: str, id: str, base_url: str, model: str, cost: Decimal | None
) -> Answer:
    """What is said of a task that has ended in *state* without an image, in the mould of such an end.

    Where a sample shows the service's own form of a reason, the *reason* takes the place of that one. ``LookupError``
    if the service has no words for such an end.
    """
    facts: dict[str, Any] = dialect.facts(of, len(dialect.words) - 1, id=id, base_url=base_url, model=model)
    if cost is not None:
        facts["cost"] = cost
    for word in words_of_end(dialect, state):
        facts["status"] = word
        shown = next((each for each in dialect.samples if each.of == of and each.means.get("status") == word), None)
        known = None if shown is None else shown.means.get("reason")
        ends = [facts]
        if state is State.COMPLETED:
            ends.insert(0, {**facts, "images": ()})
        elif known is None:
            ends.insert(0, {**facts, "reason": reason})
        for end in ends:
            with contextlib.suppress(Unfit):
                return _in_own_words(_say_bare(dialect, of, end), known, reason)
    raise LookupError(f"{dialect.provider.name} has no words for the state {state} of a task")


def say_word(dialect: Dialect, of: str, word: str, *, id: str, base_url: str, model: str) -> Answer:
    """What is said of a task while it runs, by another word than those of its life."""
    facts = dialect.facts(of, 0, id=id, base_url=base_url, model=model)
    return _say_bare(dialect, of, {**facts, "status": word})


def _say_bare(dialect: Dialect, of: str, facts: Mapping[str, Any]) -> Answer:
    """An answer in which there is no image, also none of the sample that is its mould."""
    word, form, codec = facts["status"], dialect.form(of), dialect.codec(of)
    said = {name: fact for name, fact in facts.items() if name in form}
    written = codec.write(said)
    moulds = [each for each in dialect.samples if each.of == of and each.means.get("status", word) == word]
    moulds += [each for each in dialect.samples if each.of == of and each.means.get("status") == dialect.words[0]]
    for mould in moulds:
        document = merge(mould.body, written)
        with contextlib.suppress(Unfit):
            if not codec.read(document).get("images"):
                return answer_of(dialect.status(of, word), document)
    return answer_of(dialect.status(of, word), written)


def _in_own_words(answer: Answer, known: str | None, reason: str) -> Answer:
    if known is None:
        return answer
    return attrs.evolve(answer, body=answer.body.replace(encoded(known), encoded(reason)))
