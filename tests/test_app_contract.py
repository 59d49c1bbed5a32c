"""The recorded requests of an app: whether another model serves them, and whether they come out there as they did."""

import contextlib
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import attrs
import click.testing
import pytest
from hypothesis import given

import fluxkit
from fluxkit import Client, FluxError, SettingsError
from fluxkit._contract.structure import read_media
from fluxkit._recording.entry import request_document
from fluxkit._recording.read import Entry, Outcome, read_recording, request_of
from fluxkit.cli.output import Code
from fluxkit.cli.program import fluxkit as program
from fluxkit.strategies import requests
from fluxkit.testing import Move, Standing, check_app
from fluxkit.testing import replay as replaying
from fluxkit.testing.app import moves
from fluxkit.testing.replay import FATES, PACES, fate_of, replays
from fluxkit_mockserver import MockService
from fluxkit_mockserver.kit import stand_in
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.bfl import BFL
from fluxkit_providers.magnific import MAGNIFIC

PRO, KLEIN, FLEX, MAKER = "magnific:flux-2-pro", "magnific:flux-2-klein", "apimart:flux-2-flex", "bfl:flux-2-pro"
PICTURE = Path(__file__).parent.parent / "docs" / "images" / "magnific.jpg"

Ask = Callable[..., None]


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "requests.jsonl"


