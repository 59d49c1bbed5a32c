"""Arming faults: for whom, how often, by which dice, and how one is written in a line."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fluxkit
from fluxkit_mockserver.armed import read_fault
from fluxkit_mockserver.service import MockService
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.magnific import MAGNIFIC


def a_mock(**options: Any) -> MockService:
    return MockService([MAGNIFIC, APIMART], progression="at once", **options)


def submits(mock: MockService, *prompts: str, of: str = "magnific:flux-2-klein") -> list[bool]:
    """Whether the answer to each of these submits was lost."""
    lost = []
    with fluxkit.Client(of, mock=mock) as client:
        for prompt in prompts:
            try:
                client.submit(prompt)
            except fluxkit.SubmissionUnknown:
                lost.append(True)
            else:
                lost.append(False)
    return lost


def test_a_fault_strikes_so_many_times_and_says_how_often_it_has() -> None:
    mock = a_mock()
    armed = mock.fault("accepted-then-dropped", times=2)
    assert [True, True, False] == submits(mock, "a", "b", "c")
    assert (armed,) == mock.faults
    assert ("accepted-then-dropped", 2, 0) == (armed.name, armed.struck, armed.left)


def test_a_fault_without_an_end_has_no_number_left() -> None:
    assert a_mock().fault("503").left is None


def test_a_fault_is_kept_to_the_task_of_a_number() -> None:
    mock = a_mock()
    mock.fault("accepted-then-dropped", task=2)
    assert [False, True, False] == submits(mock, "a", "b", "c")


def test_a_fault_is_kept_to_the_task_of_an_id() -> None:
    mock = MockService([MAGNIFIC], progression="polls")
    with fluxkit.Client("magnific:flux-2-klein", mock=mock) as client:
        one, other = client.submit("a"), client.submit("b")
        armed = mock.fault("expired-link", task=other.id)
        client.wait(one)
        assert 0 == armed.struck
        client.wait(other)
        assert 1 == armed.struck


@pytest.mark.parametrize(
    "match",
    [
        {"prompt": "*cat*"},
        {"prompt": "*cat*", "provider": "magnific", "model": "flux-2-*"},
        lambda facts: "cat" in facts["prompt"] and facts["provider"] == "magnific",
    ],
)
def test_a_fault_is_kept_to_the_requests_that_match(match: Any) -> None:
    mock = a_mock()
    mock.fault("accepted-then-dropped", match=match)
    assert [True, False, True] == submits(mock, "a cat", "a dog", "cats")


def test_a_fault_that_matches_another_service_leaves_this_one_alone() -> None:
    mock = a_mock()
    mock.fault("accepted-then-dropped", match={"provider": "apimart"})
    assert [False] == submits(mock, "a")
    assert [True] == submits(mock, "a", of="apimart:flux-2-pro")


def test_numbers_and_flags_are_matched_as_text_too() -> None:
    mock = MockService([MAGNIFIC])
    mock.fault("accepted-then-dropped", match={"seed": "7"})
    mock.fault("accepted-then-dropped", match={"enhance_prompt": "true"})
    with fluxkit.Client("magnific:flux-2-pro", mock=mock) as client:
        for unlike in ({}, {"seed": 8}, {"enhance_prompt": False}):
            client.submit("a", **unlike)
        for like in ({"seed": 7}, {"enhance_prompt": True}):
            with pytest.raises(fluxkit.SubmissionUnknown):
                client.submit("a", **like)


def test_dice_are_thrown_only_for_whom_a_fault_is_meant() -> None:
    def lost(*prompts: str) -> list[bool]:
        mock = a_mock(seed=5)
        mock.fault("accepted-then-dropped", rate=0.5, match={"prompt": "cat"})
        return [each for each, prompt in zip(submits(mock, *prompts), prompts, strict=True) if prompt == "cat"]

    assert lost(*["cat"] * 12) == lost(*["dog", "cat"] * 12)


def test_one_fault_does_not_move_the_dice_of_another() -> None:
    def lost(*, other: bool) -> list[bool]:
        mock = a_mock(seed=5)
        mock.fault("accepted-then-dropped", rate=0.5)
        if other:
            mock.fault("stuck", rate=0.5)
        return submits(mock, *"abcdefghijkl")

    assert lost(other=False) == lost(other=True)


def test_a_fault_is_taken_back_by_name_or_with_all_others() -> None:
    mock = a_mock()
    for name in ("503", "stuck", "stuck"):
        mock.fault(name)
    assert 2 == mock.unfault("stuck")
    assert ["503"] == [each.name for each in mock.faults]
    mock.fault("stuck")
    assert 2 == mock.unfault()
    assert () == mock.faults


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"name": "stuk"}, "There is no fault 'stuk'. Did you mean 'stuck'? Allowed: "),
        ({"name": 503}, "There is no fault 503."),
        ({"times": 1.5}, "times is 1.5"),
        ({"rate": True}, "rate is True"),
        ({"rate": "1"}, "rate is '1'"),
        ({"task": 0}, "task is 0. Allowed: the number of a task, from 1, or its id"),
        ({"task": ""}, "task is ''"),
        ({"task": "t"}, "strikes before the task has an id that could be known; task is 't'. Give its number"),
        ({"match": {}}, "match is {}. Allowed: facts of a request"),
        ({"match": "prompt"}, "match is 'prompt'"),
        ({"match": {"promt": "x"}}, "match names 'promt', which no request has. Did you mean 'prompt'? Allowed: "),
        ({"match": {"provider": "bfl"}}, "match names the provider 'bfl', which is not served. Served: magnific"),
    ],
)
def test_what_cannot_be_armed_is_named(wrong: dict[str, Any], told: str) -> None:
    mock = a_mock()
    with pytest.raises(ValueError) as caught:
        mock.fault(**{"name": "503", **wrong})
    assert told in str(caught.value)
    assert () == mock.faults


def test_what_is_taken_back_must_be_a_fault() -> None:
    with pytest.raises(ValueError, match=r"no fault 'stuk'\. Did you mean 'stuck'"):
        a_mock().unfault("stuk")


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("503", {"name": "503"}),
        ("accepted-then-dropped:0.1", {"name": "accepted-then-dropped", "rate": 0.1}),
        ("accepted-then-dropped:10%", {"name": "accepted-then-dropped", "rate": 0.1}),
        ("503:x3", {"name": "503", "times": 3}),
        ("stuck:#2:x1:1", {"name": "stuck", "task": 2, "times": 1, "rate": 1.0}),
        ("expired-link:#task_01KFG", {"name": "expired-link", "task": "task_01KFG"}),
        ("stuck:model=flux-2-*:prompt=a=b", {"name": "stuck", "match": {"model": "flux-2-*", "prompt": "a=b"}}),
    ],
)
def test_a_fault_is_written_in_a_line(text: str, order: dict[str, Any]) -> None:
    assert order == read_fault(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("503:often", "'often' is no rate (0.1), no number of times (x3), no task (#2) and no fact"),
        ("503:", "'' is no rate"),
        ("503:2", "2 is no rate, which is at most 1. Did you mean x2, so many times, or #2, the task of that number?"),
        ("503:10:model=flux-2-pro", "10 is no rate, which is at most 1. Did you mean x10, "),
        ("503:=x", "'=x' is no rate"),
        ("503:x3:x4", "says times twice"),
        ("503:prompt=a:prompt=b", "says match twice"),
    ],
)
def test_a_line_that_cannot_be_read_says_what_is_allowed(text: str, told: str) -> None:
    with pytest.raises(ValueError) as caught:
        read_fault(text)
    assert told in str(caught.value)
    assert "NAME[:RATE][:xTIMES][:#TASK][:FACT=VALUE]" in str(caught.value)


@given(
    name=st.sampled_from(["503", "stuck"]),
    times=st.none() | st.integers(1, 999_999),
    rate=st.none() | st.integers(1, 1000).map(lambda thousandths: thousandths / 1000),
    task=st.none() | st.integers(1, 999_999),
    prompt=st.none() | st.text(st.characters(exclude_characters=":", exclude_categories=["Cs"]), min_size=1),
)
def test_every_line_says_what_was_written_in_it(
    name: str, times: int | None, rate: float | None, task: int | None, prompt: str | None
) -> None:
    parts: list[tuple[str, str, Any]] = [("name", name, name)]
    if times is not None:
        parts.append(("times", f"x{times}", times))
    if rate is not None:
        parts.append(("rate", str(rate), rate))
    if task is not None:
        parts.append(("task", f"#{task}", task))
    if prompt is not None and prompt == prompt.strip():
        parts.append(("match", f"prompt={prompt}", {"prompt": prompt}))
    assert {key: value for key, _, value in parts} == read_fault(":".join(text for _, text, _ in parts))
