"""How the mock reads and says things: a declaration and its samples, applied from the service's side.

A test makes a mock, asks it a few things and throws it away, thousands of times a run. So whatever follows from the
declaration alone is worked out once per dialect, and a dialect, which never changes, is shared by all mocks.
"""

import contextlib
import functools
import hashlib
import itertools
import json
import operator
import re
import string
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NoReturn, TypeVar
from urllib.parse import unquote_plus

import attrs

from fluxkit._wire.codecs import At, Either, First, Form, With, trim
from fluxkit._wire.declaration import USUAL, Aside, Model, Provider
from fluxkit._wire.json import HEADERS, MISSING, QUERY, Json, Path, Problem, Unfit, leaves, merge
from fluxkit._wire.nearest import NoSuchSize
from fluxkit._wire.samples import Sample, samples_of
from fluxkit._wire.scalars import Codec
from fluxkit._wire.sizes import Canvas
from fluxkit.errors import FluxError, RateLimited, Rejected, Unauthorized
from fluxkit.provider import State

from .answer import Answer, Incoming
from .switches import SWITCHES, base64_of, settings_of, turned, unusual
from .tasks import Life, life_of

JSON_HEADERS: Final = {"content-type": "application/json"}

HEX: Final = "0123456789abcdef"
CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

#: How many dialects are kept: more than there are services, fewer than a suite that changes declarations makes.
MOST_DIALECTS: Final = 64

#: Switches that are not as usual, by their short names.
Switches = tuple[tuple[str, str], ...]

T = TypeVar("T")


