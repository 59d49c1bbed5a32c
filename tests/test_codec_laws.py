"""Codecs by law: codecs of every shape, and each one that the bundled providers declare.

The laws are those of ``scalars.Codec``. ``via_json`` stands between writing and reading: what is the same only before
it was JSON text is not the same.
"""

import functools
import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs
import jsonschema
import pytest
from hypothesis import HealthCheck, Phase, assume, find, given, settings
from hypothesis import strategies as st

from fluxkit import strategies
from fluxkit._contract.report import Outcome, Report
from fluxkit._contract.request import Request
from fluxkit._contract.size import Want
from fluxkit._wire.body import json_body
from fluxkit._wire.codec import Scalar
from fluxkit._wire.declaration import Model, Provider
from fluxkit._wire.json import MISSING, Json, Unfit, is_json, path_of, stray
from fluxkit._wire.nearest import Space
from fluxkit._wire.plan import make_plan
from fluxkit._wire.schema import schema
from fluxkit._wire.terms import closed
from fluxkit._wire.trim import trim
from fluxkit.errors import Unsupported
from fluxkit.provider import (
    Anything,
    At,
    Base64,
    Bytes,
    Canvas,
    Codec,
    Colour,
    Each,
    Either,
    First,
    Fixed,
    Flag,
    Form,
    Grid,
    Header,
    Hosted,
    Implied,
    Link,
    Money,
    Only,
    Pair,
    Query,
    Quoted,
    Real,
    Reason,
    Sides,
    Slots,
    Spaces,
    Tagged,
    Text,
    Times,
    Trail,
    Whole,
    With,
    Words,
)
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.magnific import FREEPIK, MAGNIFIC

PROVIDERS = (MAGNIFIC, FREEPIK, APIMART)

# Codecs are drawn from codecs, so drawing is slow, and of two options one may shadow the other's values.
laws = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large])


def via_json(document: Json) -> Json:
    return json.loads(bytes(json_body(document)))


# The codecs that are declared


def parts(codec: Any) -> Iterator[Codec]:
    """A codec and every one that it is made of."""
    yield codec
    inner = [getattr(codec, field.name) for field in attrs.fields(type(codec)) if field.init]
    for each in [*dict(codec.fields).values()] if isinstance(codec, Form) else inner:
        if hasattr(each, "places"):
            yield from parts(each)


def declared(provider: Provider) -> Iterator[Codec]:
    answers = (provider.accepted, provider.polled, provider.resulted, provider.error)
    for codec in (*(model.request for model in provider.models), *answers):
        if codec is not None:
            yield from parts(codec)


DECLARED = tuple(dict.fromkeys(codec for provider in PROVIDERS for codec in declared(provider)))
# Strategies are made once for each of them: that takes longer than to draw from them.
inside = functools.cache(strategies.values)
beyond = functools.cache(strategies.outside)
FORMS = [codec for codec in DECLARED if isinstance(codec, Form)]
EITHERS = [codec for codec in DECLARED if isinstance(codec, Either)]

# Codecs of every shape


def words() -> st.SearchStrategy[Words]:
    """Tables in which a word of ours has one spelling or several."""
    spelt = st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=3), min_size=1, max_size=4)
    return spelt.map(
        lambda table: Words({f"word {ours}": [f"{ours} {n}" for n in set(theirs)] for ours, theirs in enumerate(table)})
    )


@st.composite
def bounds(draw: st.DrawFn, numbers: st.SearchStrategy[Any]) -> tuple[Any, Any]:
    first, last = sorted((draw(numbers), draw(numbers)))
    return draw(st.sampled_from([(first, last), (first, None), (None, last), (None, None)]))


def wholes() -> st.SearchStrategy[Whole]:
    return bounds(st.integers(-(2**63), 2**64 - 1)).map(lambda pair: Whole(*pair))


