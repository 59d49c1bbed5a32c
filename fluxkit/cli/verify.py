"""``fluxkit verify``: whether providers keep the contract, each against a mock of it."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from ..errors import SettingsError
from .complete import files, models, providers, sides
from .help import Command
from .output import Code, coloured, printable, put, say
from .verify_live import kit, live_of, write
from .verify_options import SECTIONS as LIVE_SECTIONS
from .verify_options import live_options

if TYPE_CHECKING:
    from .._plugins import Registry
    from ..testing.finding import Finding
    from ..testing.proof import Proof

#: The colours of an outcome; what does not apply has none.
COLOURS = {"pass": "green", "fail": "red"}

#: So many lines of the details of a failure are shown; all of them are in the reports.
MOST_LINES = 12

SECTIONS = {
    "What is known": ("deviations",),
    "The requests of an app": ("app", "source", "to"),
    **LIVE_SECTIONS,
    "Reports": ("as_json", "junit", "html"),
}


@click.command(
    cls=Command,
    examples=(
        "fluxkit verify magnific --junit report.xml --html report.html",
        "FLUXKIT_RECORD=requests.jsonl \\",
        "    fluxkit generate fox -p magnific:flux-2-pro --offline",
        "fluxkit verify --app requests.jsonl --to apimart:flux-2-flex",
        'fluxkit verify magnific --live --spend-at-most "0.20 USD"',
        "fluxkit verify --workflow > contract.yml",
    ),
    sections=SECTIONS,
)
@click.argument("names", nargs=-1, metavar="[PROVIDER]...", shell_complete=providers)
@click.option(
    "--deviations",
    metavar="FILE",
    shell_complete=files,
    help="A TOML file with what is known to fail: [[PROVIDER]] with check, reason and date.",
)
@click.option(
    "--app",
    metavar="FILE",
    shell_complete=files,
    help="Check the requests of an app instead, as FLUXKIT_RECORD or fluxkit mock --record has written them.",
)
@click.option(
    "--from", "source", metavar="NAME:MODEL", shell_complete=models, help="Only those that were asked of this model."
)
@click.option(
    "--to",
    metavar="NAME:MODEL|PROFILE",
    shell_complete=sides,
    help="What they are to move to; without it, the model that each was asked of.",
)
@click.option("--json", "as_json", metavar="FILE", shell_complete=files, help="Write a JSON document, too.")
@click.option("--junit", metavar="FILE", shell_complete=files, help="Write JUnit's XML, too.")
@click.option("--html", metavar="FILE", shell_complete=files, help="Write a page that needs nothing else, too.")
@live_options
def verify(
    names: Sequence[str],
    *,
    deviations: str | None,
    app: str | None,
    source: str | None,
    to: str | None,
    as_json: str | None,
    junit: str | None,
    html: str | None,
    **given: Any,
) -> int:
    """Show whether the providers keep the contract.

    Each is checked against a mock of it; without names, all that are installed. Nothing leaves the machine, no key is
    needed and nothing is bought. Each promise is a line: pass, fail with what was found, or not applicable with the
    reason. A plugin that cannot be used is named and explained, and the others are checked all the same.

    With --app it is the requests of an app that are checked: whether another model serves them, what changes, and
    whether each comes out on a mock of it as it was recorded, at several paces. The exit code is 8 if one is refused,
    and 9 if one comes out differently.

    With --live the service itself is asked, too: first for nothing, and then it buys one image for all checks that need
    one. That is said before with its price, and asked for. It costs nothing more than --spend-at-most, and what a run
    has bought that was cut short is fetched by fluxkit recover.
    """
    if app is not None:
        if names or deviations or html or any(given.values()):
            raise click.UsageError("--app goes with --from, --to, --json and --junit, and with nothing else")
        from .verify_app import verify_app

        return verify_app(app, source=source, to=to, as_json=as_json, junit=junit)
    if source or to:
        raise click.UsageError("--from and --to say what becomes of an app's requests: give --app FILE, too")
    from .._plugins import installed

    registry = installed()
    known = read_deviations(deviations)
    if strange := known.keys() - {*registry.names}:
        raise SettingsError(
            f"The deviations are of {', '.join(sorted(strange))}. Allowed: {', '.join(registry.names)}."
        )
    _check_places({"--json": as_json, "--junit": junit, "--html": html})
    live = live_of(given, names)
    proofs = []
    for proof in proofs_of(registry, names, known):
        put("\n".join(lines_of(proof)))
        if (more := live.beyond(proof, known.get(proof.name, ()))) is not None:
            put("\n".join(lines_of(more)))
            findings, trouble = (*proof.findings, *more.findings), proof.trouble or more.trouble
            proof = attrs.evolve(proof, findings=findings, trouble=trouble)
        proofs.append(proof)
    # A plugin that is not asked for, and that might not have brought what is, is no concern of this run.
    told = not names or not {*names} <= {*registry.names}
    failures = [failure.message for failure in registry.failures] if told else []
    for failure in failures:
        say(f"error: {' '.join(failure.split())}")
    write_reports(proofs, failures, as_json=as_json, junit=junit, html=html)
    if live.code:  # something that was bought is open: that matters more than what was found
        return live.code
    if any(proof.surprises for proof in proofs):
        return Code.NOT_KEPT
    return Code.NOT_PROVED if failures or any(proof.trouble for proof in proofs) else Code.DONE


def proofs_of(registry: "Registry", names: Sequence[str], known: Mapping[str, Any]) -> "Iterator[Proof]":
    """What the checks find, one provider after the other; of all that are installed if none is named."""
    with kit():
        from ..testing.proof import prove
    for name in dict.fromkeys(names or registry.names):
        yield prove(registry, name, known.get(name, ()))


def lines_of(proof: "Proof") -> "Iterator[str]":
    """A provider and its promises, a line each, with the reasons."""
    from ..testing.finding import Grade

    yield f"{proof.name}  {proof.origin}".rstrip()
    if proof.trouble:
        yield coloured(f"  cannot be checked: {printable(proof.trouble)}", "red")
    for finding in proof.findings:
        yield from _lines(finding)
    if proof.findings:
        yield "  " + ", ".join(f"{proof.count(grade)} {grade}" for grade in Grade)
    yield ""


def _lines(finding: "Finding") -> "Iterator[str]":
    outcome = "n/a" if finding.outcome == "not applicable" else str(finding.outcome)
    yield f"  {coloured(f'{outcome:4}', COLOURS.get(outcome))}  {printable(finding.text)}"
    if finding.surprising and finding.details:
        lines = finding.details.splitlines()
        if lines[0].endswith(finding.why):  # it stands in the line already
            del lines[0]
        yield from (f"          {printable(each)}" for each in lines[:MOST_LINES])
        if len(lines) > MOST_LINES:
            yield f"          ... {len(lines) - MOST_LINES} more lines in a report"


def read_deviations(path: str | None) -> dict[str, list[Mapping[str, Any]]]:
    """What is known to fail, by the providers of a TOML file; raises ``SettingsError`` if it is none."""
    if path is None:
        return {}
    with kit():
        from ..testing.written import tables_of
    return tables_of(path, what="deviations", allowed="[[PROVIDER]] with check, reason and date")


def _check_places(reports: Mapping[str, str | None]) -> None:
    """Refuses a report that could not be written, before what it would hold is found out or bought."""
    from .generate import writable

    for option, path in reports.items():
        if path is None:
            continue
        if Path(path).is_dir():
            raise SettingsError(f"{option} is {path}, which is a directory. Allowed: a file.")
        if Path(path).is_file() or not Path(path).exists():  # what else is there may be written, as /dev/stdout is
            writable(path, option=option)


def write_reports(
    proofs: "Sequence[Proof]",
    failures: Sequence[str],
    *,
    as_json: str | None,
    junit: str | None,
    html: str | None,
) -> None:
    """Writes the reports that are wanted."""
    import json

    from ..testing.report import document_of, junit_of

    if as_json is not None:
        write(as_json, json.dumps(document_of(proofs, failures), indent=2) + "\n")
    if junit is not None:
        write(junit, junit_of(proofs, failures))
    if html is not None:
        from ..testing.page import page_of

        write(html, page_of(proofs, failures))
