"""JSON as values: paths, fragments, what does not fit and how it is named."""

import copy
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxkit import strategies
from fluxkit._wire.json import (
    MISSING,
    Json,
    Path,
    Problem,
    Unfit,
    is_json,
    is_utf8,
    leaves,
    merge,
    path_of,
    plant,
    pluck,
    stray,
    under,
    unfit,
)

HALF = "\ud800"  # of a surrogate pair


def nested(depth: int) -> Json:
    document: Json = 1
    for _ in range(depth):
        document = {"a": document}
    return document


# Missing


def test_missing_is_neither_null_nor_true_and_there_is_one() -> None:
    assert "MISSING" == repr(MISSING)
    assert not MISSING
    assert MISSING is not None
    assert MISSING is copy.deepcopy(MISSING) is pickle.loads(pickle.dumps(MISSING))


# Problems


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (Problem("seed", -1, "a whole number"), "seed is -1; allowed: a whole number"),
        (Problem("prompt", MISSING, "text"), "prompt is missing; allowed: text"),
        (Problem("", [1], "an object"), "the body is [1]; allowed: an object"),
        (Problem("seed", 10**5000, "less"), "seed is <int>; allowed: less"),
        (Problem("seed", nested(100_000), "less"), "seed is <dict>; allowed: less"),
    ],
)
def test_problem_is_told_in_a_line(problem: Problem, expected: str) -> None:
    assert expected == str(problem)


def test_long_values_are_cut_in_a_problem() -> None:
    line = str(Problem("input_image", "A" * 10_000_000, "base64"))
    assert len(line) < 120
    assert line.startswith("input_image is 'AAAA")
    assert "..." in line


def test_unfit_tells_every_problem_and_keeps_what_was_found() -> None:
    error = Unfit(Problem("a", 1, "text"), Problem("b", 2, "text"), found={"c": 3})
    assert "a is 1; allowed: text; b is 2; allowed: text" == str(error)
    assert {"c": 3} == error.found
    assert MISSING is unfit(1, "text").found
    assert [("", 1, "text", "")] == [(p.place, p.given, p.allowed, p.field) for p in unfit(1, "text").problems]


def test_unfit_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(Unfit(Problem("a", MISSING, "text"), found=(1,))))
    assert ("a is missing; allowed: text", (1,)) == (str(error), error.found)


@pytest.mark.parametrize(
    ("inner", "outer", "expected"),
    [
        ("url", "image", "image.url"),
        ("[0].url", "images", "images[0].url"),
        ("url", "[0]", "[0].url"),
        ("", "image", "image"),
        ("url", "", "url"),
    ],
)
def test_problems_are_seen_from_outside(inner: str, outer: str, expected: str) -> None:
    (problem,) = under(Unfit(Problem(inner, 5, "text", "field")), outer)
    assert (expected, 5, "text", "field") == (problem.place, problem.given, problem.allowed, problem.field)


# Paths

DOCUMENT: Json = {
    "data": {"id": "7", "error": None, "images": ["a"], "empty": {}, "zero": 0},
    "code": 200,
    "none": None,
}


def test_paths_are_dotted() -> None:
    assert ("result", "images") == path_of("result.images")
    assert ("a",) == path_of("a")
    assert () == path_of("")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("data.id", "7"),
        ("data.zero", 0),
        ("data.empty", {}),
        ("data.images", ["a"]),
        ("data.error", MISSING),
        ("data.error.message", MISSING),
        ("none.at.all", MISSING),
        ("data.nothing", MISSING),
        ("nothing.nothing", MISSING),
        ("", DOCUMENT),
    ],
)
def test_pluck_finds_what_is_said(path: str, expected: Json) -> None:
    assert expected == pluck(DOCUMENT, path_of(path))


@pytest.mark.parametrize("nothing", [None, MISSING])
@pytest.mark.parametrize("path", ["", "a"])
def test_pluck_finds_nothing_in_nothing(nothing: Json, path: str) -> None:
    assert MISSING is pluck(nothing, path_of(path))


@pytest.mark.parametrize(
    ("document", "path", "place"),
    [
        ([], "a", ""),
        ("text", "a.b", ""),
        ({"a": 5}, "a.b", "a"),
        ({"a": {"b": [{"c": 1}]}}, "a.b.c", "a.b"),
        ({"a": {"a": 5}}, "a.a.a", "a.a"),
    ],
)
def test_pluck_names_where_the_way_ends(document: Json, path: str, place: str) -> None:
    with pytest.raises(Unfit) as refusal:
        pluck(document, path_of(path))
    (problem,) = refusal.value.problems
    assert (place, "an object") == (problem.place, problem.allowed)