@pytest.fixture
def ask(record: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Asks a model for an image, perhaps while a fault strikes, and records it."""

    def ask(name: str = PRO, prompt: str = "a fox", *, fault: str | None = None, **fields: Any) -> None:
        mock = MockService([MAGNIFIC, APIMART, BFL])
        for each in (fault or "").split():  # "fail" always, "fail:x2" twice
            name_of_it, _, times = each.partition(":x")
            mock.fault(name_of_it, times=int(times) if times else None)
        settings = {each: fields.pop(each) for each in ("fit", "unsupported", "allow_hosts") if each in fields}
        monkeypatch.setenv("FLUXKIT_RECORD", str(record))
        try:
            with Client(name, mock=mock, **settings) as client:
                client.generate(prompt, **{"fetch": False, **fields})
        except FluxError:
            pass
        finally:
            monkeypatch.delenv("FLUXKIT_RECORD")

    return ask


def the_move(record: Path, to: str | None = FLEX) -> Move:
    (move,) = moves(record, to=to)
    return move


def change(record: Path, **changes: Any) -> None:
    """Changes names in the one line of a recording."""
    line = json.loads(record.read_text())
    record.write_text(json.dumps({**line, **changes}) + "\n")


# Moving


def test_a_recorded_contract_is_replayed_at_other_poll_rates_and_against_the_other_providers_mock(
    ask: Ask, record: Path
) -> None:
    ask(PRO, aspect="1:1", n=2)
    move = the_move(record)
    assert (Standing.MOVES, ()) == (move.standing, move.differs)
    recorded = read_recording(record)[0].outcome
    assert recorded is not None
    assert (("created", "running", "completed"),) * 2 == recorded.states
    seen = {each.pace: each.states for each in move.replays}
    assert {
        "at once": (("created", "completed"),) * 2,
        "a state a look": (("created", "running", "completed"),) * 2,
        "many looks a state": (("created", "running", "completed"),) * 2,
    } == seen
    assert [(2, 2, None)] * len(PACES) == [(each.images, each.billed, each.error) for each in move.replays]


def test_without_a_target_the_contract_is_replayed_where_it_was_recorded(ask: Ask, record: Path) -> None:
    ask(PRO, seed=7)
    ask(FLEX)
    assert [(PRO, Standing.MOVES, ()), (FLEX, Standing.MOVES, ())] == [
        (move.diff.b.name, move.standing, move.changes) for move in moves(record)
    ]


def test_what_cannot_be_served_is_refused_with_the_line_that_would_allow_it(ask: Ask, record: Path) -> None:
    ask(PRO, seed=7)
    move = the_move(record)
    assert (Standing.REFUSED, ()) == (move.standing, move.replays)
    assert ["seed: refused (the model has no seed)", 'in a profile: unsupported = { seed = "drop" }'] == [*move.lines()]


def test_what_no_setting_can_mend_is_said(ask: Ask, record: Path) -> None:
    ask("magnific:flux-kontext-pro", options={"guidance": 4.0})
    assert "no setting helps for options.guidance" in [*the_move(record).lines()]


def test_a_private_host_is_allowed_in_the_users_own_file(ask: Ask, record: Path) -> None:
    ask(FLEX, references=["http://10.0.0.5/a.png"])
    (move,) = moves(record, to="apimart:flux-2-pro")
    assert (Standing.REFUSED_BEFORE, 'in a profile of your own file: allow_hosts = ["10.0.0.5"]') == (
        move.standing,
        [*move.lines()][-1],
    )


def test_the_settings_of_the_recorded_client_go_with_the_request(ask: Ask, record: Path) -> None:
    ask(PRO, seed=7, unsupported={"seed": "drop"})
    move = the_move(record)
    assert Standing.MOVES is move.standing
    assert "seed: as asked -> dropped (the model has no seed)" in [*move.lines()]


def test_a_profile_says_itself_what_it_gives_up(
    ask: Ask, record: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(PRO, seed=7)
    (tmp_path / "fluxkit.toml").write_text(
        f'[profiles.strict]\nprovider = "{FLEX}"\n'
        f'[profiles.next]\nprovider = "{FLEX}"\nunsupported = {{ seed = "drop" }}\n'
    )
    monkeypatch.chdir(tmp_path)
    assert [Standing.REFUSED, Standing.MOVES] == [the_move(record, to).standing for to in ("strict", "next")]


def test_what_was_refused_before_and_still_is_changes_nothing(ask: Ask, record: Path) -> None:
    ask(FLEX, seed=7)
    assert Standing.REFUSED_BEFORE is the_move(record, "apimart:flux-2-pro").standing
    served = the_move(record, PRO)
    assert (Standing.MOVES, f"refused before, and served by {PRO}") == (served.standing, [*served.lines()][-1])


def test_a_submit_that_is_waited_for_elsewhere_has_one_outcome(record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUXKIT_RECORD", str(record))
    mock = MockService([MAGNIFIC])
    mock.fault("fail", times=1)
    for _ in range(2):
        with Client(PRO, mock=mock) as client:
            task = client.submit("a fox")
        with Client(PRO, mock=mock) as client, contextlib.suppress(fluxkit.Failed):
            client.wait(task)
    monkeypatch.delenv("FLUXKIT_RECORD")
    failed, made = read_recording(record)
    assert ("Failed", None) == (failed.outcome and failed.outcome.error, made.outcome and made.outcome.error)
    assert [Standing.MOVES, Standing.MOVES] == [move.standing for move in moves(record, to=FLEX)]


def test_references_that_are_not_there_are_stood_in_for(ask: Ask, record: Path) -> None:
    ask("magnific:flux-kontext-pro", references=[PICTURE])
    ask(FLEX, references=["https://images.example/secret.png?x"], webhook_url="http://127.0.0.1:1/hook")
    for entry in read_recording(record):
        (reference,) = request_of(entry, stand_in, record).references
        if reference.content is not None:
            assert PICTURE.stat().st_size == len(reference.content)
            with reference.open() as file:
                media = read_media(file)
            assert ("image/jpeg", 1344, 768) == (media.media_type, media.width, media.height)
    assert [(Standing.MOVES, "'a fox', 1 reference")] * 2 == [
        (move.standing, move.asked) for move in moves(record, to=FLEX)
    ]


def test_requests_that_differ_in_prompt_and_seed_alone_are_one(ask: Ask, record: Path) -> None:
    for number in range(3):
        ask(PRO, f"fox {number}", seed=number)
    ask(PRO, "fox 0", seed=0)
    ask(PRO, "fox")
    ask(PRO, "fox", seed=2**32)  # more than the model takes
    assert [(1, 4, Standing.MOVES), (5, 1, Standing.MOVES), (6, 1, Standing.REFUSED_BEFORE)] == [
        (move.line, move.times, move.standing) for move in moves(record)
    ]


def test_a_prompt_that_was_left_out_is_one_of_the_same_length(
    ask: Ask, record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLUXKIT_RECORD_PROMPTS", "0")
    for prompt in ("x", "a longer one of them"):
        ask(PRO, prompt)
    assert {"a prompt that was left out"} == {move.asked for move in moves(record)}
    assert [1, 20] == [len(request_of(entry, stand_in, record).prompt) for entry in read_recording(record)]


@given(request=requests())
def test_a_request_comes_back_as_it_was_recorded(request: fluxkit.Request) -> None:
    said = json.loads(json.dumps(request_document(request)))
    again = Entry(1, "magnific", "flux-2-pro", said, {}).request(lambda kind, *_: stand_in(kind, 1, 1, 0))
    told = request_document(again)
    assert {**said, "references": 0} == {**told, "references": 0}
    assert request.want == again.want
    assert [each.media_type for each in request.references] == [each.media_type for each in again.references]
    assert [each.url is None for each in request.references] == [each.url is None for each in again.references]


@pytest.mark.parametrize("media_type", ["image/png", "image/jpeg", "image/webp", "image/gif"])
@pytest.mark.parametrize(
    ("sides", "drawn"), [((640, 512), (640, 512)), ((None, None), (64, 64)), ((1, 70_000), (1, 16_383))]
)
def test_a_stand_in_has_the_type_the_sides_and_the_bytes(
    media_type: str, sides: tuple[int | None, int | None], drawn: tuple[int, int]
) -> None:
    content = stand_in(media_type, *sides, 100_000)
    media = read_media(io.BytesIO(content))
    assert (media_type, *drawn, 100_000) == (media.media_type, media.width, media.height, len(content))


# What comes out differently


@pytest.mark.slow
@pytest.mark.parametrize("fault", FATES.values())
def test_every_fate_comes_again_at_every_pace(fault: str, ask: Ask, record: Path) -> None:
    ask(MAKER, fault=fault, fetch=True)
    entry = read_recording(record)[0]
    assert fault == fate_of(entry.outcome)
    here = the_move(record, None)
    assert (Standing.MOVES, len(PACES)) == (here.standing, len(here.replays))
    there = the_move(record, FLEX)
    if fault == "moderated":  # which APIMart does not tell from any other failure
        assert Standing.DIFFERS is there.standing
        assert "at every pace: expected Refused, came Failed" in there.differs[0]
    else:
        assert (Standing.MOVES, ()) == (there.standing, there.differs)


@pytest.mark.parametrize(
    ("faults", "came", "beside"),
    [
        ("fail:x1", 3, ["Failed"]),
        ("fail:x3", 1, ["Failed"] * 3),
        ("moderated:x2", 2, ["Refused"] * 2),
        ("accepted-then-dropped:x1", 3, ["SubmissionUnknown"]),
        ("stuck:x1", 3, ["Overdue"]),
        ("fail:x1 moderated:x1", 2, ["Failed", "Refused"]),
    ],
)
def test_errors_beside_images_come_again_beside_as_many(
    faults: str, came: int, beside: list[str], ask: Ask, record: Path
) -> None:
    ask(MAKER, fault=faults, n=4)
    (entry,) = read_recording(record)
    assert (None, came, beside) == (
        entry.outcome and entry.outcome.error,
        len(entry.outcome.images if entry.outcome else ()),
        sorted(entry.outcome.errors if entry.outcome else ()),
    )
    move = the_move(record, None)
    assert (Standing.MOVES, (), "") == (move.standing, move.differs, move.note)
    assert [(came, None)] * len(PACES) == [(each.images, each.error) for each in move.replays]


def test_another_error_beside_the_images_is_a_difference(ask: Ask, record: Path) -> None:
    ask(MAKER, fault="moderated:x1", n=3)
    move = the_move(record, FLEX)  # which APIMart does not tell from any other failure
    assert (
        "at every pace: expected Refused beside the images, came Failed",
        "at every pace: expected tasks to end completed, completed, refused, they ended completed, completed, failed",
    ) == move.differs


def test_images_that_all_failed_for_reasons_of_their_own_fail_so_again(ask: Ask, record: Path) -> None:
    ask(MAKER, fault="fail:x2 moderated:x1", n=3)
    (entry,) = read_recording(record)
    assert entry.outcome is not None
    assert ["Failed", "Failed", "Refused"] == sorted([*entry.outcome.errors, str(entry.outcome.error)])
    move = the_move(record, None)
    assert (Standing.MOVES, (), len(PACES)) == (move.standing, move.differs, len(move.replays))


@pytest.mark.parametrize("errors", [["DownloadError"], ["Failed", "Overdue"], ["Refused"]])
def test_errors_beside_images_that_no_fault_brings_about_are_told_and_all_must_come(
    errors: list[str], ask: Ask, record: Path
) -> None:
    ask(PRO, n=3)
    outcome = {**json.loads(record.read_text())["outcome"], "errors": errors}  # the refused one had no task
    change(record, outcome=outcome)
    move = the_move(record)
    beside = ", ".join(errors)
    note = f"recorded with {beside} beside images, and replayed as if all came: no fault of its mock does that"
    assert (Standing.MOVES, len(PACES), note) == (move.standing, len(move.replays), move.note)
    assert [3] * len(PACES) == [each.images for each in move.replays]


def test_a_failure_of_all_in_ways_that_cannot_be_brought_about_together_is_not_replayed(ask: Ask, record: Path) -> None:
    ask(PRO, n=2, fault="fail")
    outcome = {**json.loads(record.read_text())["outcome"], "errors": ["RateLimited"]}
    change(record, outcome=outcome)
    move = the_move(record)
    assert (Standing.MOVES, ()) == (move.standing, move.replays)
    note = "recorded as Failed, RateLimited, which was not replayed: no fault of a mock brings it about"
    assert note == move.note


def test_a_prompt_that_was_refused_at_once_is_refused_at_once_again(ask: Ask, record: Path) -> None:
    ask(PRO, fault="moderation")
    assert "400" == fate_of(read_recording(record)[0].outcome)
    found = differing(record, error="Refused")
    assert "moderation" == fate_of(read_recording(record)[0].outcome)
    assert "expected Refused, came Rejected: magnific answered 400" in found[0]  # it says so of every request


def test_what_a_service_cannot_say_is_not_replayed(ask: Ask, record: Path) -> None:
    ask(PRO, fault="fail")
    (entry,) = read_recording(record)
    mute = attrs.evolve(APIMART, statuses=tuple(row for row in APIMART.statuses if "fail" not in row[0]))
    assert [] == [*replays(mute, request_of(entry, stand_in, record), entry.outcome, lambda _: Client(FLEX))]


@pytest.mark.parametrize("error", ["ContractError", "Cancelled"])
def test_an_error_that_no_fault_brings_about_is_told_and_not_replayed(error: str, ask: Ask, record: Path) -> None:
    ask(PRO, fault="fail")
    outcome = {**json.loads(record.read_text())["outcome"], "error": error}
    change(record, outcome=outcome)
    move = the_move(record)
    note = f"recorded as {error}, which was not replayed: no fault of a mock brings it about"
    assert (Standing.MOVES, (), note) == (move.standing, move.replays, move.note)


def differing(record: Path, **outcome: Any) -> tuple[str, ...]:
    recorded = json.loads(record.read_text())["outcome"]
    change(record, outcome={**recorded, **outcome})
    return the_move(record, None).differs


def test_another_bill_or_end_than_was_recorded_is_a_difference(ask: Ask, record: Path) -> None:
    ask(PRO, fault="fail")
    assert ("at every pace: expected charged to be no, it is unknown",) == differing(record, charged="no")
    assert ("at every pace: expected tasks to end before there are any, they ended failed",) == differing(
        record, charged="unknown", states=[]
    )


def test_a_client_that_breaks_down_is_a_difference(ask: Ask, record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(PRO)

    def breaks(*_: Any, **__: Any) -> None:
        raise RuntimeError("a mistake in a plugin")

    monkeypatch.setattr(Client, "generate", breaks)
    assert ("at every pace: expected images, came RuntimeError: a mistake in a plugin",) == the_move(record).differs[:1]


WRONG: dict[str, tuple[Callable[[MockService, Client], Any], str]] = {
    "an image too few": (lambda _, client: client.generate("a", fetch=False), "expected 2 images, 1 came"),
    "other pixels": (
        lambda _, client: client.generate("a", n=2, size="640x512"),
        "expected 1024x768, an image has 640x512",
    ),
    "a bill too large": (
        lambda mock, client: (client.generate("a", fetch=False), client.generate("a", n=2, fetch=False))[1],
        "expected 2 images to be billed, 3 were",
    ),
    "a refusal that cost something": (
        lambda mock, client: refused_after(client),
        "expected 0 images to be billed, 1 were",
    ),
}


def refused_after(client: Client) -> None:
    client.generate("a", fetch=False)
    raise fluxkit.Rejected("no")


@pytest.mark.parametrize("what", WRONG)
def test_whatever_comes_out_differently_is_named(
    what: str, ask: Ask, record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(PRO, n=2)
    does, named = WRONG[what]
    whole = Client.generate

    def generate(client: Client, *_: Any, **__: Any) -> Any:
        monkeypatch.setattr(Client, "generate", whole)
        try:
            return does(client._mock, client)  # type: ignore[arg-type]
        finally:
            monkeypatch.setattr(Client, "generate", generate)

    monkeypatch.setattr(Client, "generate", generate)
    assert named in "\n".join(the_move(record, PRO).differs)


def test_another_format_than_was_asked_is_a_difference(ask: Ask, record: Path) -> None:
    ask(KLEIN, output_format="png")

    class Wrong(MockService):
        def __init__(self, *arguments: Any, **settings: Any) -> None:
            super().__init__(*arguments, **settings)
            self.fault("wrong-type-image")

    (entry,) = read_recording(record)
    kit = replaying.kit_of_mock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kit, "MockService", Wrong)
        assert ("at once: expected image/png, an image is image/jpeg",) == the_move(record, None).differs
    assert entry.outcome is not None


def test_a_task_that_goes_back_is_a_difference() -> None:
    back = (("created", "running", "created", "completed"),)
    assert ["expected a task to go on, it went created, running, created, completed"] == [
        *replaying._in_states(None, back, 1)
    ]
    assert [] == [*replaying._in_states(Outcome(error="Failed", states=(("failed",),)), (("created", "failed"),), 1)]


def test_nothing_of_a_replay_is_recorded(ask: Ask, record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(PRO)
    before = record.read_text()
    monkeypatch.setenv("FLUXKIT_RECORD", str(record))
    assert Standing.MOVES is the_move(record).standing
    assert before == record.read_text()


# As an assertion


def test_check_app_names_every_request_that_cannot_move(ask: Ask, record: Path) -> None:
    ask(PRO)
    assert 1 == len(check_app(record, to=FLEX))
    ask(PRO, seed=7)
    ask(MAKER, fault="moderated")
    with pytest.raises(AssertionError) as error:
        check_app(record, to=FLEX)
    head, *lines = str(error.value).splitlines()
    assert f"{record}: 2 of 3 requests do not move to {FLEX}:" == head
    assert [
        "- refused, line 2: 'a fox', seed 7",
        "    seed: refused (the model has no seed)",
        '    in a profile: unsupported = { seed = "drop" }',
        "- differs, line 3: 'a fox'",
    ] == lines[:4]
    with pytest.raises(AssertionError, match="1 of 1 requests do not move to"):
        check_app(record, to=FLEX, source="bfl")


# What is wrong


BAD = {
    "a number of 5,000 digits": (
        "9" * 5000,
        r"line 1: it is no JSON: a number in it has more than 4300 digits\. Allowed",
    ),
    "no JSON": ("{", r"line 1: it is no JSON: .*\. Allowed: an object, as FLUXKIT_RECORD"),
    "no text": (b"\xff", "line 1: byte 1 is no UTF-8"),
    "a list": ("[]", r"line 1: it is \[\]\. Allowed: an object"),
    "no version": ("{}", r"line 1: version is None\. Allowed: 1"),
    "another version": ('{"version": 2}', r"line 1: version is 2\. Allowed: 1; another fluxkit may have written it"),
    "true": ('{"version": true}', "version is True"),
    "no provider": ('{"version": 1}', r"provider is missing\. Allowed: text"),
    "no model": ('{"version": 1, "provider": "x", "model": 7}', r"model is 7\. Allowed: text"),
    "no request": ({"request": 7}, r"request is 7\. Allowed: an object"),
    "a wait of nothing": ({"call": "wait"}, "task is missing"),
    "a field that is none": ({"request": {"prompt": "a", "colour": "red"}}, r"request has 'colour'\. Allowed: prompt,"),
    "no prompt": ({"request": {}}, "line 1: .*prompt"),
    "a wrong prompt": ({"request": {"prompt": ""}}, "line 1: prompt is ''"),
    "references that are none": ({"request": {"prompt": "a", "references": 7}}, "references is 7"),
    "a reference that is none": ({"request": {"prompt": "a", "references": [7]}}, "references holds 7"),
    "a reference without a type": ({"request": {"prompt": "a", "references": [{}]}}, "references holds {}"),
    "sides below none": (
        {"request": {"prompt": "a", "references": [{"media_type": "image/png", "width": -1}]}},
        "references holds",
    ),
    "a type that is none": (
        {"request": {"prompt": "a", "references": [{"media_type": "text/html"}]}},
        "line 1: media_type is 'text/html'",
    ),
    "settings that are none": ({"settings": 7}, "settings is 7"),
    "a setting that is none": ({"settings": {"unsupported": {"prompt": "drop"}}}, "line 1: unsupported has 'prompt'"),
    "a host that is none": ({"settings": {"allow_hosts": ["a b"]}}, "line 1: allow_hosts holds"),
    "an outcome that is none": ({"outcome": 7}, "outcome is 7"),
    "states that are none": ({"outcome": {"states": [[7]]}}, "outcome is"),
    "errors that are none": ({"outcome": {"errors": [7]}}, "outcome is"),
    "a provider that is not there": ({"provider": "nobody"}, r"line 1: .*nobody"),
    "a model that is not there": ({"model": "nothing"}, r"line 1: magnific has no model 'nothing'"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_line_that_is_none_is_named(what: str, record: Path) -> None:
    line, named = BAD[what]
    if isinstance(line, dict):
        whole = {"version": 1, "provider": "magnific", "model": "flux-2-pro", "request": {"prompt": "a"}}
        line = json.dumps({**whole, **line})
    record.write_bytes(line if isinstance(line, bytes) else line.encode())
    with pytest.raises(SettingsError, match=named):
        check_app(record, to=FLEX)


def test_a_line_is_counted_with_the_blank_ones_and_bounded(record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record.write_text("\n\n{\n")
    with pytest.raises(SettingsError, match="line 3: it is no JSON"):
        read_recording(record)
    monkeypatch.setattr("fluxkit._recording.read.LONGEST_LINE", 20)
    record.write_text(f'"{"x" * 30}"\n')
    with pytest.raises(SettingsError, match="line 1: it is longer than"):
        read_recording(record)


def test_what_is_said_beside_the_names_of_today_is_no_matter(ask: Ask, record: Path) -> None:
    ask(PRO)
    change(record, colour="red", settings={"fit": "close", "base_url": "https://elsewhere.example", "key": "x"})
    assert Standing.MOVES is the_move(record).standing


def test_a_recording_of_nothing_and_one_that_is_not_there_are_said_so(record: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot be read: No such file"):
        read_recording(record)
    record.touch()
    with pytest.raises(SettingsError, match=r"holds no request\. Run the tests of the app with FLUXKIT_RECORD="):
        read_recording(record)
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        read_recording(tmp_path)


def test_a_target_and_a_source_that_are_none_are_named(ask: Ask, record: Path) -> None:
    ask(PRO)
    for to, named in (("nobody:x", "nobody"), ("magnific:x", "no model 'x'"), ("nobody", "profile")):
        with pytest.raises(SettingsError, match=named) as error:
            check_app(record, to=to)
        assert "line" not in error.value.message
    with pytest.raises(SettingsError, match=f"no request made of 'bfl'. It holds some of {PRO}"):
        check_app(record, source="bfl")


# On the command line


def run(*arguments: Any) -> click.testing.Result:
    done = click.testing.CliRunner().invoke(program, ["verify", *map(str, arguments)])
    assert "Traceback" not in done.output
    return done


def test_the_command_prints_a_line_for_each_request_and_what_changes(ask: Ask, record: Path) -> None:
    ask(PRO, aspect="1:1")
    ask(PRO, seed=7)
    ask(PRO, seed=8)
    done = run("--app", record, "--from", PRO, "--to", FLEX)
    assert Code.NO_SWITCH == done.exit_code
    assert [
        f"moves     line 1: {PRO} -> {FLEX}, 'a fox', aspect 1:1",
        "          pixels: 1024x1024 -> 1440x1440 (1.98 times the area)",
        "          format: unknown -> png",
        f"refused   line 2 (2 times): {PRO} -> {FLEX}, 'a fox', seed 7",
        "          seed: refused (the model has no seed)",
        '          in a profile: unsupported = { seed = "drop" }',
        "",
        "2 requests, asked 3 times: 1 moves, 1 refused",
    ] == done.stdout.splitlines()


def test_the_exit_code_says_whether_all_can_move(ask: Ask, record: Path) -> None:
    ask(PRO)
    assert Code.DONE == run("--app", record, "--to", FLEX).exit_code
    ask(MAKER, fault="moderated")
    assert Code.NOT_KEPT == run("--app", record, "--to", FLEX).exit_code


def test_reports_say_the_same_for_machines(ask: Ask, record: Path, tmp_path: Path) -> None:
    ask(PRO, "a\x00fox")
    ask(PRO, seed=7)
    ask(FLEX, seed=7)
    run("--app", record, "--to", FLEX, "--json", tmp_path / "report.json", "--junit", tmp_path / "report.xml")
    document = json.loads((tmp_path / "report.json").read_text())
    assert {"moves": 1, "refused before": 1, "refused": 1, "differs": 0} == document["counts"]
    assert (1, FLEX, str(record)) == (document["version"], document["to"], document["recording"])
    moved, *others = document["requests"]
    assert [*PACES] == [each["pace"] for each in moved["replays"]]
    assert [[], []] == [each["replays"] for each in others]
    (suite,) = ET.parse(tmp_path / "report.xml").getroot()
    assert ("3", "1") == (suite.get("tests"), suite.get("failures"))
    (failure,) = suite.iter("failure")
    assert ("refused", "seed: refused (the model has no seed)") == (failure.get("type"), failure.get("message"))


def test_without_what_the_checks_need_it_says_how_to_install_it(
    ask: Ask, record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(PRO)
    monkeypatch.setitem(sys.modules, "fluxkit.testing", None)
    done = run("--app", record)
    assert Code.NOT_SENT == done.exit_code
    assert "pip install 'fluxkit-py[all]'" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--to", FLEX], "give --app FILE, too"),
        (["--from", FLEX], "give --app FILE, too"),
        (["apimart", "--app", "x"], "--app goes with --from, --to, --json and --junit"),
        (["--app", "x", "--html", "y"], "--app goes with"),
        (["--app", "x", "--deviations", "y"], "--app goes with"),
        (["--app", "absent.jsonl"], "cannot be read"),
    ],
)
def test_options_that_do_not_go_together_are_refused(arguments: list[str], said: str) -> None:
    done = run(*arguments)
    assert Code.NOT_SENT == done.exit_code
    assert said in done.stderr
