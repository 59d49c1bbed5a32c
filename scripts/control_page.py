"""The page of the mock's control routes, from the table that leads and checks them."""

from typing import Any

from pages import table

from fluxkit_mockserver.answer import CONTROL
from fluxkit_mockserver.control.routes import OPERATIONS, Operation
from fluxkit_mockserver.control.schema import allowed

HEAD = """\
# Control of the mock

<!-- Written by scripts/generate_docs.py from the table of the routes; do not edit. -->

What a test in any language asks of a mock on a port, and tells it; [the mock from any
language](../how-to/mock-from-any-language.md) shows it at work. The same routes answer in process, through the mock's
transports. `/__mock__/openapi.json` is this page for programs, with the form of every answer.

Each call is about one namespace: that of the header `x-fluxkit-namespace`, or of an address that begins with `/@name`
(`/@checkout/__mock__/billed`), or else the one without a name. Bodies are JSON, with `content-type: application/json`.
What cannot be is refused with a status from 400, and with `message` and `fields` that say what was given and what is
allowed.

The control answers this machine only, by its own names (`localhost`, `127.0.0.1`, `::1`), and no page of another
origin. Where others can reach the mock (`--host 0.0.0.0`), it asks instead for the token that was given with `--token`
or that it printed: as the header `x-fluxkit-token`, as `authorization: Bearer`, or as `?token=`."""


def control_page() -> str:
    """The whole page."""
    rows = [[f"`{each.method} {CONTROL}{each.path}`", each.about, said(each)] for each in OPERATIONS]
    return f"{HEAD}\n\n{table(['call', 'what it does', 'what it takes'], rows)}\n"


def said(operation: Operation) -> str:
    """What a call takes in its query or its body."""
    if operation.query:
        return "; ".join(f"`?{name}=` {allowed(schema)}" for name, schema in operation.query.items())
    body: Any = operation.body or {}
    need = body.get("required", ())
    return "; ".join(
        f"`{name}` {allowed(schema)}{', required' if name in need else ''}"
        for name, schema in body.get("properties", {}).items()
    )