def scalars() -> st.SearchStrategy[Codec]:
    formats = st.lists(st.sampled_from(["png", "jpeg", "webp", "gif"]), min_size=1, unique=True)
    return st.one_of(
        st.sampled_from([Text(), Link(), Colour(), Flag(), Anything(), Times(), Reason(), Hosted(), Bytes()]),
        words(),
        wholes(),
        wholes().map(Quoted),
        bounds(st.integers(-(10**9), 10**9).map(lambda thousandths: thousandths / 1000)).map(lambda pair: Real(*pair)),
        st.sampled_from(["1", "0.01", "0.001", "1000"]).map(Money),
        st.sampled_from(["body", ""]).map(Trail),
        st.builds(Base64, formats, st.sampled_from(["", "data:image/png;base64,"])),
    )


@st.composite
def codecs(draw: st.DrawFn, depth: int = 2) -> Codec:
    """A codec of any JSON: a scalar, a list, or an object."""
    if not depth:
        return draw(scalars())
    inner = codecs(depth - 1)
    return draw(
        st.one_of(
            scalars(),
            objects(depth),
            st.builds(Each, inner, st.none() | st.integers(0, 3)),
            st.builds(Each, inner, st.none() | st.integers(2, 3), st.integers(0, 2)),
            st.builds(First, inner),
            st.builds(Only, inner),
            st.builds(Either, inner, inner),
            inner.map(lambda codec: Form({"it": At("", codec)})),
        )
    )


@st.composite
def objects(draw: st.DrawFn, depth: int = 2, keys: Iterator[str] | None = None) -> Codec:
    """A codec of fragments of an object. It takes its keys from *keys*, so that those beside it have others."""
    keys = keys or (f"{key}{turn}" for turn in itertools.count() for key in ("a", "naïve ", "[0]", "message"))
    simple = ["at", "header", "query", "sides", "slots", "tagged"]
    kind = draw(
        st.sampled_from([*simple, "pair", "with", "only", "either", "wrapped", "form"] if depth > 1 else simple)
    )
    inner = functools.partial(draw, codecs(depth - 1))
    beside = functools.partial(draw, objects(depth - 1, keys))
    match kind:
        case "header":
            return Header(f"X-{next(keys)}", draw(scalars()))
        case "query":
            return Query(next(keys), draw(scalars()))
        case "sides":
            return Sides(next(keys), next(keys), auto=draw(st.sampled_from([None, 0, -1])))
        case "slots":
            return Slots([next(keys) for _ in range(draw(st.integers(1, 3)))], inner())
        case "tagged":
            word, tag = draw(words() | st.just(Text())), draw(words() | st.just(Text()))
            return Tagged(At(next(keys), word), At(next(keys), tag))
        case "pair":
            return Pair(beside(), draw(st.sampled_from([beside(), Implied("1K")])))
        case "with":
            return With(beside(), Fixed(f"{next(keys)}.{next(keys)}", draw(st.sampled_from(["custom", 1, ["a"]]))))
        case "only":
            return Only(beside())
        case "either":
            return Either(beside(), beside())
        case "wrapped":
            bare = beside()
            return draw(st.sampled_from([Either(At(next(keys), bare), bare), Either(bare, At(next(keys), bare))]))
        case "form":
            fields = {f"field {turn}": beside() for turn in range(draw(st.integers(0, 3)))}
            return Form(fields, need=draw(st.lists(st.sampled_from([*fields]), unique=True)) if fields else ())
    path = ".".join(next(keys) for _ in range(draw(st.integers(1, 2))))
    codec = inner()
    return At(path, codec, default=draw(st.just(MISSING) | strategies.values(codec)))


def any_codec() -> st.SearchStrategy[Codec]:
    return st.sampled_from(DECLARED) | codecs() | objects(3)


@st.composite
def codecs_with(draw: st.DrawFn, side: Callable[[Codec], st.SearchStrategy[Any]]) -> tuple[Codec, Any]:
    codec = draw(any_codec())
    return codec, draw(side(codec))


@pytest.mark.slow
@laws
@given(codecs_with(strategies.values))
def test_every_spelling_is_read_as_the_value(pair: tuple[Codec, Any]) -> None:
    codec, value = pair
    for spelling in itertools.islice(codec.spellings(value), 100):
        assert value == codec.read(via_json(spelling))


