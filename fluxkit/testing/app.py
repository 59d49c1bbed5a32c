"""The contract of an app: the requests that it was recorded making, and whether another model serves them as well."""

import enum
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from .._client import Client
from .._contract.report import shorten
from .._contract.request import Request
from .._diff import side_of
from .._mock import kit_of_mock
from .._recording.read import Entry, read_recording, request_of
from .._service import hosts_of, named
from .._wire.compare import compare
from .._wire.diff import Diff, DiffRow
from ..errors import PluginError, SettingsError
from .replay import Replay, fate_of, faults_of, replays

#: Rows of a comparison that speak of what a request brings; those of its own fields come before them.
BROUGHT = ("pixels", "format", "price")

#: Fields that are shown of a request beside its prompt.
TOLD = ("aspect", "resolution", "size", "seed", "output_format", "enhance_prompt", "safety_tolerance", "n")


class Standing(enum.StrEnum):
    """How a recorded request stands with the model that it is to move to."""

    MOVES = "moves"
    REFUSED_BEFORE = "refused before"
    REFUSED = "refused"
    DIFFERS = "differs"


@attrs.frozen(eq=False)
class Move:
    """A recorded request on its way to another model.

    *line* is where it stands in the recording, *times* how often it was asked, and *request* are its fields as they
    stand there. *diff* says what would change; ``str`` of it is a table. *replays* are what came of it on a mock of the
    other service, none where it is refused.
    """

    line: int
    times: int
    request: Mapping[str, Any]
    diff: Diff
    outcome: str | None = None
    replays: tuple[Replay, ...] = ()
    note: str = ""

    @property
    def standing(self) -> Standing:
        """Whether it can move. One that was refused before, and still is, stays for the app what it was."""
        if not self.diff.switchable:
            return Standing.REFUSED_BEFORE if self.outcome == "Unsupported" else Standing.REFUSED
        return Standing.DIFFERS if self.differs else Standing.MOVES

    @property
    def differs(self) -> tuple[str, ...]:
        """In what the replays differ from what was recorded, each with the paces at which it does."""
        found: dict[str, list[str]] = {}
        for each in self.replays:
            for what in each.differs:
                found.setdefault(what, []).append(each.pace)
        whole = len(self.replays)
        return tuple(
            f"at every pace: {what}" if len(paces) == whole else f"{', '.join(paces)}: {what}"
            for what, paces in found.items()
        )

    @property
    def changes(self) -> tuple[DiffRow, ...]:
        """What changes about the fields that are asked for and what they bring; all else is in the *diff*."""
        options = (f"options.{name}" for name in self.request.get("options", ()))
        told = (*self.request, *options, *BROUGHT)
        return tuple(row for row in self.diff.changes if row.field in told)

    @property
    def asked(self) -> str:
        """What is asked for, in a line."""
        said = self.request
        prompt, references = said.get("prompt"), said.get("references", ())
        words = [shorten(prompt) if isinstance(prompt, str) else "a prompt that was left out"]
        words += [f"{field} {said[field]}" for field in TOLD if field in said]
        if references:
            words.append(f"{len(references)} reference{'s' if len(references) > 1 else ''}")
        return ", ".join([*words, *said.get("options", ())])

    def lines(self) -> Iterator[str]:
        """What there is to say of it beside what is asked: reasons, ways out, and what changes."""
        b = self.diff.b
        if self.standing in (Standing.REFUSED, Standing.REFUSED_BEFORE):
            yield from (f"{row.field}: {row.b}" for row in self.diff.rows if row.field in b.refused)
            for setting in b.settings:  # which private hosts are met, no project's file says
                own = " of your own file" if setting.startswith("allow_hosts") else ""
                yield f"in a profile{own}: {setting}"
            yield from (f"no setting helps for {field}" for field in b.firm)
            return
        yield from self.differs
        for row in self.changes:
            note = f" ({row.note})" if row.note else ""
            yield f"{row.field}: {row.a} -> {row.b}{note}"
        if self.note:
            yield self.note

    def to_dict(self) -> dict[str, Any]:
        """The move as plain values."""
        return {
            "line": self.line,
            "times": self.times,
            "asked": self.asked,
            "standing": str(self.standing),
            "note": self.note or None,
            "diff": self.diff.to_dict(),
            "replays": [each.to_dict() for each in self.replays],
        }


