"""A trace holds the shapes of a task's exchanges and nothing else; what drifts from it is noticed by name."""

import copy
import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxkit import Request, SettingsError, SubmissionUnknown
from fluxkit._engine.effects import About, Call, Reply
from fluxkit._wire.plan import Plan, make_plan
from fluxkit._wire.samples import samples_of
from fluxkit.provider import Provider, Route
from fluxkit.testing import check_trace
from fluxkit.testing.bench import task_of
from fluxkit.testing.canary import requests
from fluxkit.testing.drift import Allowance, Drift, drifts, judged, read_allowances
from fluxkit.testing.shape import KINDS, above, merged, read_shape, shape_of
from fluxkit.testing.trace import Trace, read_trace
from fluxkit.testing.tracing import GIVEN, mock_trace, sample_trace, trace_of
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.bfl import BFL
from fluxkit_providers.magnific import MAGNIFIC

TODAY = dt.date(2026, 6, 29)
ASKED = Request("a cat", aspect="3:2")

NAMES = st.text(st.characters(codec="utf-8"), max_size=4) | st.sampled_from(
    ["a", "b", 'a"b', "a.b", "[]", "{id}", "id"]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.just("https://img.example/1?sig=0f")
DOCUMENTS = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=12
)
OBJECTS = st.dictionaries(NAMES, DOCUMENTS, min_size=1, max_size=4)


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where the objects of a document are, by keys and numbers."""
    found = [path] if isinstance(document, dict) else []
    parts = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    return found + [each for name, value in parts for each in places(value, (*path, name))]


def within(document: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        document = document[step]
    return document


@pytest.mark.slow
@given(DOCUMENTS)
def test_a_shape_holds_no_value_and_each_place_stands_below_another(document: Any) -> None:
    shape = shape_of(document)
    assert shape == read_shape(json.loads(json.dumps(shape)))
    assert shape == merged([shape, shape_of(document)])
    for place, kinds in shape.items():
        assert {*kinds} <= {*KINDS}
        assert above(place) in shape
        if place:
            assert {"object", "list"} & {*shape[above(place)]}


def test_fields_that_are_named_by_the_task_or_by_a_link_are_one_field() -> None:
    document = {"t1": 1, "https://img.example/1": 2, "https://img.example/2": None}
    assert {"": ("object",), "{id}": ("number",), "{link}": ("number", "null")} == shape_of(document, id="t1")


@given(DOCUMENTS, DOCUMENTS)
def test_what_is_merged_knows_all_that_any_of_them_holds(one: Any, other: Any) -> None:
    both = merged([shape_of(one), shape_of(other)])
    assert both == merged([shape_of(other), shape_of(one)])
    for shape in (shape_of(one), shape_of(other)):
        assert all({*kinds} <= {*both[place]} for place, kinds in shape.items())


@pytest.mark.parametrize(
    ("rows", "said"),
    [([], "object of places"), ({"a": []}, r"at 'a' is \[\]"), ({"a": ["secret"]}, r"at 'a' is \['secret")],
)
def test_what_is_no_shape_is_refused(rows: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_shape(rows)


# Traces of answers that are made up.


def a_plan(provider: Provider = MAGNIFIC) -> Plan:
    return make_plan(provider, provider.models[0].name, ASKED)


def heard(*rows: tuple[str, str, Any], status: int = 200) -> list[tuple[Call, Reply]]:
    about = {kind: About(kind, task_of(MAGNIFIC)) for kind, _, _ in rows}
    return [
        (
            Call("POST" if kind == "submit" else "GET", url, body=b'{"prompt": "a cat"}', about=about[kind]),
            Reply(status, {}, document, "", 0.0),
        )
        for kind, url, document in rows
    ]


PATH = "https://api.magnific.com/v1/ai/text-to-image/flux-2-klein"


def a_trace(*polls: Any, id: str = "t1", extra: Any = None, **facts: Any) -> Trace:
    said = {"task_id": id, "status": "CREATED"}
    rows = [("submit", PATH, {"data": said})]
    rows += [("poll", f"{PATH}/{id}", poll) for poll in polls]
    facts = {"pixels": [(1216, 832)], "formats": ["image/jpeg"], **facts}
    return trace_of(a_plan(), heard(*rows), origin="live", date=TODAY, **facts)


def polled(
    word: str = "COMPLETED", *, id: str = "t1", links: Any = ("https://img.example/1?sig=1",), **more: Any
) -> Any:
    return {"data": {"task_id": id, "status": word, "generated": list(links), **more}}


SECRETS = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=12, max_size=20)


@pytest.mark.slow
@given(SECRETS, SECRETS, st.integers(1, 4))
def test_a_trace_is_the_same_whatever_the_ids_the_links_and_the_polls_are(id: str, link: str, polls: int) -> None:
    links = [f"https://img.example/{link}?sig={id}"]
    running = [polled("IN_PROGRESS", id=id, links=())] * polls
    trace = a_trace(*running, polled(id=id, links=links), id=id)
    assert a_trace(polled("IN_PROGRESS", links=()), polled()) == trace
    assert () == drifts(trace, a_trace(polled("IN_PROGRESS", links=()), polled()))
    assert not {word for word in (id, link, "img.example", "a cat") if word in trace.to_json()}
    assert trace == Trace.from_json(trace.to_json())


@pytest.mark.slow
@given(OBJECTS)
def test_a_trace_does_not_differ_from_itself(document: Any) -> None:
    trace = a_trace(polled(more=document))
    assert () == drifts(trace, trace)


@pytest.mark.slow
@given(OBJECTS, st.data())
def test_a_field_more_is_noticed_wherever_it_is_and_one_less_too(document: Any, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(places(document)))
    value = data.draw(DOCUMENTS)
    longer = copy.deepcopy(document)
    name = "wholly new"
    within(longer, path)[name] = value
    before, after = a_trace(polled(more=document)), a_trace(polled(more=longer))
    (found,) = drifts(before, after)
    assert ("new field", True) == (found.kind, found.place.startswith("poll completed data.more"))
    assert found.place.endswith('."wholly new"')
    (found,) = drifts(after, before) if all(isinstance(step, str) for step in path) else (Drift("missing field", ""),)
    assert "missing field" == found.kind


@given(st.sampled_from(["text", 1, True, None, [], {}, "https://img.example/"]), st.sampled_from(["x", 2, None, {}]))
def test_another_type_is_noticed(one: Any, other: Any) -> None:
    before, after = a_trace(polled(more=one)), a_trace(polled(more=other))
    found = drifts(before, after)
    differs = shape_of(one) != shape_of(other)
    assert [f"other type: poll completed data.more is {shape_of(other)[''][0]}"] * differs == [
        each.name for each in found
    ]


ODD: dict[str, tuple[Callable[[], Trace], list[str]]] = {
    "a word that nobody knows": (
        lambda: a_trace(polled("QUEUED", links=()), polled()),
        ["unknown status word: poll QUEUED"],
    ),
    "a status that goes back": (
        lambda: a_trace(polled("IN_PROGRESS", links=()), polled("CREATED", links=()), polled()),
        ["status goes back: running to created"],
    ),
    "another end": (
        lambda: a_trace(polled("FAILED", links=()), formats=()),
        ["other end: failed"],
    ),
    "no end": (lambda: a_trace(polled("IN_PROGRESS", links=()), formats=()), ["other end: running"]),
    "no images": (
        lambda: a_trace(polled(links=()), formats=()),
        ["missing field: poll completed data.generated[]", "no image: completed"],
    ),
    "other pixels": (lambda: a_trace(polled(), pixels=[(512, 512)]), ["other pixels: 512x512"]),
    "another format": (lambda: a_trace(polled(), formats=["image/png"]), ["other format: image/png"]),
    "no list any more": (
        lambda: a_trace({"data": {**polled()["data"], "generated": "none"}}),
        ["other type: poll completed data.generated is text"],
    ),
    "not always there": (
        lambda: a_trace(polled(), {"data": {"status": "COMPLETED", "generated": ["https://img.example/2"]}}),
        ["missing field: poll completed data.task_id"],
    ),
    "a document of another kind": (
        lambda: a_trace(polled(), [polled()]),
        ["unknown answer: poll 200"],
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_odd_is_named(name: str) -> None:
    make, said = ODD[name]
    usual = a_trace(polled("IN_PROGRESS", links=()), polled())
    found = [each.name for each in drifts(usual, make())]
    assert said == found


def test_an_error_that_passes_is_in_the_trace_and_no_drift() -> None:
    rows = heard(("submit", PATH, {"data": {"task_id": "t1", "status": "CREATED"}}))
    rows += heard(("poll", f"{PATH}/t1", {"message": "Too many requests"}), status=429)
    rows += heard(("poll", f"{PATH}/t1", polled()))
    rows += [(Call("GET", "https://img.example/1"), Reply(200, {}, None, "", 0.0))]
    trace = trace_of(a_plan(), rows, origin="live", date=TODAY, pixels=[(1216, 832)], formats=["image/jpeg"])
    assert [("submit", 200), ("poll", 429), ("poll", 200)] == [(each.route, each.status) for each in trace.exchanges]
    assert () == drifts(a_trace(polled()), trace)


def test_a_call_to_elsewhere_and_with_another_body_is_noticed() -> None:
    rows = heard(("submit", PATH, {"data": {"task_id": "t1", "status": "CREATED"}}))
    rows += heard(("poll", "https://api.magnific.com/v2/tasks?secret=abc", polled()))
    rows[0] = (attrs.evolve(rows[0][0], body=b'{"prompt": 1, "more": {}}'), rows[0][1])
    trace = trace_of(a_plan(), rows, origin="live", date=TODAY, pixels=[(1216, 832)], formats=["image/jpeg"])
    assert "abc" not in trace.to_json()
    assert [
        "new field sent: submit more",
        "other type sent: submit prompt is number",
        f"other call: poll GET {GIVEN}",
    ] == [each.name for each in drifts(a_trace(polled()), trace)]


@pytest.mark.slow
@pytest.mark.parametrize("provider", [MAGNIFIC, APIMART, BFL], ids=lambda each: each.name)
def test_what_was_recorded_of_a_service_is_no_drift_from_its_mock(provider: Provider) -> None:
    model = provider.models[0].name
    expected, known = mock_trace(provider, model, ASKED, today=TODAY), sample_trace(provider, model)
    assert ("mock", ("created", "running", "completed")) == (expected.origin, expected.states)
    observed = mock_trace(provider, model, ASKED, today=TODAY, switches={"answers": "observed"})
    assert () == drifts(expected, observed, known=known)
    assert "samples" == known.origin
    assert {"submit", "poll"} == {each.route for each in known.exchanges}


def test_the_second_call_that_brings_the_images_is_one_of_the_trace() -> None:
    provider = attrs.evolve(BFL, name="two", result=Route("GET", "/v1/images/{id}"), resulted=BFL.polled, samples=None)
    sample = next(each for each in samples_of(BFL) if each.of == "polled" and each.means["state"] == "completed")
    known = sample_trace(provider, "flux-2-pro", [attrs.evolve(sample, of="resulted", provider=None)])
    assert [("result", "/v1/images/{id}", "completed")] == [
        (each.route, each.path, each.state) for each in known.exchanges
    ]


def test_what_was_only_observed_is_a_drift_from_what_is_documented_if_no_sample_shows_it() -> None:
    expected = mock_trace(MAGNIFIC, "flux-2-klein", ASKED, today=TODAY)
    observed = mock_trace(MAGNIFIC, "flux-2-klein", ASKED, today=TODAY, switches={"answers": "observed"})
    assert {"new field"} == {each.kind for each in drifts(expected, observed)}


def test_the_mock_s_trace_shows_how_a_task_ends_that_fails() -> None:
    failed = mock_trace(MAGNIFIC, "flux-2-klein", ASKED, today=TODAY, faults=["fail:x1"])
    assert "failed" == failed.states[-1]
    assert "other end: failed" in [each.name for each in drifts(mock_trace(MAGNIFIC, "flux-2-klein", ASKED), failed)]


def test_a_mock_that_does_not_answer_leaves_no_trace() -> None:
    with pytest.raises(SubmissionUnknown):
        mock_trace(MAGNIFIC, "flux-2-klein", ASKED, today=TODAY, faults=["accepted-then-dropped:x1"])


@pytest.mark.parametrize(("name", "value"), [("provider", "other"), ("model", "other"), ("request", {})])
def test_traces_of_different_things_are_not_compared(name: str, value: Any) -> None:
    trace = a_trace(polled())
    with pytest.raises(SettingsError, match=f"the {name} of one is"):
        drifts(trace, attrs.evolve(trace, **{name: value}))


BROKEN: dict[str, Callable[[dict[str, Any]], Any]] = {
    "it is no trace of version 1": lambda rows: rows | {"version": 2},
    "it has no 'states'": lambda rows: {name: value for name, value in rows.items() if name != "states"},
    "it has key, which no trace has": lambda rows: rows | {"key": "secret"},
    "it has the origin 'dream'": lambda rows: rows | {"origin": "dream"},
    "one of words is 7, and no text": lambda rows: rows | {"words": [7]},
    "words is 7, and no list": lambda rows: rows | {"words": 7},
    "exchanges is {'a': 7}, and no list": lambda rows: rows | {"exchanges": {"a": 7}},
    "one of pixels is [7], and no width and height": lambda rows: rows | {"pixels": [[7]]},
    "date is 7. Allowed: a day": lambda rows: rows | {"date": 7},
    "request is [], and no object": lambda rows: rows | {"request": []},
    "model is None, and no text": lambda rows: rows | {"model": None},
    "an exchange is {}": lambda rows: rows | {"exchanges": [{}]},
    "on the route 'bring'": lambda rows: rows | {"exchanges": [rows["exchanges"][0] | {"route": "bring"}]},
    "at 'a' is 7": lambda rows: rows | {"exchanges": [rows["exchanges"][0] | {"said": {"a": 7}}]},
}


@pytest.mark.parametrize("said", BROKEN)
def test_a_file_that_is_no_trace_is_refused(said: str, tmp_path: Any) -> None:
    file = tmp_path / "trace.json"
    file.write_text(json.dumps(BROKEN[said](json.loads(a_trace(polled()).to_json()))))
    with pytest.raises(SettingsError) as caught:
        read_trace(str(file))
    assert said in caught.value.message
    assert "Allowed: what fluxkit verify --live --record has written." in caught.value.message


def test_a_file_that_is_not_there_or_no_json_is_refused(tmp_path: Any) -> None:
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        read_trace(str(tmp_path / "none.json"))
    (tmp_path / "trace.json").write_text("{")
    for content, said in (
        (b"{", "it is no JSON: Expecting property name"),
        (b"[\xff", "it is no UTF-8 at byte 1"),
        (b"[" * 100_000, "it is no JSON: it nests too deeply"),
        (b"9" * 5000, "it is no JSON: a number in it has more than 4300 digits"),
    ):
        (tmp_path / "trace.json").write_bytes(content)
        with pytest.raises(SettingsError, match=f"{said}.*Allowed: what fluxkit verify --live --record has written"):
            read_trace(str(tmp_path / "trace.json"))


# What is allowed.

FIELD = Drift("new field", "poll completed data.error", "null")


def an_allowance(drift: str = FIELD.name, **more: Any) -> Allowance:
    return Allowance(drift, "the vendor adds it", "2026-06-01", **more)


def test_an_allowed_drift_is_shown_as_such() -> None:
    found = judged([FIELD], [an_allowance()], TODAY)
    assert (False, ("allowed: new field: poll completed data.error (null), since 2026-06-01: the vendor adds it",)) == (
        found.failed,
        found.lines,
    )


def test_an_allowance_that_applies_no_more_is_said() -> None:
    found = judged([], [an_allowance()], TODAY)
    assert (False, (f"gone: {FIELD.name}, allowed since 2026-06-01: the vendor adds it",)) == (
        found.failed,
        found.lines,
    )


def test_an_allowance_holds_to_the_end_of_its_last_day_and_fails_after_it() -> None:
    allowance = an_allowance(expires=TODAY)
    assert not judged([FIELD], [allowance], TODAY).failed
    late = judged([FIELD], [allowance], TODAY + dt.timedelta(days=1))
    assert late.failed
    (line,) = late.lines
    assert line.startswith(
        "expired: new field: poll completed data.error (null), allowed since 2026-06-01, until 2026-06-29"
    )


DRIFTS = st.builds(Drift, st.sampled_from(["new field", "missing field"]), st.sampled_from(["a", "a.b", "b", "a b"]))


@given(st.sets(DRIFTS), st.sets(DRIFTS))
def test_an_allowance_is_for_one_drift_and_no_other(found: set[Drift], allowed: set[Drift]) -> None:
    judgement = judged(found, [an_allowance(each.name) for each in allowed], TODAY)
    assert found - allowed == {*judgement.new}
    assert found & allowed == {drift for drift, _ in judgement.allowed}
    assert {each.name for each in allowed - found} == {each.drift for each in judgement.gone}
    assert bool(found - allowed) is judgement.failed


def test_allowances_are_read_from_a_file(tmp_path: Any) -> None:
    file = tmp_path / "drift.toml"
    file.write_text(f'[[magnific]]\ndrift = "{FIELD.name}"\nreason = "the vendor adds it"\ndate = 2026-06-01\n')
    assert {"magnific": (an_allowance(),)} == read_allowances(str(file))
    file.write_text(file.read_text() + "expires = 2026-07-01T12:00:00Z\n")
    assert {"magnific": (an_allowance(expires=dt.date(2026, 7, 1)),)} == read_allowances(str(file))
    assert {} == read_allowances(None)


ROW = '[[magnific]]\ndrift = "x: y"\nreason = "r"\ndate = 2026-06-01\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[magnific", "are no TOML"),
        ("magnific = 7", "have 'magnific' = 7"),
        ("magnific = [7]", r"have 'magnific' = \[7\]"),
        (
            "[[magnific]]\ndrift = 'x: y'\n",
            "magnific in .*: it has no reason, no date. Allowed: .* drift, reason",
        ),
        (ROW.replace('"r"', '""'), "reason is ''"),
        (ROW + "expires = 'soon'", "'soon'. Allowed: a day"),
        (ROW + "sure = true", "it has 'sure', which is no field of it"),
        (ROW * 2, "two allowances of magnific for 'x: y'"),
    ],
)
def test_a_file_of_allowances_that_is_none_is_refused(text: str, said: str, tmp_path: Any) -> None:
    file = tmp_path / "drift.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=said):
        read_allowances(str(file))


def test_a_file_of_allowances_that_is_not_there_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"The allowances in none\.toml cannot be read: No such file"):
        read_allowances("none.toml")


# In a test


def test_a_trace_is_checked_in_a_test_by_itself_or_by_its_file(tmp_path: Any) -> None:
    seen = mock_trace(MAGNIFIC, "flux-2-klein", next(requests()), today=TODAY)
    (tmp_path / "trace.json").write_text(seen.to_json())
    assert () == check_trace(seen) == check_trace(tmp_path / "trace.json", provider=MAGNIFIC)


def test_a_trace_that_drifts_fails_in_a_test_until_it_is_allowed(tmp_path: Any) -> None:
    seen = mock_trace(MAGNIFIC, "flux-2-klein", next(requests()), today=TODAY)
    drifting = attrs.evolve(seen, words=(*seen.words, "QUEUED"), pixels=((7, 7),))
    with pytest.raises(AssertionError, match=r"^magnific drifts from its mock:\ndrift: (other pixels: 7x7|.*)"):
        check_trace(drifting)
    names = [each.name for each in drifts(seen, drifting)]
    rows = (f'[[magnific]]\ndrift = "{name}"\nreason = "seen"\ndate = 2026-06-29\n' for name in names)
    (tmp_path / "drift.toml").write_text("".join(rows))
    assert names == [each.name for each in check_trace(drifting, allow=tmp_path / "drift.toml")]
    with pytest.raises(SettingsError, match=r"The trace is of apimart:flux-2-klein, asked for"):
        check_trace(attrs.evolve(seen, provider="apimart"))