@pytest.mark.slow
@laws
@given(codecs_with(strategies.values))
def test_the_first_spelling_is_written(pair: tuple[Codec, Any]) -> None:
    codec, value = pair
    assert next(codec.spellings(value)) == codec.write(value)


@pytest.mark.slow
@laws
@given(codecs_with(strategies.values))
def test_whatever_is_written_lies_at_the_places(pair: tuple[Codec, Any]) -> None:
    codec, value = pair
    for spelling in itertools.islice(codec.spellings(value), 100):
        assert [] == stray(spelling, codec.places())


@pytest.mark.slow
@laws
@given(codecs_with(strategies.outside))
def test_a_value_outside_the_domain_is_unfit(pair: tuple[Codec, Any]) -> None:
    codec, value = pair
    with pytest.raises(Unfit) as refusal:
        codec.write(value)
    with pytest.raises(Unfit):
        next(codec.spellings(value))
    assert str(refusal.value)
    assert all(problem.allowed for problem in refusal.value.problems)


@pytest.mark.parametrize("codec", EITHERS, ids=lambda codec: codec.allowed)
@given(st.data())
def test_declared_alternatives_do_not_shadow_each_other(codec: Either, data: st.DataObject) -> None:
    value = data.draw(inside(codec.first) | inside(codec.second))
    assert value == codec.read(via_json(codec.write(value)))


# Documents of strangers

DEEP = json.loads("[" * 500 + "]" * 500)
HOSTILE = st.sampled_from(
    [None, math.nan, math.inf, 10**400, "\ud800", [None], {"message": DEEP}, DEEP, "[0]", 5, {}, []]
)

Spot = tuple[str | int, ...]


def spots(document: Json, at: Spot = ()) -> Iterator[Spot]:
    """The way to everything in a document."""
    yield at
    inner = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for step, value in inner:
        yield from spots(value, (*at, step))


def replaced(document: Json, spot: Spot, value: Json) -> Json:
    if not spot:
        return value
    copy = list(document) if isinstance(document, list) else dict(document)
    copy[spot[0]] = replaced(document[spot[0]], spot[1:], value)
    return copy


@st.composite
def spoilt(draw: st.DrawFn, codec: Codec) -> tuple[Json, Spot]:
    """A document as the codec writes it, but for one spot, and that spot."""
    ways = itertools.islice(codec.spellings(draw(strategies.values(codec))), 10)
    document = draw(st.sampled_from([via_json(way) for way in ways]))
    spot = draw(st.sampled_from(list(spots(document))))
    return replaced(document, spot, draw(HOSTILE | strategies.json_values())), spot


def read(codec: Codec, document: Json) -> tuple[Any, Unfit | None]:
    try:
        return codec.read(document), None
    except Unfit as error:
        return error.found, error


def written(codec: Codec, value: Any) -> Json:
    """What the codec writes; MISSING where only its reading is lenient, as in half of a surrogate pair."""
    try:
        return codec.write(value)
    except Unfit:
        return MISSING


@pytest.mark.slow
@laws
@given(codecs_with(lambda codec: HOSTILE | strategies.json_values() | spoilt(codec).map(lambda pair: pair[0])))
def test_nothing_that_json_can_say_raises_anything_but_unfit(pair: tuple[Codec, Json]) -> None:
    codec, document = pair
    found, error = read(codec, document)
    if error:
        assert str(error)
        assert error.problems
    elif found is not MISSING and written(codec, found) is not MISSING:
        assert found == codec.read(via_json(codec.write(found)))


