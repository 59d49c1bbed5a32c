"""A call as a line for a shell, which does again what an exchange did, with a key of the mock's own."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from ..answer import CONTROL
from ..exchange import Exchange
from ..gallery import IMAGES
from ..kept import HIDDEN

if TYPE_CHECKING:
    from ..service import MockService

#: What the journal of exchanges has in the place of a large text.
MEASURED: Final = re.compile(r"<(\d+) bytes, sha256 [0-9a-f]{12}>")

#: A grey square of 64 pixels, as base64: it stands in for an image that is not kept.
STAND_IN: Final = (
    "iVBORw0KGgoAAAANSUhEUgAAAEAAAABACAAAAACPAi4CAAAAK0lEQVR42u3MMREAAAgEoNfkRjeEmwcBqMlNRyAQCAQCgUAgEAgEAsHzYAFAdAEArKml"
    "ZAAAAABJRU5ErkJggg=="
)

#: The statuses with which services refuse a key that they do not know.
REFUSING_KEYS: Final = (401, 403)

#: Headers that a client sets for itself, or that say nothing of what is asked.
_OF_THE_WAY: Final = (
    *("accept", "accept-encoding", "accept-language", "cache-control", "connection", "content-length", "cookie"),
    *("host", "origin", "pragma", "referer", "te", "transfer-encoding", "user-agent"),
    *("x-fluxkit-namespace", "x-fluxkit-token"),
)
_OF_THE_WAY_TOO: Final = ("sec-", "x-stainless-")


class NotKept(Exception):
    """What an exchange sent is not known any more, or never was kept; the message says why."""


def curl_of(world: "MockService", exchange: Exchange, origin: str) -> str:
    """The command that asks the same of the mock at *origin*; ``NotKept`` if too little is known of it."""
    body, notes = body_of(exchange)
    headers = headers_of(world, exchange)
    once = next((each.idempotency for each in world.declared if each.name == exchange.provider), None)
    if (
        once is not None
        and exchange.status != once.reused.status
        and headers.pop(once.header.lower(), None) is not None
    ):
        notes.append(f"The header {once.header} is left out: the mock knows it by now, and would make no other task.")
    lines = list(command(exchange.method, url_of(world, exchange, origin), headers, body))
    return "".join(f"# {note}\n" for note in notes) + " \\\n  ".join(lines) + "\n"


def command(method: str, url: str, headers: Mapping[str, str], body: str | None) -> Iterator[str]:
    """The parts of a command for curl, quoted for a POSIX shell."""
    wanted = "GET" if body is None else "POST"
    flag = "" if method == wanted else " --head" if method == "HEAD" else f" -X {shlex.quote(method)}"
    plain = "" if not set("[]{}") & set(url) else " --globoff"
    yield f"curl{flag}{plain} {shlex.quote(url)}"
    for name, value in headers.items():
        yield f"-H {shlex.quote(f'{name}: {value}' if value else f'{name};')}"
    if body is not None:
        yield f"--data-raw {shlex.quote(body)}"


def url_of(world: "MockService", exchange: Exchange, origin: str) -> str:
    """The address of an exchange; that of an image leads to the image again, by a link that lives."""
    if exchange.path.startswith(IMAGES) and (task := world.task(exchange.task or "")) is not None:
        return world.link(task, origin)
    query = urlencode({name: value for name, value in exchange.query.items() if value != HIDDEN}, quote_via=quote)
    path = exchange.path if exchange.path.startswith("http") else f"{origin}{world.prefix}{exchange.path}"
    return f"{path}?{query}" if query else path


def headers_of(world: "MockService", exchange: Exchange, *, key: str | None = None) -> dict[str, str]:
    """The headers of an exchange that matter, with a *key* in the place of the one that is not shown.

    If none is named it is one of the mock's, and a wrong one where the call was refused for its key.
    """
    form = world.key_of(exchange.provider)
    wrong = exchange.status in REFUSING_KEYS and not exchange.faults
    key = key or ("not-a-key-of-the-mock" if wrong else world.key)
    headers = {}
    for name, value in exchange.headers.items():
        if name in _OF_THE_WAY or name.startswith(_OF_THE_WAY_TOO):
            continue
        if form is not None and name == form.header.lower():
            headers[name] = form.form.format(key=key)
        elif value != HIDDEN:
            headers[name] = value
    return headers


def body_of(exchange: Exchange) -> tuple[str | None, list[str]]:
    """What an exchange sent, as text, and what is to be said about it; ``NotKept`` if that is not known."""
    if not exchange.headers and not exchange.path.startswith(CONTROL):
        raise NotKept(f"Of exchange {exchange.number} headers and body are not kept any more: it is too long ago.")
    body, notes = exchange.body, list[str]()
    if body is None:
        return None, notes
    if isinstance(body, str):
        if "\0" in body or MEASURED.fullmatch(body):
            raise NotKept(f"What exchange {exchange.number} sent is no text, so it is not kept: {body[:60]!r}.")
        return body, notes
    return json.dumps(_whole(body, str(exchange.fields.get("prompt", "")), notes), ensure_ascii=False), notes


def _whole(value: Any, prompt: str, notes: list[str]) -> Any:
    """A document with something in the place of what was too large to be kept."""
    if isinstance(value, dict):
        return {name: _whole(inner, prompt, notes) for name, inner in value.items()}
    if isinstance(value, list):
        return [_whole(inner, prompt, notes) for inner in value]
    if isinstance(value, str) and (found := MEASURED.fullmatch(value)):
        if len(prompt.encode("utf-8", "replace")) == int(found[1]):
            return prompt
        notes.append(f"An image of {found[1]} characters is not kept: a grey square stands in its place.")
        return STAND_IN
    return value
