"""``fluxkit diff``: what would change if another model made the image, and whether it can."""

import shutil
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from ..errors import Unsupported
from .given import drops_of, request_of
from .help import Command
from .options import SECTIONS, diff_options
from .output import Code, coloured, parts_of, printable, put, put_document

if TYPE_CHECKING:
    from .._wire.diff import Diff

#: Wider than this, a table is harder to read and not easier.
WIDEST = 120

#: The colours of a row by its change; what only differs has none.
COLOURS: Mapping[str | None, str] = {
    "refused": "red",
    "dropped": "yellow",
    "approximated": "yellow",
    "lost": "yellow",
    "gained": "green",
    "same": "bright_black",
}


@click.command(
    cls=Command,
    sections=SECTIONS,
    examples=(
        'fluxkit diff magnific:flux-2-pro apimart:flux-2-flex "a fox" --aspect 16:9',
        "fluxkit diff magnific:flux-2-klein apimart:flux-2-pro fox --seed 7 --drop seed",
        "fluxkit diff magnific:flux-2-pro apimart:flux-2-pro fox --json | jq .lossless",
    ),
)
@diff_options
def diff(*, a: str, b: str, as_json: bool, **given: Any) -> Code:
    """Show what would change if another model made the image.

    Each row says what the two make of a field, or what would come and cost. FROM and TO are models, or profiles of
    fluxkit.toml with what they set. It needs no key, and nothing is sent. The exit code is 0 if the other one can serve
    the request as it stands, and 8 if it cannot; then the options and settings that would let it through are printed,
    too.
    """
    from .._diff import diff

    found = diff(
        request_of(given),
        a,
        b,
        fit=given["fit"],
        unsupported=drops_of(given) or None,
        allow_hosts=given["allow_hosts"] or None,
    )
    options = " ".join(parts_of(Unsupported(found.b.refusal or ""))[2])
    if as_json:
        put_document({**found.to_dict(), "try": options or None})
    else:
        width = min(shutil.get_terminal_size((80, 24)).columns, WIDEST)
        table = [coloured(line, COLOURS.get(change)) for change, line in found.lines(width)]
        put("\n".join([*table, "", found.verdict, *_ways_out(found, options)]))
    return Code.DONE if found.switchable else Code.NO_SWITCH


def _ways_out(found: "Diff", options: str) -> list[str]:
    """What would let the request through: options, the same as lines of a profile, and what no setting can mend."""
    lines = [f"try: {options}"] if options else []
    for setting in found.b.settings:  # which private hosts are met, no project's file says
        where = "a profile of your own file" if setting.startswith("allow_hosts") else "a profile"
        lines.append(f"or in {where}: {setting}")
    reasons = [printable(f"{row.field} is {row.b}") for row in found.rows if row.field in found.b.firm]
    return [*lines, *(f"no setting helps: {reason}" for reason in reasons)]