def shown(spot: Spot) -> str:
    """A spot as a problem names it."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in spot).removeprefix(".")


@pytest.mark.slow
@laws
@given(st.sampled_from(DECLARED), st.data())
def test_problems_name_the_place_that_is_spoilt(codec: Codec, data: st.DataObject) -> None:
    document, spot = data.draw(spoilt(codec))
    _, error = read(codec, document)
    for problem in error.problems if error else ():
        if problem.given is not MISSING:  # where a wrapped form is not to be found, it is the bare one that is missed
            assert problem.place.startswith(shown(spot)) or shown(spot).startswith(problem.place)
        assert problem.place or not spot[1:]


@pytest.mark.slow
@given(st.sampled_from(FORMS), st.data())
def test_problems_of_writing_name_a_place_and_a_field(form: Form, data: st.DataObject) -> None:
    value = data.draw(beyond(form))
    assume(isinstance(value, Mapping))
    with pytest.raises(Unfit) as refusal:
        form.write(value)
    for problem in refusal.value.problems:
        codec = form.get(problem.field)
        known = [".".join(place) for place in codec.places()] if codec else [problem.field]
        # A form within the form has places only below the one where something else may stand, or a name that is none.
        within = [f"{problem.place}.", f"{problem.place.rpartition('.')[0]}."]
        assert any(problem.place.startswith(place) or place.startswith(tuple(within)) for place in known)


@pytest.mark.slow
@laws
@given(st.sampled_from(FORMS) | objects(3).filter(lambda codec: isinstance(codec, Form)), st.data())
def test_a_field_that_does_not_fit_costs_no_other(form: Form, data: st.DataObject) -> None:
    value = data.draw(strategies.values(form).filter(len))
    name = data.draw(st.sampled_from(sorted(value)))
    document = via_json(form.write(value))
    inner = form.get(name)
    assert inner is not None
    spoiling = [spot for spot in spots(document) if any(spot[: len(place)] == place for place in inner.places())]
    if spoiling:
        document = replaced(document, data.draw(st.sampled_from(spoiling)), data.draw(HOSTILE))
    found, _ = read(form, document)
    others = {other: item for other, item in value.items() if other != name}
    assert others == {other: item for other, item in (found or {}).items() if other != name}


@pytest.mark.slow
@laws
@given(codecs(), st.data())
def test_an_item_that_does_not_fit_costs_no_other(inner: Codec, data: st.DataObject) -> None:
    items = data.draw(st.lists(strategies.values(inner), min_size=3, max_size=3).map(tuple))
    for codec, spot in ((Each(inner), 1), (Slots(["a", "b", "c"], inner), "b")):
        document = replaced(via_json(codec.write(items)), (spot,), data.draw(HOSTILE))
        found, _ = read(codec, document)
        assert len(found) in (2, 3)
        assert (items[0], items[2]) == (found[0], found[-1])


# Schemas


def is_valid(codec: Codec, document: Json) -> bool:
    return jsonschema.Draft202012Validator(schema(codec)).is_valid(document)


@pytest.mark.slow
@laws
@given(codecs_with(strategies.values))
def test_every_spelling_is_valid_by_the_schema(pair: tuple[Codec, Any]) -> None:
    codec, value = pair
    jsonschema.Draft202012Validator.check_schema(schema(codec))
    for spelling in itertools.islice(codec.spellings(value), 10):
        assert is_valid(codec, via_json(spelling))


@pytest.mark.slow
@laws
@given(codecs_with(lambda codec: HOSTILE | strategies.json_values() | spoilt(codec).map(lambda pair: pair[0])))
def test_what_a_schema_rejects_the_codec_refuses(pair: tuple[Codec, Json]) -> None:
    codec, document = pair
    _, error = read(codec, document)
    assert error or is_valid(codec, document)


EXACT = (
    *(Text(), Link(), Colour(), Flag(), Anything(), Times(), Reason(), Hosted(), Words({"1K": ("1K", "1k")})),
    *(Real(1.5, 10), Quoted(Whole(1, 5)), Sides(), At("a.b", Text()), Form({"a": At("a", Flag())}, need=["a"])),
    *(Each(Text(), 3, 1), First(Flag()), Slots(["a", "b"], Flag()), Pair(At("a", Text()), At("b", Text()))),
    *(With(Sides(), Fixed("c", "d")), With(At("a", Sides()), Fixed("a.c", 1)), With(At("a", Flag()), Fixed("b", True))),
    *(Each(Sides()), Each(Slots(["a", "b"], Flag())), Tagged(At("a", Text()), At("b", Text())), Only(At("a", Flag()))),
)


@pytest.mark.slow
@settings(laws, max_examples=100)
@given(st.sampled_from(EXACT), st.data())
def test_a_schema_says_as_much_as_the_codec(codec: Codec, data: st.DataObject) -> None:
    near = spoilt(codec).map(lambda pair: pair[0])
    near |= st.dictionaries(st.sampled_from("abc"), st.sampled_from([None, True, 1, "d", {}, {"c": 1, "width": 3}]))
    document = data.draw(near | HOSTILE | strategies.json_values())
    assume(not (isinstance(document, float) and math.isnan(document)))  # no bound of a schema excludes it
    _, error = read(codec, document)
    assert is_valid(codec, document) is (not error)


#: What JSON Schema has no words for, with a document that the codec refuses all the same.
LAXER = [
    (Whole(0, 9), 1.0),
    (Whole(), 2**64),
    (Quoted(Whole(0)), "-1"),
    (Base64(["png"]), "iVBORw0KGgAA"),
    (Bytes(), "A"),
    (Either(Form({key: At(key, Flag()) for key in "abc"}), At("d", Text())), {"a": True, "b": True, "c": 5, "d": "e"}),
    (With(At("a", Money()), Fixed("b", 1)), {"a": 5}),
]


@pytest.mark.parametrize(("codec", "document"), LAXER, ids=str)
def test_a_schema_is_laxer_where_it_has_no_words(codec: Codec, document: Json) -> None:
    assert is_valid(codec, document)
    with pytest.raises(Unfit):
        codec.read(document)


A_TEXT = {"type": ["string", "null"]}
EITHER = Either(At("a", Flag()), At("b", Text()))
WAYS = [
    {"type": ["object", "null"], "properties": {"a": {"type": ["boolean", "null"]}}},
    {"type": ["object", "null"], "properties": {"b": A_TEXT}},
]


@pytest.mark.parametrize(
    ("codec", "expected"),
    [
        (Either(Link(), Hosted()), schema(Link())),
        (Either(Text(), Reason()), {}),
        (At("a", Text(), default=5), {"type": ["object", "null"], "properties": {"a": A_TEXT}}),
        (EITHER, {"anyOf": WAYS}),
        (Pair(EITHER, EITHER), {"anyOf": WAYS}),
        (Pair(EITHER, Either(At("b", Text()), At("a", Flag()))), {"allOf": [{"anyOf": WAYS}, {"anyOf": WAYS[::-1]}]}),
        (Form({"a": EITHER}), {"type": "object", "anyOf": WAYS}),
        (Pair(EITHER, Implied("1K")), {"anyOf": WAYS}),
        (
            At("f", Form({"a": EITHER})),
            {
                "type": ["object", "null"],
                "properties": {"f": {"anyOf": [{"type": "object", "anyOf": WAYS}, {"type": "null"}]}},
            },
        ),
        (
            Pair(Form({"a": EITHER}), Form({"b": Either(At("b", Text()), At("a", Flag()))})),
            {"type": "object", "anyOf": WAYS, "allOf": [{"anyOf": WAYS[::-1]}]},
        ),
        (
            Pair(EITHER, At("c", Text())),
            {"type": ["object", "null"], "properties": {"c": A_TEXT}, "anyOf": WAYS},
        ),
    ],
    ids=str,
)
def test_a_schema_is_as_plain_as_it_can_be(codec: Codec, expected: Any) -> None:
    assert expected == schema(codec)


def test_a_schema_closes_what_the_places_know() -> None:
    codec = Form({"a": At("a.b", Each(Form({"c": At("c", Flag())}))), "d": At("d", Flag())})
    validator = jsonschema.Draft202012Validator(closed(schema(codec), codec.places()))
    for document in ({}, {"a": {"b": [{"c": True, "more": 1}]}, "d": None}, {"a": None}, {"a": {}}):
        assert validator.is_valid(document), document
        assert [] == stray(document, codec.places())
    for document in ({"e": None}, {"a": {"c": 1}}, {"a": {"b": []}, "e": {}}):
        assert not validator.is_valid(document), document
        assert [] != stray(document, codec.places())


def test_constants_are_told_apart_from_what_python_takes_for_the_same() -> None:
    for constant, other in ((1, True), (True, 1), (0, False)):
        with pytest.raises(Unfit):
            With(Form({}), Fixed("n", constant)).read({"n": other})


# Forms

OVERLAPPING = Form({"one": At("a", Text()), "other": At("a.b", Text())})


def clashes(form: Form) -> list[tuple[str, str]]:
    """The fields that share a place, or of which one lies within the other's."""
    placed = {name: list(codec.places()) for name, codec in form.fields}
    return [
        (one, other)
        for one, other in itertools.combinations(placed, 2)
        for place, beside in itertools.product(placed[one], placed[other])
        if all(step == along for step, along in zip(place, beside, strict=False))
    ]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.allowed)