class Refused(Exception):
    """The mock refuses a call: what it means, and what the service says of it."""

    def __init__(
        self,
        kind: type[FluxError],
        message: str = "",
        *,
        problems: tuple[Problem, ...] = (),
        status: int | None = None,
        type: str = "",
        phase: str = "submit",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.problems = problems
        self.status = status
        self.type = type
        self.phase = phase
        self.headers = headers or {}


@attrs.frozen(eq=False)
class Dialect:
    """One service's way of speaking. *spelling* chooses among the ways in which it may say one thing.

    *switches* says what the service does where no page does, if that is not the usual.
    """

    provider: Provider
    samples: tuple[Sample, ...]
    spelling: int = 0
    switches: Mapping[str, str] = attrs.field(factory=dict)
    life: Life = attrs.field(init=False)
    words: tuple[str, ...] = attrs.field(init=False)
    _rows: Mapping[str, tuple[Model, ...]] = attrs.field(init=False)
    _places: Mapping[int, Mapping[str, frozenset[Path]]] = attrs.field(init=False)
    _forms: Mapping[str, Mapping[str, Codec]] = attrs.field(init=False)
    _moulds: dict[tuple[str, str], Json] = attrs.field(init=False, factory=dict)
    _statuses: Mapping[tuple[str, str | None], int] = attrs.field(init=False)
    _shape: tuple[str, ...] = attrs.field(init=False)

    @life.default
    def _life_of_a_task(self) -> Life:
        return life_of(self.provider)

    @words.default
    def _words_of_a_life(self) -> tuple[str, ...]:
        return self.life.words

    @_rows.default
    def _rows_by_path(self) -> Mapping[str, tuple[Model, ...]]:
        return _grouped(self.provider.models, by=lambda row: row.path)

    @_places.default
    def _places_by_first_step(self) -> Mapping[int, Mapping[str, frozenset[Path]]]:
        # Models may share a name, and to hash one is to hash its whole form: so they are told apart by identity.
        return {
            id(row): {
                step: frozenset(places)
                for step, places in _grouped(row.request.places(), by=lambda place: place[0]).items()
            }
            for row in self.provider.models
        }

    @_forms.default
    def _forms_of_answers(self) -> Mapping[str, Mapping[str, Codec]]:
        said: dict[str, Codec | None]
        said = {"accepted": self.provider.accepted, "polled": self.provider.polled, "resulted": self.provider.resulted}
        if self.provider.cancel is not None:
            said["cancelled"] = self.provider.cancel.answer
        if self.provider.webhook is not None:
            said["webhook"] = self.provider.webhook.event
        return {of: _form(codec) for of, codec in said.items() if codec is not None}

    @_statuses.default
    def _statuses_of_answers(self) -> Mapping[tuple[str, str | None], int]:
        shown = {(each.of, each.means.get("status")): each.status for each in reversed(self.samples)}
        return shown | {("polled", word): status for word, status in self.provider.answers.items()}

    @_shape.default
    def _shape_of_ids(self) -> tuple[str, ...]:
        shown = (each.means["id"] for each in self.samples if each.of == "accepted" and each.means.get("id"))
        alphabets = _alphabets(next(shown, "00000000-0000-4000-8000-000000000000"))
        return tuple((letters * 256)[:256] for letters in alphabets)  # a letter for each byte

    @property
    def refunds(self) -> bool:
        """Whether a task that has failed does not stay on the bill."""
        switch = SWITCHES["failed-tasks"]
        return self.switches.get(switch.name, switch.usual(self.provider)) == "refunded"

    def methods(self, path: str, query: Mapping[str, str]) -> tuple[str, ...]:
        """The methods with which a call to *path* would be served; none where no path is, or where no page says it."""
        if self.switches.get("wrong-method") == "404":
            return ()
        provider = self.provider
        steps = [each.route for each in (provider.upload, provider.cancel, provider.balance) if each is not None]
        routes = [each for each in (provider.submit, provider.poll, provider.result, *steps) if each is not None]
        found = {}
        for route in routes:
            said = route.match(route.method, path, query)
            if said is not None and (route is not provider.submit or said.get("model", "") in ("", *self._rows)):
                found[route.method] = True
        return tuple(found)

    @property
    def cancelled(self) -> str | None:
        """The service's word for a task that was stopped, None if it has none."""
        return next((word for word, state in self.provider.statuses if state is State.CANCELLED), None)

    def submitted(self, call: Incoming, path: str) -> tuple[Model, ...]:
        """The models that a call to *path* may buy from; none if it buys nothing."""
        said = self.provider.submit.match(call.method, path, call.query)
        if said is None:
            return ()
        return self._rows.get(said["model"], ()) if "model" in said else self.provider.models

    def read_request(self, rows: tuple[Model, ...], call: Incoming) -> tuple[Model, Mapping[str, Any]]:
        """The model and the values of a submit; ``Refused`` with everything that does not fit."""
        try:
            return self._read(rows, call, self._unprefixed(rows, read_body(call)))
        except RecursionError:
            raise Refused(Rejected, "The body is nested too deep.") from None

    def _read(
        self, rows: tuple[Model, ...], call: Incoming, body: Mapping[str, Json]
    ) -> tuple[Model, Mapping[str, Any]]:
        document = {**body, HEADERS: call.headers, QUERY: call.query}
        best: tuple[Problem, ...] | None = None
        for row in rows:
            problems: tuple[Problem, ...] = ()
            values: Mapping[str, Any] = {}
            try:
                values = row.request.read(document)
            except Unfit as error:
                problems = error.problems
            problems += self._stray(row, body)
            if call.query:
                problems += self._stray(row, {QUERY: call.query})
            problems += _size_problems(row, values)
            if not problems:
                return row, values
            if best is None or len(problems) < len(best):
                best = problems
        raise Refused(Rejected, problems=best or ())

    def _unprefixed(self, rows: tuple[Model, ...], body: dict[str, Json]) -> Mapping[str, Json]:
        """A body whose images are base64 alone, at a service that takes them with what a ``data:`` URI begins with."""
        if self.switches.get("data-prefixes") != "take":
            return body
        codecs = [codec for row in rows if base64_of(codec := row.form.get("references")) is not None and codec]
        places = {place[0] for codec in codecs for place in codec.places()}
        return {
            name: re.sub(r"\Adata:image/[a-z]+;base64,", "", value)
            if name in places and isinstance(value, str)
            else value
            for name, value in body.items()
        }

    def _stray(self, row: Model, document: Mapping[str, Json]) -> tuple[Problem, ...]:
        """Each field of *document* for which the model has no place, where services are quiet and a mock is strict."""
        if self.switches.get("extra-fields") == "ignore":
            return ()
        known = self._places[id(row)]
        problems = []
        for leaf in leaves(document):
            places = known.get(leaf[0], frozenset())
            if leaf not in places and not any(_meet(leaf, place) for place in places):
                problems.append(Problem(".".join(leaf), "given", "no such field"))
        return tuple(problems)

    def names(self, of: str) -> Collection[str]:
        """What an answer of this kind has a place for, as far as it is said by name."""
        return self._forms[of]

    def say(self, of: str, facts: Mapping[str, Any]) -> Answer:
        """An answer with those of the *facts* that the service has a place for, in the mould of its sample."""
        codec, word = self._codec(of), facts["status"]
        form = self._forms[of]
        said = {
            name: trim(form[name], fact) if isinstance(fact, tuple) else fact
            for name, fact in facts.items()
            if name in form
        }
        written = self._write(codec, said)
        if (of, word) not in self._moulds:
            self._moulds[of, word] = self._mould(of, word, written, said)
        return _answer(self._status(of, word), merge(self._moulds[of, word], written))

    def _mould(self, of: str, word: str, written: Json, said: Mapping[str, Any]) -> Json:
        """The first sample of this kind that, once *written* is laid over it, still says what is *said*."""
        codec = self._codec(of)
        for sample in self.samples:
            if sample.of == of and sample.means.get("status", word) == word:
                with contextlib.suppress(Unfit):
                    read = codec.read(merge(sample.body, written))
                    if said.items() <= read.items() and self._is_own(codec, sample):
                        return sample.body
        return {}

    @staticmethod
    def _is_own(codec: Codec, sample: Sample) -> bool:
        """Whether a sample has the form of *codec*: another envelope would stay around what is laid over it."""
        return "id" not in sample.means or codec.read(sample.body).get("id") == sample.means["id"]

    def _codec(self, of: str) -> Codec:
        if of == "webhook" and self.provider.webhook is not None:
            return self.provider.webhook.event
        if of == "cancelled" and self.provider.cancel is not None and self.provider.cancel.answer is not None:
            return self.provider.cancel.answer
        codec: Codec = getattr(self.provider, of)
        return codec

    def statuses(self, of: str) -> tuple[int, ...]:
        """The HTTP statuses with which answers of this kind come, whatever word they hold."""
        words = (*self.words, *(word for word, _ in self.provider.statuses))
        return tuple(sorted({self._status(of, word) for word in words}))

    def _status(self, of: str, word: str) -> int:
        return self._statuses.get((of, word)) or self._statuses.get((of, None), 200)

    def say_unknown(self, id: str) -> Answer:
        """What is said of a task that the service does not know: a status word if it has one for this, or a refusal."""
        word = next((word for word, state in self.provider.statuses if state is State.VANISHED), None)
        if word is not None:
            return self.say("polled", {"id": id, "status": word})
        missing = self.provider.not_found[0]
        return self.refuse(Refused(missing.error, missing.text, status=missing.status))

    def say_briefly(self, of: str, stage: int, *, id: str, base_url: str, model: str) -> Answer:
        """What is said at a *stage* of a task's life where there are no images.

        Tasks at one stage differ by their id alone, so the answer is cast once and the id stamped into it.
        """
        cast = _cast(self, of, stage, base_url if self._tells_urls(of) else "", model)
        if cast is None:
            return self.say(of, self.facts(of, stage, id=id, base_url=base_url, model=model))
        body, stamp = cast
        return Answer(self._status(of, self.words[stage]), body.replace(stamp, id.encode()), JSON_HEADERS)

    def say_completed(
        self, of: str, facts: Mapping[str, Any], picture: Mapping[str, Any], *, base_url: str, model: str
    ) -> Answer:
        """What is said at the end of a task with one image.

        Where such answers differ by the id and the link alone, they are cast once, and both are stamped into it.
        """
        place = base_url if self._tells_urls(of) else ""
        cast = None if "content" in picture else _cast_end(self, of, place, model, priced="cost" in facts)
        if cast is None:
            return self.say(of, {**facts, "images": (picture,)})
        body, stamp, address = cast
        link = _WRITER.encode(picture["url"])[1:-1].encode()
        stamped = body.replace(stamp, facts["id"].encode()).replace(address, link)
        return Answer(self._status(of, self.words[-1]), stamped, JSON_HEADERS)

    def _tells_urls(self, of: str) -> bool:
        """Whether an answer of this kind names addresses of the service."""
        return not self._forms[of].keys().isdisjoint(("poll_url", "result_url", "cancel_url"))

    def end(self, state: State) -> tuple[str, ...]:
        """The service's words for an end in *state*: that for a failure, where it has none for a refusal."""
        return self.life.ends.get(state) or self.life.ends.get(State.FAILED, ())

    def say_end(
        self, of: str, state: State, *, reason: str, id: str, base_url: str, model: str, cost: Decimal | None
    ) -> Answer:
        """What is said of a task that has ended in *state* without an image, in the mould of such an end.

        Where a sample shows the service's own form of a reason, the *reason* takes the place of that one.
        """
        facts: dict[str, Any] = self.facts(of, len(self.words) - 1, id=id, base_url=base_url, model=model)
        if cost is not None:
            facts["cost"] = cost
        for word in self.end(state):
            facts["status"] = word
            shown = next((each for each in self.samples if each.of == of and each.means.get("status") == word), None)
            known = None if shown is None else shown.means.get("reason")
            ends = [facts]
            if state is State.COMPLETED:
                ends.insert(0, {**facts, "images": ()})
            elif known is None:
                ends.insert(0, {**facts, "reason": reason})
            for end in ends:
                with contextlib.suppress(Unfit):
                    return self._in_own_words(self._say_bare(of, end), known, reason)
        raise LookupError(f"{self.provider.name} has no words for the state {state} of a task")

    def _say_bare(self, of: str, facts: Mapping[str, Any]) -> Answer:
        """An answer in which there is no image, also none of the sample that is its mould."""
        word, form = facts["status"], self._forms[of]
        said = {name: fact for name, fact in facts.items() if name in form}
        written = self._codec(of).write(said)
        moulds = [each for each in self.samples if each.of == of and each.means.get("status", word) == word]
        moulds += [each for each in self.samples if each.of == of and each.means.get("status") == self.words[0]]
        for mould in moulds:
            document = merge(mould.body, written)
            with contextlib.suppress(Unfit):
                if not self._codec(of).read(document).get("images"):
                    return _answer(self._status(of, word), document)
        return _answer(self._status(of, word), written)

    @staticmethod
    def _in_own_words(answer: Answer, known: str | None, reason: str) -> Answer:
        if known is None:
            return answer
        body = answer.body.replace(_WRITER.encode(known).encode(), _WRITER.encode(reason).encode())
        return attrs.evolve(answer, body=body)

    def say_word(self, of: str, word: str, *, id: str, base_url: str, model: str) -> Answer:
        """What is said of a task while it runs, by another word than those of its life."""
        facts = self.facts(of, 0, id=id, base_url=base_url, model=model)
        return self._say_bare(of, {**facts, "status": word})

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
        return _answer(200, self._write(aside.answer, trim(aside.answer, facts)))

    @property
    def uploaded(self) -> Mapping[str, Any]:
        """What the recorded answer to an upload says; nothing if none is recorded."""
        return next((each.means for each in self.samples if each.of == "uploaded"), {})

    def say_uploaded(self, facts: Mapping[str, Any]) -> Answer:
        """The answer to an upload with those of the *facts* that the service has a place for, in its sample's mould."""
        assert self.provider.upload is not None  # noqa: S101 - whoever uploads has found the route
        codec = self.provider.upload.answer
        mould: Json = next((each.body for each in self.samples if each.of == "uploaded"), {})
        return _answer(200, merge(mould, self._write(codec, trim(codec, facts))))

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

    def _write(self, codec: Codec, said: Any) -> Json:
        if self.spelling == 0:
            return codec.write(said)
        ways = list(itertools.islice(codec.spellings(said), self.spelling + 1))
        return ways[self.spelling % len(ways)]

    def refuse(self, refused: Refused) -> Answer:
        """The service's own words for a refusal, with its own status; composed where no sample shows it."""
        status = refused.status or status_of(self.provider, refused.kind)
        fields = tuple({"name": problem.place, "reason": _reason(problem)} for problem in refused.problems)
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
            facts["message"] = refused.message or _usual_message(refused)
        if fields:
            facts["fields"] = fields
        if refused.type:
            facts["type"] = refused.type
        said = codec.write(trim(codec, facts)) if facts else {}
        answer = _answer(status, _moulded(shown[0].body, said) if shown else said)
        return attrs.evolve(answer, headers={**answer.headers, **refused.headers}) if refused.headers else answer

    def new_id(self, seed: int, number: int) -> str:
        """A fresh id in the shape that the service's samples show."""
        digest = hashlib.sha512(f"{seed}:{self.provider.name}:{number}".encode()).digest()
        return "".join(map(operator.getitem, self._shape, itertools.cycle(digest)))


def _fits(codec: Codec, document: Json) -> bool:
    try:
        return bool(codec.read(document).get("message"))
    except (Unfit, AttributeError):
        return False


_dialects: Final[dict[tuple[int, int, Switches], Dialect]] = {}


def dialect_of(provider: Provider, spelling: int = 0, switches: Switches = ()) -> Dialect:
    """The dialect of *provider*, with the samples that its declaration names; one for all mocks."""
    # By identity: to hash a provider is to hash its every table. It lives as long as its dialect, so its id is its own.
    key = id(provider), spelling, switches
    if key not in _dialects:
        if len(_dialects) >= MOST_DIALECTS:
            _dialects.clear()
        samples = samples_of(provider)
        if ("answers", "observed") in switches:
            samples = tuple(sorted(samples, key=lambda each: each.sure != "observed"))
        _dialects[key] = Dialect(provider, samples, spelling, dict(switches))
    return _dialects[key]


class Dialects(Mapping[str, Dialect]):
    """The dialects of a mock's services by their names, each made when it is first spoken: samples are many."""

    def __init__(self, providers: Sequence[Provider], spelling: int, switches: Mapping[str, str]) -> None:
        """Those of *providers*, with *switches* as they are wanted."""
        settings = settings_of(providers, switches) if switches else {}
        self._providers = {each.name: each for each in providers}
        self._unusual = {each.name: unusual(each, settings) if settings else () for each in providers}
        self._spelling = spelling
        self._spoken: dict[str, Dialect] = {}

    @property
    def switches(self) -> Mapping[str, Mapping[str, str]]:
        """What each service does where no page says it, if that is not the usual."""
        return {name: dict(own) for name, own in self._unusual.items()}

    def __getitem__(self, name: str) -> Dialect:
        if name not in self._spoken:
            self._spoken[name] = self.once(name, self._unusual[name])
        return self._spoken[name]

    def own(self, name: str) -> Switches:
        """The switches of one service that are not as usual."""
        return self._unusual[name]

    def once(self, name: str, own: Switches) -> Dialect:
        """The dialect of a service as it was when these were its switches."""
        provider = self._providers[name]
        return dialect_of(turned(provider, own) if own else provider, self._spelling, own)

    def __iter__(self) -> Iterator[str]:
        return iter(self._providers)

    def __len__(self) -> int:
        return len(self._providers)


@functools.lru_cache(maxsize=1024)
def _cast(dialect: Dialect, of: str, stage: int, base_url: str, model: str) -> tuple[bytes, bytes] | None:
    """An answer without images and the id in it; None if another id does not simply take the place of that one."""
    one, other = dialect.new_id(-1, 0), dialect.new_id(-1, 1)
    cast, check = (
        dialect.say(of, dialect.facts(of, stage, id=each, base_url=base_url, model=model)).body for each in (one, other)
    )
    stamped = cast.replace(one.encode(), other.encode())
    return (cast, one.encode()) if one != other and stamped == check else None


@functools.lru_cache(maxsize=1024)
def _cast_end(
    dialect: Dialect, of: str, base_url: str, model: str, *, priced: bool
) -> tuple[bytes, bytes, bytes] | None:
    """An answer with one image, and the id and the link in it; None if others do not simply take the place of those."""
    said = []
    for number in range(2):
        task, link = dialect.new_id(-1, number), f"https://cast.invalid/{number}"
        picture = {
            "url": link,
            "expires_at": 10**9 + number,
            "width": 64 + number,
            "height": 96 + number,
            "media_type": ("image/png", "image/jpeg")[number],
        }
        facts = dialect.facts(of, len(dialect.words) - 1, id=task, base_url=base_url, model=model)
        facts |= {"seed": 7 + number, "images": (picture,)} | ({"cost": Decimal(7 + number)} if priced else {})
        said.append((dialect.say(of, facts).body, task.encode(), link.encode()))
    (cast, stamp, address), (check, other_stamp, other_address) = said
    stamped = cast.replace(stamp, other_stamp).replace(address, other_address)
    return (cast, stamp, address) if stamp != other_stamp and stamped == check else None


def _grouped(items: Iterable[T], *, by: Callable[[T], str]) -> Mapping[str, tuple[T, ...]]:
    groups: dict[str, tuple[T, ...]] = {}
    for item in items:
        groups[by(item)] = (*groups.get(by(item), ()), item)
    return groups


def _form(codec: Codec) -> Mapping[str, Codec]:
    """The codecs of the form within *codec*; the alternatives of an ``Either`` have the same names by convention."""
    match codec:
        case Form(fields=fields):
            return dict(fields)
        case Either(first=inner) | At(inner=inner) | First(inner=inner) | With(inner=inner):
            return _form(inner)
    return {}


def _meet(one: Path, other: Path) -> bool:
    """Whether one path lies under the other, or is the other."""
    return all(step == along for step, along in zip(one, other, strict=False))


def read_query(query: str) -> dict[str, str]:
    """The query of an address by name; of a name that comes twice, the last counts."""
    pairs = (pair.partition("=") for pair in query.split("&") if pair)
    return {unquote_plus(name): unquote_plus(value) for name, _, value in pairs}


def read_body(call: Incoming) -> dict[str, Json]:
    """The JSON object of a call; ``Refused`` for whatever is none."""
    try:
        body = _JSON.decode(call.body.decode()) if call.body else {}
        if rb"\u" in call.body:
            _WRITER.encode(body).encode()  # half of a surrogate pair is no text
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refused(Rejected, "The body is not a JSON object.")
    if QUERY in body or HEADERS in body:
        raise Refused(Rejected, "The body has a field that no service has.")
    return body


def _no_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


_JSON: Final = json.JSONDecoder(parse_constant=_no_json)
_WRITER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def _size_problems(row: Model, values: Mapping[str, Any]) -> tuple[Problem, ...]:
    codec = row.form.get("size")
    if codec is None or "size" not in values:
        return ()
    try:
        row.sizes.point(values["size"])
    except NoSuchSize as error:
        places = tuple(codec.places())
        if isinstance(row.sizes, Canvas) and len(places) == 2:  # a side that is wrong by itself is named alone
            sides = zip(places, values["size"], (row.sizes.width, row.sizes.height), strict=True)
            places = tuple(place for place, side, allowed in sides if side not in allowed) or places
        return tuple(Problem(".".join(place), values["size"], error.allowed, "size") for place in places)
    return ()


def status_of(provider: Provider, kind: type[FluxError]) -> int:
    """The HTTP status with which the service says *kind*: the first declared one, else the usual one."""
    for refusal in (*provider.refusals, *provider.not_found):
        if refusal.error is kind:
            return refusal.status
    return next((status for status, usual in USUAL.items() if usual is kind), 500)


def _reason(problem: Problem) -> str:
    wrong = "is missing" if problem.given is MISSING else "is not valid"
    return f"Parameter '{problem.place}' {wrong}: {problem.allowed}"


def _usual_message(refused: Refused) -> str:
    if refused.problems:
        return "; ".join(_reason(problem) for problem in refused.problems)
    return _USUAL_MESSAGES.get(refused.kind, "Not accepted")


_USUAL_MESSAGES: Mapping[type[FluxError], str] = {Unauthorized: "Invalid API key", RateLimited: "Too many requests"}


def _moulded(mould: Json, said: Json) -> Json:
    """What is *said*, with what the *mould* says beside it; each item of a list is like the first one of the mould."""
    if isinstance(mould, dict) and isinstance(said, dict):
        return mould | {key: _moulded(mould.get(key), value) for key, value in said.items()}
    if isinstance(mould, list) and mould and isinstance(said, list):
        return [_moulded(mould[0], item) for item in said]
    return said


def _answer(status: int, document: Json) -> Answer:
    return Answer(status, _WRITER.encode(document).encode(), JSON_HEADERS)


def _alphabets(shape: str) -> tuple[str, ...]:
    """For each place of an id like *shape*, the letters that may stand there; what comes before an underscore stays."""
    head, mark, tail = shape.rpartition("_")
    hexadecimal = all(letter in f"{HEX}-" for letter in tail)
    return (*head, *mark, *(_alphabet(letter, hexadecimal=hexadecimal) for letter in tail))


def _alphabet(letter: str, *, hexadecimal: bool) -> str:
    if hexadecimal and letter != "-":
        return HEX
    kinds = (string.digits, string.ascii_lowercase, string.ascii_uppercase)
    return next((CROCKFORD if letters.isupper() else letters for letters in kinds if letter in letters), letter)