@given(st.lists(st.text(), max_size=4).map(tuple), strategies.json_values().filter(lambda value: value is not None))
def test_what_is_planted_is_plucked(path: Path, value: Json) -> None:
    assert value == pluck(plant(path, value), path)


# Merging


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ({}, {}, {}),
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"a": {"b": 1}}, {"a": {"c": 2}}, {"a": {"b": 1, "c": 2}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": {"b": 1}}, {"a": None}, {"a": None}),
        ({"a": 1}, "text", "text"),
        ("text", {"a": 1}, {"a": 1}),
    ],
)
def test_documents_are_merged(first: Json, second: Json, expected: Json) -> None:
    assert expected == merge(first, second)


@given(strategies.json_values(), strategies.json_values())
def test_merging_changes_neither_document(first: Json, second: Json) -> None:
    before = copy.deepcopy((first, second))
    merged = merge({"a": first}, {"a": second, "b": second})
    assert before == (first, second)
    assert second == merged["b"]
    assert merged == merge(merged, merged)


# Leaves and strays


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({}, []),
        ("text", []),
        ([1], []),
        ({"b": 1, "a": 2}, ["b", "a"]),
        ({"a": {"c": 1, "b": {"d": None}}, "e": [{"f": 1}]}, ["a.c", "a.b.d", "e"]),
        ({"a": {}}, ["a"]),
    ],
)
def test_leaves_are_all_that_is_no_filled_object(document: Json, expected: list[str]) -> None:
    assert expected == [".".join(leaf) for leaf in leaves(document)]


@pytest.mark.parametrize(
    ("document", "places", "expected"),
    [
        ({"prompt": "a", "sed": 1}, ["prompt", "seed"], ["sed"]),
        ({"input": {"prompt": "a", "n": 1}}, ["input.prompt"], ["input.n"]),
        ({"error": {"message": "a", "code": 1}}, ["error"], []),
        ({"input": None}, ["input.prompt"], []),
        ({"input": {}}, ["input.prompt"], []),
        ({"input": []}, ["input.prompt"], ["input"]),
        ({"input": "a"}, ["input.prompt"], ["input"]),
        ({"others": {}, "nothing": None}, ["input.prompt"], ["others", "nothing"]),
        ({"a": 1, "b": {"c": 2}}, [""], []),
        ({"a": 1}, [], ["a"]),
        ("text", ["a"], []),
    ],
)
def test_strays_lie_at_no_place(document: Json, places: list[str], expected: list[str]) -> None:
    assert expected == [".".join(leaf) for leaf in stray(document, map(path_of, places))]


def test_documents_may_be_nested_deeper_than_functions() -> None:
    assert [("a",) * 5_000] == list(leaves(nested(5_000)))
    assert [("a",) * 5_000] == stray(nested(5_000), [("b",)])


# What can be sent


@pytest.mark.parametrize("text", ["", "plain", "naïve", "日本 🎨", "\0"])
def test_text_is_sent_in_utf8(text: str) -> None:
    assert is_utf8(text)


@pytest.mark.parametrize("value", [HALF, f"cut {HALF}", b"bytes", None, 5])
def test_what_is_no_text_of_utf8_cannot_be_sent(value: Any) -> None:
    assert not is_utf8(value)


@pytest.mark.parametrize("value", [None, True, 0, -1.5, "naïve", [], {}, [1, [None]], {"a": {"b": ["c"]}}])
def test_json_says_it_so_that_the_same_comes_back(value: Any) -> None:
    assert is_json(value)


@pytest.mark.parametrize(
    "value",
    [
        MISSING, object(), b"bytes", (1, 2), {"a": (1,)}, {1: "a"}, {None: 1}, {1, 2}, float("nan"), [float("inf")],
        HALF, {HALF: 1}, 10**5000, nested(100_000),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_json_cannot_say_it_so_that_the_same_comes_back(value: Any) -> None:
    assert not is_json(value)


def test_what_holds_itself_is_no_json() -> None:
    ring: list[Any] = []
    ring.append(ring)
    assert not is_json(ring)