def test_declared_fields_have_places_of_their_own(form: Form) -> None:
    assert [] == clashes(form)
    assert [("one", "other")] == clashes(OVERLAPPING)


@pytest.mark.parametrize("codec", [codec for codec in DECLARED if isinstance(codec, With)], ids=str)
def test_declared_constants_have_places_of_their_own(codec: With) -> None:
    constant = path_of(codec.fixed.path)
    assert all(place[: len(constant)] != constant[: len(place)] for place in codec.inner.places())


def told_more(value: Any) -> Any:
    """The value with a name too many in each of its forms."""
    if isinstance(value, dict):
        return {**{name: told_more(item) for name, item in value.items()}, "another fact": 5}
    return tuple(map(told_more, value)) if isinstance(value, tuple) else value


@given(st.sampled_from(DECLARED), st.data())
def test_facts_without_a_place_are_trimmed_away(codec: Codec, data: st.DataObject) -> None:
    value = data.draw(inside(codec))
    assert value == trim(codec, told_more(value))
    assert codec.write(value) == codec.write(trim(codec, told_more(value)))


@given(st.sampled_from([model for provider in PROVIDERS for model in provider.models]), st.data())
def test_reading_adds_the_defaults_of_what_is_not_said(model: Model, data: st.DataObject) -> None:
    form = model.form
    defaults = {name: codec.read({}) for name, codec in form.fields if codec.read({}) is not MISSING}
    value = data.draw(inside(form))
    said = {name: value[name] for name in value if name in form.need or data.draw(st.booleans())}
    assert defaults | said == model.request.read(via_json(model.request.write(said)))


