"""What was found, for machines: a JSON document with a version, and JUnit's XML, which every CI system reads."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from .. import __version__
from .check import Check
from .checks import CHECKS
from .evidence import LiveCheck
from .finding import Finding, Grade
from .live import LIVE, check_recorded_answers_do_not_drift
from .proof import Proof

#: The version of the document. It changes when a name in it goes or means something else, not when one comes.
VERSION = 1

#: Every check that a finding can be of.
BY_NAME: Mapping[str, Check | LiveCheck[Any]] = {
    **{check.name: check for check in CHECKS},
    check_recorded_answers_do_not_drift.name: check_recorded_answers_do_not_drift,
    **{check.name: check for check in LIVE},
}


def document_of(proofs: Sequence[Proof], failures: Sequence[str]) -> dict[str, Any]:
    """The document of ``fluxkit verify --json``. *failures* are the plugins that cannot be used."""
    return {
        "version": VERSION,
        "fluxkit": __version__,
        "providers": [
            {
                "name": proof.name,
                "origin": proof.origin or None,
                "trouble": proof.trouble or None,
                "checks": [_row(each) for each in proof.findings],
            }
            for proof in proofs
        ],
        "failures": list(failures),
    }


def _row(finding: Finding) -> dict[str, Any]:
    check, known = BY_NAME[finding.check], finding.known
    return {
        "check": check.name,
        "kind": check.kind,
        "promise": check.promise,
        "outcome": str(finding.outcome),
        "why": finding.why or None,
        "details": finding.details or None,
        "deviation": None if known is None else {"reason": known.reason, "date": known.date.isoformat()},
        "surprising": finding.surprising,
    }


def junit_of(proofs: Sequence[Proof], failures: Sequence[str]) -> str:
    """The same as JUnit's XML: a suite for each provider, a case for each check; what does not apply is skipped.

    A failure that is known is skipped with its reason, and a deviation that is none any more fails.
    """
    root = ET.Element("testsuites", name="fluxkit verify")
    for proof in proofs:
        suite = _suite(root, proof.name)
        if proof.trouble:
            _trouble(suite, proof.name, "the provider can be checked", proof.trouble)
        for finding in proof.findings:
            _case(suite, proof.name, BY_NAME[finding.check], finding)
    if failures:
        suite = _suite(root, "plugins")
        for number, failure in enumerate(failures, 1):
            _trouble(suite, "plugins", f"plugin {number} can be used", failure)
    for suite in root:
        for kind, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            suite.set(kind, str(sum(case.find(tag) is not None for case in suite)))
        suite.set("tests", str(len(suite)))
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, "unicode") + "\n"


def _suite(root: ET.Element, name: str) -> ET.Element:
    return ET.SubElement(root, "testsuite", name=clean(name))


def _trouble(suite: ET.Element, owner: str, name: str, why: str) -> None:
    case = ET.SubElement(suite, "testcase", classname=f"fluxkit.{clean(owner)}", name=name, time="0")
    ET.SubElement(case, "error", message=clean(why), type="PluginError").text = clean(why)


def _case(suite: ET.Element, owner: str, check: Check | LiveCheck[Any], finding: Finding) -> None:
    case = ET.SubElement(suite, "testcase", classname=f"fluxkit.{clean(owner)}", name=check.name, time="0")
    if finding.surprising:
        message = finding.why if finding.outcome is Grade.FAIL else str(finding)
        failure = ET.SubElement(case, "failure", message=clean(message), type="AssertionError")
        failure.text = clean(f"{check.promise}\n{finding.details or finding}")
    elif finding.outcome is not Grade.PASS:
        known = "" if finding.known is None else f"known since {finding.known.date}: {finding.known.reason}; "
        ET.SubElement(case, "skipped", message=clean(known + finding.why))


def clean(text: str) -> str:
    """Text without what XML cannot hold: services and plugins may say anything."""
    return re.sub("[^\t\n -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\N{REPLACEMENT CHARACTER}", text)
