"""How the mock says things: a declaration and its samples, applied from the service's side."""

import contextlib
import itertools
from collections.abc import Collection, Mapping
from typing import Any

import attrs

from fluxkit._wire.declaration import Aside, Provider, Refusal
from fluxkit._wire.json import Json, Unfit, merge
from fluxkit._wire.samples import Sample
from fluxkit._wire.trim import trim
from fluxkit.errors import Vanished
from fluxkit.provider import At, Codec, Either, First, Form, State, With

from . import ids
from .answer import Answer
from .documents import answer_of
from .reader import Reader
from .refused import Refused, reason_of, status_of
from .switches import SWITCHES
from .tasks import Life, life_of


@attrs.frozen(eq=False, repr=False)
class Dialect:
    """One service's way of speaking. *spelling* chooses among the ways in which it may say one thing.

    *switches* says what the service does where no page does, if that is not the usual. *linking* are the kinds of its
    answers that name addresses of the service.
    """

    provider: Provider
    samples: tuple[Sample, ...]
    spelling: int = 0
    switches: Mapping[str, str] = attrs.field(factory=dict)
    reader: Reader = attrs.field(init=False)
    life: Life = attrs.field(init=False)
    words: tuple[str, ...] = attrs.field(init=False)
    _forms: Mapping[str, Mapping[str, Codec]] = attrs.field(init=False)
    _moulds: dict[tuple[str, str], Json] = attrs.field(init=False, factory=dict)
    _statuses: Mapping[tuple[str, str | None], int] = attrs.field(init=False)
    _shape: ids.Shape = attrs.field(init=False)
    linking: frozenset[str] = attrs.field(init=False)

    @reader.default
    def _reader_of_calls(self) -> Reader:
        return Reader(self.provider, self.switches)

    @life.default
    def _life_of_a_task(self) -> Life:
        return life_of(self.provider)

    @words.default
    def _words_of_a_life(self) -> tuple[str, ...]:
        return self.life.words

    @_forms.default
    def _forms_of_answers(self) -> Mapping[str, Mapping[str, Codec]]:
        said: dict[str, Codec | None]
        said = {"accepted": self.provider.accepted, "polled": self.provider.polled, "resulted": self.provider.resulted}
        if self.provider.cancel is not None:
            said["cancelled"] = self.provider.cancel.answer
        if self.provider.webhook is not None:
            said["webhook"] = self.provider.webhook.event
            said["hooked"] = self.provider.webhook.accepted
        return {of: _form(codec) for of, codec in said.items() if codec is not None}

    @_statuses.default
    def _statuses_of_answers(self) -> Mapping[tuple[str, str | None], int]:
        shown = {(each.of, each.means.get("status")): each.status for each in reversed(self.samples)}
        return shown | {("polled", word): status for word, status in self.provider.answers.items()}

    @_shape.default
    def _shape_of_ids(self) -> ids.Shape:
        shown = (each.means["id"] for each in self.samples if each.of == "accepted" and each.means.get("id"))
        return ids.shape_of(next(shown, ids.USUAL))

    @linking.default
    def _answers_that_name_addresses_of_the_service(self) -> frozenset[str]:
        named = {"poll_url", "result_url", "cancel_url"}
        return frozenset(of for of, names in self._forms.items() if not named.isdisjoint(names))

    @property
    def refunds(self) -> bool:
        """Whether a task that has failed does not stay on the bill."""
        switch = SWITCHES["failed-tasks"]
        return self.switches.get(switch.name, switch.usual(self.provider)) == "refunded"

    @property
    def cancelled(self) -> str | None:
        """The service's word for a task that was stopped, None if it has none."""
        return next((word for word, state in self.provider.statuses if state is State.CANCELLED), None)

    def form(self, of: str) -> Mapping[str, Codec]:
        """What an answer of this kind has a place for, as far as it is said by name, and how each is written."""
        return self._forms[of]

    def codec(self, of: str) -> Codec:
        """What an answer of this kind is written and read with."""
        webhook = self.provider.webhook
        if of == "webhook" and webhook is not None:
            return webhook.event
        if of == "hooked" and webhook is not None and webhook.accepted is not None:
            return webhook.accepted
        if of == "cancelled" and self.provider.cancel is not None and self.provider.cancel.answer is not None:
            return self.provider.cancel.answer
        codec: Codec = getattr(self.provider, of)
        return codec

    def statuses(self, of: str) -> tuple[int, ...]:
        """The HTTP statuses with which answers of this kind come, whatever word they hold."""
        words = (*self.words, *(word for word, _ in self.provider.statuses))
        return tuple(sorted({self.status(of, word) for word in words}))

    def status(self, of: str, word: str) -> int:
        """The HTTP status with which an answer of this kind comes that holds this *word*."""
        return self._statuses.get((of, word)) or self._statuses.get((of, None), 200)

    def facts(self, of: str, stage: int, *, id: str, base_url: str, model: str) -> dict[str, Any]:
        """What can be said of a task at a *stage* of its life, but for its images."""
        names, last = self._forms[of], len(self.words) - 1
        facts: dict[str, Any] = {
            "id": id,
            "status": self.words[stage],
            "progress": round(100 * stage / last) if last else 0,
        }
        cancel = None if self.provider.cancel is None else self.provider.cancel.route
        routes = {"poll_url": self.provider.poll, "result_url": self.provider.result, "cancel_url": cancel}
        for name, route in routes.items():
            if route is not None and name in names:
                facts[name] = route.url(base_url, model=model, id=id)
        return facts

    def say(self, of: str, facts: Mapping[str, Any]) -> Answer:
        """An answer with those of the *facts* that the service has a place for, in the mould of its sample."""
        codec, word = self.codec(of), facts["status"]
        form = self._forms[of]
        said = {
            name: trim(form[name], fact) if isinstance(fact, tuple) else fact
            for name, fact in facts.items()
            if name in form
        }
        written = self._write(codec, said)
        if (of, word) not in self._moulds:
            self._moulds[of, word] = self._mould(of, word, written, said)
        return answer_of(self.status(of, word), merge(self._moulds[of, word], written))

    def shown(self, of: str) -> tuple[Sample, ...]:
        """The samples of this kind; of an answer to a submit with a webhook, those that say all that it says."""
        if of != "hooked":
            return tuple(each for each in self.samples if each.of == of)
        codec, names = self.codec(of), self.form(of).keys()
        return tuple(each for each in self.samples if each.of == "accepted" and _says(codec, each.body, names))

    def _mould(self, of: str, word: str, written: Json, said: Mapping[str, Any]) -> Json:
        """The first sample of this kind that, once *written* is laid over it, still says what is *said*."""
        codec = self.codec(of)
        for sample in self.shown(of):
            if sample.means.get("status", word) == word:
                with contextlib.suppress(Unfit):
                    read = codec.read(merge(sample.body, written))
                    if said.items() <= read.items() and self._is_own(codec, sample):
                        return sample.body
        return {}

    @staticmethod
    def _is_own(codec: Codec, sample: Sample) -> bool:
        """Whether a sample has the form of *codec*: another envelope would stay around what is laid over it."""
        return "id" not in sample.means or codec.read(sample.body).get("id") == sample.means["id"]

    def say_unknown(self, id: str) -> Answer:
        """What is said of a task that the service does not know: a status word if it has one for this, or a refusal."""
        word = next((word for word, state in self.provider.statuses if state is State.VANISHED), None)
        if word is not None:
            return self.say("polled", {"id": id, "status": word})
        missing = next(iter(self.provider.not_found), Refusal(404, Vanished))
        return self.refuse(Refused(missing.error, missing.text, status=missing.status))

    def holds(self, images: int) -> bool:
        """Whether the answer that names the images has room for so many."""
        of = "polled" if self.provider.resulted is None else "resulted"
        codec = self._forms[of].get("images")
        if codec is None:
            return False
        many = tuple({"url": f"https://example.com/{number}.png"} for number in range(images))
        try:
            return len(codec.read(codec.write(trim(codec, many)))) == images
        except Unfit:
            return False

    def say_aside(self, aside: Aside, facts: Any) -> Answer:
        """The answer to a question beside the tasks, with those of the *facts* that the service has a place for."""
        if isinstance(facts, dict) and facts["unlimited"] and "unlimited" in _form(aside.answer):
            facts = {**facts, "balance": -1}
        return answer_of(200, self._write(aside.answer, trim(aside.answer, facts)))

    @property
    def uploaded(self) -> Mapping[str, Any]:
        """What the recorded answer to an upload says; nothing if none is recorded."""
        return next((each.means for each in self.samples if each.of == "uploaded"), {})

    def say_uploaded(self, facts: Mapping[str, Any]) -> Answer:
        """The answer to an upload with those of the *facts* that the service has a place for, in its sample's mould."""
        assert self.provider.upload is not None  # noqa: S101 - whoever uploads has found the route
        codec = self.provider.upload.answer
        mould: Json = next((each.body for each in self.samples if each.of == "uploaded"), {})
        return answer_of(200, merge(mould, self._write(codec, trim(codec, facts))))

    def _write(self, codec: Codec, said: Any) -> Json:
        if self.spelling == 0:
            return codec.write(said)
        ways = list(itertools.islice(codec.spellings(said), self.spelling + 1))
        return ways[self.spelling % len(ways)]

    def refuse(self, refused: Refused) -> Answer:
        """The service's own words for a refusal, with its own status; composed where no sample shows it."""
        status = refused.status or status_of(self.provider, refused.kind)
        fields = tuple({"name": problem.place, "reason": reason_of(problem)} for problem in refused.problems)
        shown = [each for each in self.samples if each.of == "refused" and each.status == status]
        codec = self.provider.error
        if status == 400 and isinstance(codec, Either):
            # Both forms are among the samples.
            codec = codec.second if self.switches.get("400-shape") == "wrapped" else codec
            shown = [each for each in shown if codec is self.provider.error or _fits(codec, each.body)]
        # The sample that means the same comes first, and of several the one that names fields as often as this does.
        shown.sort(key=lambda each: bool(each.means.get("fields")) != bool(fields))
        shown.sort(key=lambda each: each.means.get("error") != refused.kind.__name__)
        shown.sort(key=lambda each: (each.phase == "upload") is not (refused.phase == "upload"))
        facts: dict[str, Any] = {}
        if status == 402 and self.switches.get("402-body") == "message":
            facts["message"] = "Out of credit"
        if refused.message or fields or not shown:
            facts["message"] = refused.message or refused.usual_message
        if fields:
            facts["fields"] = fields
        if refused.type:
            facts["type"] = refused.type
        said = codec.write(trim(codec, facts)) if facts else {}
        answer = answer_of(status, _moulded(shown[0].body, said) if shown else said)
        return attrs.evolve(answer, headers={**answer.headers, **refused.headers}) if refused.headers else answer

    def new_id(self, seed: int, number: int) -> str:
        """A fresh id in the shape that the service's samples show."""
        return ids.fresh(self._shape, f"{seed}:{self.provider.name}:{number}")


def _says(codec: Codec, document: Json, names: Collection[str]) -> bool:
    try:
        said: Mapping[str, Any] = codec.read(document)
    except Unfit:
        return False
    return said.keys() >= {*names}


def _fits(codec: Codec, document: Json) -> bool:
    try:
        return bool(codec.read(document).get("message"))
    except (Unfit, AttributeError):
        return False


def _form(codec: Codec) -> Mapping[str, Codec]:
    """The codecs of the form within *codec*; the alternatives of an ``Either`` have the same names by convention."""
    match codec:
        case Form(fields=fields):
            return dict(fields)
        case Either(first=inner) | At(inner=inner) | First(inner=inner) | With(inner=inner):
            return _form(inner)
    return {}


def _moulded(mould: Json, said: Json) -> Json:
    """What is *said*, with what the *mould* says beside it; each item of a list is like the first one of the mould."""
    if isinstance(mould, dict) and isinstance(said, dict):
        return mould | {key: _moulded(mould.get(key), value) for key, value in said.items()}
    if isinstance(mould, list) and mould and isinstance(said, list):
        return [_moulded(mould[0], item) for item in said]
    return said
