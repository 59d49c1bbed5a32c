"""What came of an app's requests, for machines: a JSON document with a version, and JUnit's XML."""

from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree as ET

from .. import __version__
from .app import Move, Standing, shown_move
from .report import clean

#: The version of the document. It changes when a name in it goes or means something else, not when one comes.
VERSION = 1


def counts(moves: Sequence[Move]) -> dict[str, int]:
    """How many requests stand how."""
    return {str(each): sum(move.standing is each for move in moves) for each in Standing}


def document_of(moves: Sequence[Move], recording: str, to: str | None) -> dict[str, Any]:
    """The document of ``fluxkit verify --app --json``."""
    return {
        "version": VERSION,
        "fluxkit": __version__,
        "recording": recording,
        "to": to,
        "counts": counts(moves),
        "requests": [move.to_dict() for move in moves],
    }


def junit_of(moves: Sequence[Move], recording: str) -> str:
    """The same as JUnit's XML: a case for each request; one that was refused before, and is, is no failure."""
    root = ET.Element("testsuites", name="fluxkit verify")
    bad = [move for move in moves if move.standing in (Standing.REFUSED, Standing.DIFFERS)]
    suite = ET.SubElement(
        root,
        "testsuite",
        name=clean(recording),
        tests=str(len(moves)),
        failures=str(len(bad)),
        errors="0",
        skipped="0",
    )
    for move in moves:
        name = clean(f"line {move.line}: {move.asked}")
        case = ET.SubElement(suite, "testcase", classname=f"fluxkit.{clean(move.diff.b.name)}", name=name, time="0")
        if move in bad:
            reason = next(iter(move.lines()), str(move.standing))
            failure = ET.SubElement(case, "failure", message=clean(reason), type=str(move.standing))
            failure.text = clean(shown_move(move))
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, "unicode") + "\n"
