"""The inspector: a page at ``/__mock__/`` on which everything that happens on a mock is seen as it happens.

A few files of ours that lie beside this module, and no step that builds them. They know the mock by its control routes
alone, below whichever address they were fetched from, so each namespace has its own page. Nothing in them is secret,
and whoever may not use the control sees an empty page that asks for the token.
"""

import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ..answer import CONTROL, Answer, Incoming
from ..namespaces import without_prefix

#: Where its files are.
FILES: Final = f"{CONTROL}inspector/"

_HERE: Final = Path(__file__).parent

_TYPES: Final[Mapping[str, str]] = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

#: Nothing from elsewhere, nothing within the page itself, and in nobody's frame.
_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        *(f"{kind}-src 'self'" for kind in ("script", "style", "img", "connect")),
        *(f"{kind} 'none'" for kind in ("base-uri", "form-action", "frame-ancestors")),
    )
)

HEADERS: Final[Mapping[str, str]] = {
    "cache-control": "no-cache",
    "content-security-policy": _POLICY,
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


def page_of(call: Incoming) -> Answer | None:
    """The page, or one of its files, if a call wants that; a program that asks for no page gets none."""
    if call.method not in ("GET", "HEAD"):
        return None
    path = without_prefix(call.path)
    if f"{path}/" == CONTROL:  # as it is typed
        return Answer(308, b"", {"location": CONTROL.lstrip("/")})
    if path == CONTROL:
        name = "index.html" if "text/html" in call.headers.get("accept", "") else ""
    else:
        name = path.removeprefix(FILES) if path.startswith(FILES) else ""
    found = _files().get(name)
    if found is None:
        return None
    content, headers = found
    if call.headers.get("if-none-match") == headers["etag"]:
        return Answer(304, b"", headers)
    return Answer(200, content, headers)


@functools.cache
def _files() -> Mapping[str, tuple[bytes, Mapping[str, str]]]:
    """Every file with its headers, read once."""
    found = {}
    for file in _HERE.iterdir():
        if (media_type := _TYPES.get(file.suffix)) is not None:
            content = file.read_bytes()
            etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
            vary = {"vary": "accept"} if file.suffix == ".html" else {}
            found[file.name] = content, {**HEADERS, **vary, "content-type": media_type, "etag": etag}
    return found