def moves(recording: str | Path, *, to: str | None = None, source: str | None = None) -> Iterator[Move]:
    """Each request of a recording, moved from the model that it was made of to the model or profile *to*.

    Without *to* it stays where it is, and is only replayed. With *source*, only the requests made of that model.
    Requests that differ in prompt and seed alone, and fare alike, are one.

    Raises ``SettingsError`` if a line of the recording, a model, a profile or a setting is wrong.
    """
    if to is not None:
        side_of(to, Request("a prompt"), {})  # what is wrong with it is wrong for every line
    groups: dict[str, tuple[Entry, Diff]] = {}
    for entry in _made_of(source, read_recording(recording), recording):
        request = request_of(entry, kit_of_mock().stand_in, recording)  # not kept: its images may be large
        try:
            diff = _diff(entry, request, to or entry.name)
        except (SettingsError, PluginError) as error:
            raise SettingsError(f"{recording}, line {entry.line}: {error.message}") from None
        key = _likeness(entry, diff)
        if key in groups:
            first, diff = groups[key]
            entry = attrs.evolve(first, times=first.times + entry.times)
        groups[key] = entry, diff
    for entry, diff in groups.values():
        yield _moved(entry, diff, to or entry.name)


def _made_of(source: str | None, entries: tuple[Entry, ...], recording: str | Path) -> tuple[Entry, ...]:
    """The entries that were asked of the model, or the provider, *source*."""
    if source is None:
        return entries
    found = tuple(entry for entry in entries if source in (entry.name, entry.provider))
    if not found:
        known = ", ".join(dict.fromkeys(entry.name for entry in entries))
        raise SettingsError(f"{recording} holds no request made of {shorten(source)}. It holds some of {known}.")
    return found


def _diff(entry: Entry, request: Request, to: str) -> Diff:
    """What would change for a request; a profile says itself what it gives up."""
    said = {**entry.settings, "allow_hosts": hosts_of(entry.settings.get("allow_hosts", ()))}
    before, price = side_of(entry.name, request, said)
    after, other = side_of(to, request, said if ":" in to else {})
    return compare(before, after, (price, other))


def _likeness(entry: Entry, diff: Diff) -> str:
    """What two requests must have in common to be one: all but what the image shows."""
    said = {name: value for name, value in entry.said.items() if name not in ("prompt", "seed")}
    outcome = None if entry.outcome is None else attrs.asdict(entry.outcome)
    fares = [diff.to_dict()["rows"], diff.b.name, diff.b.settings, diff.b.firm]  # a refusal in words quotes the seed
    return json.dumps([entry.name, said, "seed" in entry.said, entry.settings, outcome, fares], sort_keys=True)


def _moved(entry: Entry, diff: Diff, to: str) -> Move:
    outcome = None if entry.outcome is None else entry.outcome.error
    move = Move(entry.line, entry.times, entry.said, diff, outcome)
    if not diff.switchable:
        return move

    def make(mock: Any) -> Client:
        if ":" not in to:
            return Client.from_settings(to, mock=mock)
        return Client(to, mock=mock, **entry.settings)

    provider, _ = named(f"{diff.b.provider}:{diff.b.model}")
    found = tuple(replays(provider, entry.request(kit_of_mock().stand_in), entry.outcome, make))
    note = f"refused before, and served by {diff.b.name}" if outcome == "Unsupported" else ""
    faults = faults_of(provider, entry.outcome)
    if entry.outcome is not None and entry.outcome.error is None and faults is None:
        beside = ", ".join(entry.outcome.errors)
        note = f"recorded with {beside} beside images, and replayed as if all came: no fault of its mock does that"
    elif not found:
        others = {*(entry.outcome.errors if entry.outcome else ())} - {outcome}
        what = f"{provider.name} cannot say so"
        if fate_of(entry.outcome) == "" or others:
            what = "no fault of a mock brings it about"
        note = f"recorded as {', '.join([str(outcome), *sorted(others)])}, which was not replayed: {what}"
    return attrs.evolve(move, replays=found, note=note)


def check_app(recording: str | Path, *, to: str | None = None, source: str | None = None) -> tuple[Move, ...]:
    """Asserts that every recorded request can move to another model, or profile, and comes out there as it did.

    ::

        def test_we_can_switch():
            check_app("requests.jsonl", to="apimart:flux-2-flex")

    Each is replayed on a mock of the other service, at several paces. The recording is what ``FLUXKIT_RECORD`` wrote.

    Raises:
        AssertionError: Requests are refused, or come out differently; each is named with the reason and the setting
            that would help.
        SettingsError: A line of the recording, a model, a profile or a setting is wrong.
    """
    found = tuple(moves(recording, to=to, source=source))
    bad = [each for each in found if each.standing in (Standing.REFUSED, Standing.DIFFERS)]
    if bad:
        shown = "\n".join(f"- {shown_move(each)}" for each in bad)
        target = to or "where they are"
        raise AssertionError(f"{recording}: {len(bad)} of {len(found)} requests do not move to {target}:\n{shown}")
    return found


def shown_move(move: Move) -> str:
    """A move in lines, the first of them with what is asked."""
    return "\n".join([f"{move.standing}, line {move.line}: {move.asked}", *(f"    {line}" for line in move.lines())])