# Strategies

BUDGET = Canvas(range(64, 4097, 16), range(128, 4097, 16), default=(1024, 768), max_pixels=1_048_576)
FREE = Canvas(range(8, 65), range(8, 65), default=(64, 64))
PRESETS = Grid({"1K": {"16:9": (1344, 768)}, "4K": {"1:1": (4096, 4096)}}, default=("16:9", "1K"))


def offering(sizes: Space, **fields: Codec) -> Provider:
    """A provider with one model, ``m``, of these sizes and fields."""
    request = Form({"prompt": At("prompt", Text()), **fields}, need=["prompt"])
    return attrs.evolve(APIMART, models=[Model(name="m", sizes=sizes, request=request)])


SMALL = [
    offering(FREE),
    offering(BUDGET, size=Sides(), seed=At("seed", Whole())),
    offering(PRESETS, size=Pair(At("ratio", Words(["16:9", "1:1"])), At("size", Words(["1K", "4K"])))),
    offering(
        Spaces([FREE, BUDGET]),
        size=Pair(At("space", Whole()), Sides()),
        guidance=At("guidance", Real(1, 20)),
        mode=At("mode", Words(["raw"])),
    ),
]
OFFERED = [(provider, model.name) for provider in (*PROVIDERS, *SMALL) for model in provider.models]


@given(strategies.json_values())
def test_json_values_can_be_sent(document: Json) -> None:
    assert is_json(document)


def planned(provider: Provider, model: str, request: Request) -> tuple[Report, str | None]:
    """The report of the plan, or of its refusal with the field that this names."""
    try:
        return make_plan(provider, model, request).report, None
    except Unsupported as refusal:
        return Report(refusal.verdicts), refusal.field


