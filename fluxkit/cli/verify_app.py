"""``fluxkit verify --app``: whether the recorded requests of an app can move to another model, and what changes."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .output import Code, coloured, printable, put
from .verify_live import kit, write

if TYPE_CHECKING:
    from ..testing.app import Move

#: The colours of a request by how it stands.
COLOURS = {"moves": "green", "refused": "red", "differs": "red"}


def verify_app(recording: str, *, source: str | None, to: str | None, as_json: str | None, junit: str | None) -> Code:
    """Prints what becomes of each request, writes the reports, and gives the exit code."""
    with kit():
        from ..testing import app, app_report
    found = []
    for move in app.moves(recording, to=to, source=source):
        put("\n".join(_lines(move)))
        found.append(move)
    counts = app_report.counts(found)
    stand = ", ".join(f"{count} {standing}" for standing, count in counts.items() if count)
    times = sum(move.times for move in found)
    asked = f", asked {times} times" if times > len(found) else ""
    put(f"\n{len(found)} request{'s' if len(found) > 1 else ''}{asked}: {stand}")
    if as_json is not None:
        document = app_report.document_of(found, recording, to)
        write(as_json, json.dumps(document, indent=2) + "\n")
    if junit is not None:
        write(junit, app_report.junit_of(found, recording))
    if counts["differs"]:
        return Code.NOT_KEPT
    return Code.NO_SWITCH if counts["refused"] else Code.DONE


def _lines(move: "Move") -> Iterator[str]:
    """A request in a line, and what there is to say of it below."""
    times = f" ({move.times} times)" if move.times > 1 else ""
    standing = coloured(f"{move.standing:8}", COLOURS.get(move.standing))
    yield f"{standing}  line {move.line}{times}: {move.diff.a.name} -> {move.diff.b.name}, {printable(move.asked)}"
    yield from (f"          {printable(line)}" for line in move.lines())
