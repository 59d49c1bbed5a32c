"""The input of a batch: JSON lines, each an object with the fields of a request, or a text that is its prompt."""

import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Self

import attrs

from .._asked import FIELDS
from .._contract.reference import is_address
from .._contract.report import shorten, unread
from .._contract.request import Request
from ..errors import SettingsError, Unsupported

#: The longest line that is read, in bytes: whoever wants to send larger images names their files.
LONGEST_LINE = 8 * 1024 * 1024

#: The longest name of a row, in characters.
LONGEST_ID = 200

FORM = 'an object with the fields of a request, such as {"prompt": "a fox", "seed": 1}, or a prompt in double quotes'


@attrs.frozen(eq=False)
class Line:
    """A line of the input: its number from 1, and the request that it asks for or what is wrong with it.

    ``key`` is what the row is known by from one run to the next: the line's own ``id``, or else its number. ``digest``
    is of what it asks for.
    """

    number: int
    digest: str = ""
    id: str | None = None
    fields: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    problem: str | None = None

    @property
    def key(self) -> str:
        """What the row is known by: "17" for a line without an id, "=fox" for one with it."""
        return str(self.number) if self.id is None else f"={self.id}"

    def request(self, directory: Path) -> Request:
        """The request; files are looked for from *directory*. Raises ``Unsupported`` and ``ReferenceUnusable``."""
        fields = dict(self.fields)
        if isinstance(references := fields.get("references"), list):
            fields["references"] = [_placed(reference, directory) for reference in references]
        return Request(**fields)


def _placed(reference: Any, directory: Path) -> Any:
    if not isinstance(reference, str):
        raise Unsupported(
            f"references holds {shorten(reference)}. Allowed: a list of paths, addresses and data: URIs.",
            field="references",
        )
    if is_address(reference) or reference.startswith(("data:", "http:", "https:")):
        return reference
    return str(directory / reference)


class Source:
    """The file with the lines of a batch. It is read more than once, so what comes from stdin is kept meanwhile."""

    def __init__(self, name: str, file: BinaryIO, directory: Path) -> None:
        self.name = name
        self.directory = directory
        self._file = file

    @classmethod
    def open(cls, name: str) -> Self:
        """The file of this name, or stdin for ``-``; raises ``SettingsError`` if it cannot be read."""
        try:
            if name != "-":
                path = Path(name)
                if path.is_dir():
                    raise IsADirectoryError(0, "it is a directory")
                if not path.is_file() and path.exists():
                    raise OSError(0, "it is no regular file; give - to read from stdin")
                return cls(name, open(path, "rb"), path.absolute().parent)
            kept = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the source
            shutil.copyfileobj(sys.stdin.buffer, kept)
            return cls("stdin", kept, Path.cwd())
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise SettingsError(
                f"The input {shorten(name)} cannot be read: {reason}. Nothing was sent. "
                f"Allowed: a file with one request on each line, {FORM}; - for stdin."
            ) from None

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def lines(self) -> Iterator[Line]:
        """Every line that is not blank, from the first one on. Raises ``SettingsError`` for what cannot be read on."""
        self._file.seek(0)
        number = 0
        while raw := self._read():
            number += 1
            if number == 1:
                raw = raw.removeprefix(b"\xef\xbb\xbf")
            if len(raw) > LONGEST_LINE and not raw.endswith(b"\n"):
                yield self._too_long(number, raw)
            elif raw.strip():
                yield read_line(number, raw)

    def _read(self) -> bytes:
        try:
            return self._file.readline(LONGEST_LINE + 1)
        except OSError as error:
            raise SettingsError(f"The input {self.name} cannot be read: {error.strerror}.") from None

    def _too_long(self, number: int, raw: bytes) -> Line:
        """A line of which no more than a piece is held at once: it is known which it is, and that it is wrong."""
        digest = hashlib.sha256()
        while True:
            digest.update(raw)
            if raw.endswith(b"\n") or not (raw := self._read()):
                break
        problem = (
            f"it is longer than {LONGEST_LINE // 1024 // 1024} MB. Allowed: shorter lines; name the files of images, "
            "relative to the input, instead of writing their content."
        )
        return Line(number, digest.hexdigest()[:16], problem=problem)


def read_line(number: int, raw: bytes) -> Line:
    """The line number *number*; what is wrong with it stands in its ``problem``."""
    digest = hashlib.sha256(raw.strip()).hexdigest()[:16]
    try:
        asked = json.loads(raw.decode("utf-8").strip(), object_pairs_hook=_once, parse_constant=_no_number)
    except UnicodeDecodeError as error:
        return Line(number, digest, problem=f"byte {error.start + 1} is no UTF-8. Allowed: JSON in UTF-8.")
    except json.JSONDecodeError as error:
        return Line(number, digest, problem=f"it is no JSON: {error.msg} at character {error.colno}. Allowed: {FORM}.")
    except (ValueError, RecursionError) as error:
        return Line(number, digest, problem=f"it is no JSON: {unread(error)}. Allowed: {FORM}.")
    if isinstance(asked, str):
        asked = {"prompt": asked}
    if not isinstance(asked, dict):
        return Line(number, digest, problem=f"it is {json.dumps(asked)[:60]}. Allowed: {FORM}.")
    fields = {name: value for name, value in asked.items() if value is not None}
    name = fields.pop("id", None)
    if isinstance(name, int) and not isinstance(name, bool):
        name = str(name)
    if name is not None and not (isinstance(name, str) and name.strip() and len(name) <= LONGEST_ID):
        allowed = f"a text of at most {LONGEST_ID} letters, or a whole number"
        return Line(number, digest, problem=f"id is {shorten(name)}. Allowed: {allowed}.")
    # Of what is asked, however it is written: blanks and the order of fields say nothing.
    digest = hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:16]
    problem = None
    if "prompt" not in fields:
        problem = f"it has no prompt. Allowed: {FORM}."
    elif unknown := [field for field in fields if field not in FIELDS]:
        problem = f"it has the field {shorten(unknown[0])}. Allowed: id, {', '.join(FIELDS)}."
    return Line(number, digest, name, fields, problem)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{shorten(twice)} stands there twice")
    return found


def _no_number(constant: str) -> float:
    raise ValueError(f"{constant} is no number of JSON")