@laws
@given(st.sampled_from(OFFERED), strategies.requests())
def test_any_request_is_planned_or_refused_with_the_field(offered: tuple[Provider, str], request_: Request) -> None:
    report, field = planned(*offered, request_)
    assert field == next((verdict.field for verdict in report.of(Outcome.REFUSED)), None)


@pytest.mark.parametrize(("provider", "model"), OFFERED, ids=lambda each: getattr(each, "name", each))
def test_requests_for_a_model_are_served_by_it(provider: Provider, model: str) -> None:
    @laws
    @given(strategies.requests_for(provider, model))
    def check(request: Request) -> None:
        plan = make_plan(provider, model, request)
        assert (model, request.n) == (plan.model.name, len(plan.documents))

    check()


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)
def test_requests_from_a_provider_come_with_a_model_that_serves_them(provider: Provider) -> None:
    pairs = strategies.from_provider(provider)

    @laws
    @given(pairs)
    def check(pair: tuple[str, Request]) -> None:
        name, _ = pair
        assert name == make_plan(provider, *pair).model.name

    check()
    until = settings(max_examples=2_000, database=None, phases=[Phase.generate])
    for name in {model.name for model in provider.models}:  # a few dozen examples may pass one of many models over
        find(pairs, lambda pair, name=name: pair[0] == name, settings=until)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("provider", "model", "wanted"),
    [
        (MAGNIFIC, "flux-2-klein", lambda request: request.aspect == "4:5" and request.resolution == "2K"),
        (MAGNIFIC, "flux-2-klein", lambda request: request.seed and request.n > 1 and request.webhook_url),
        (MAGNIFIC, "flux-2-pro", lambda request: request.size and request.size[0] > 1024 and request.enhance_prompt),
        (APIMART, "flux-2-flex", lambda request: len(request.references) > 4 and request.want == Want()),
        (SMALL[3], "m", lambda request: {"guidance", "mode"} == request.options.keys()),
    ],
)
def test_requests_for_a_model_use_all_that_it_has(
    provider: Provider, model: str, wanted: Callable[[Request], Any]
) -> None:
    until_found = settings(laws, max_examples=5_000, phases=[Phase.generate], database=None)
    assert wanted(find(strategies.requests_for(provider, model), wanted, settings=until_found))


def test_values_of_a_form_hold_what_its_reading_gives_or_demands() -> None:
    constant = With(At("mode", Text(), default="raw"), Fixed("version", 2))  # demanded, as there is always a mode
    form = Form({"mode": constant, "size": At("size", Text(), default="1K"), "seed": At("seed", Whole())})

    @given(strategies.values(form))
    def check(value: Mapping[str, Any]) -> None:
        assert {"mode", "size"} == value.keys() - {"seed"}

    check()


def test_models_that_are_not_there_have_no_requests() -> None:
    with pytest.raises(ValueError, match="magnific has no model 'flux-9'"):
        strategies.requests_for(MAGNIFIC, "flux-9")


@attrs.frozen
class Shout(Scalar):
    """A text in capitals, as somebody else may need it."""

    allowed = "text in small letters"

    def write(self, value: Any, /) -> Json:
        return value.upper()

    def read(self, json: Json, /) -> Any:
        return json.lower()


def test_codecs_of_others_may_say_their_schema() -> None:
    @attrs.frozen
    class Loud(Shout):
        def schema(self) -> dict[str, Any]:
            return {"type": "string", "pattern": "^[^a-z]*$"}

    form = Form({"voice": At("voice", Shout()), "loud": At("loud", Loud())})
    assert {
        "type": "object",
        "properties": {
            "voice": {"description": "text in small letters"},
            "loud": {"type": ["string", "null"], "pattern": "^[^a-z]*$", "description": "How loud."},
        },
    } == schema(form, about={"loud": "How loud."})


def test_codecs_of_others_are_registered() -> None:
    with pytest.raises(TypeError, match="strategies know no Shout"):
        strategies.values(Shout())
    shouts = strategies.Domain(inside=st.just("psst"), outside=st.just(5))
    strategies.domain.register(Shout, lambda codec: shouts)
    assert shouts.inside is strategies.values(At("voice", Shout()))
    assert shouts.outside is strategies.outside(At("voice", Shout()))
