"""``fluxkit plan``: what a request would send, bring and cost."""

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from .._contract.report import showable
from .given import check_together, request_of
from .help import Command
from .options import SECTIONS, delivery_options, request_options
from .output import put, put_document
from .profile import profile_of

if TYPE_CHECKING:
    from .._wire.plan import Plan

#: Longer texts are shown by their beginning.
LONGEST_TEXT = 400


@click.command(
    cls=Command,
    sections=SECTIONS,
    examples=(
        'fluxkit plan "a fox" -p apimart:flux-2-flex --aspect 16:9 --resolution 2K',
        'fluxkit plan "a fox" -p magnific:flux-2-pro --size 2000x770 --fit nearest',
        'fluxkit plan "a fox" -p magnific:flux-2-klein --seed 7 --json',
    ),
)
@request_options
@delivery_options(idle=True)
def plan(*, as_json: bool, output: str | None, **given: Any) -> None:
    """Show what generate would send, bring and cost. Nothing is sent.

    It needs no key, and takes every option of generate: put plan in its place, and the same command line is explained
    instead of carried out. In the place of an image stands how it will be sent. With --json the body is complete but
    for that; otherwise long texts in it are cut, too.
    """
    import json

    from .._binding import plan_of
    from .._client import Client
    from .._settings.arguments import client_arguments, not_kept, refuse
    from .._settings.trust import hindrances
    from .._wire.calls import addressing
    from .._wire.plan import SIGNING

    check_together(output=output, **given)
    request = request_of(given)
    profile = profile_of(given)
    refuse((*profile.problems, *hindrances(profile, {}, keyless=True), *not_kept(profile, Client)))
    taken = inspect.signature(plan_of).parameters
    settings = client_arguments(profile, {}, keyless=True)
    if profile.setting(SIGNING) is not None:  # it is sent, and as it is not shown it need not be read
        settings[SIGNING] = showable(SIGNING, "")
    made = plan_of(request=request, to=output, **{name: each for name, each in settings.items() if name in taken})
    method, (url, headers) = made.provider.submit.method, addressing(made, 0)
    if as_json:
        put_document(_document(made, {"method": method, "url": url, "headers": headers}))
    else:
        body = json.dumps(_shown(_open(made.body)), indent=2, ensure_ascii=False, default=str)
        put(f"{made}\n{method} {url}\n{body}")


def _open(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body as it may be read by others."""
    return {name: showable(name, value) for name, value in body.items()}


def _document(made: "Plan", call: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "provider": made.provider.name,
        "model": made.model.name,
        **call,
        "body": _open(made.body),
        "n": made.request.n,
        "width": made.pixels[0],
        "height": made.pixels[1],
        "expected": made.expected,
        "report": [
            {
                "field": verdict.field,
                "outcome": verdict.outcome,
                "asked": verdict.asked,
                "sent": verdict.sent,
                "note": verdict.note,
            }
            for verdict in made.report
        ],
        "price": None if made.price is None else str(made.price),
    }


def _shown(value: Any) -> Any:
    """The body as it is shown: what is too long is cut."""
    match value:
        case dict():
            return {key: _shown(each) for key, each in value.items()}
        case list() | tuple():
            return [_shown(each) for each in value]
        case str() if len(value) > LONGEST_TEXT:
            return f"{value[:40]}... ({len(value)} characters)"
    return value
