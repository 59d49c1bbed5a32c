"""What a command line gives, made into what the library takes."""

import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click

from ..errors import SettingsError

if TYPE_CHECKING:
    from .._contract.request import Request

#: The longest key file that is read, in characters: no key comes near it, and /dev/zero never ends.
LONGEST_KEY = 10_000


def check_together(*, output: str | None, fetch: bool, offline: bool | None, base_url: str | None, **_: Any) -> None:
    """Refuses options of delivery that exclude each other."""
    if offline and base_url:
        raise click.UsageError("--offline and --base-url exclude each other: a mock in this process has no address")
    if output and not fetch:
        raise click.UsageError("--output and --no-fetch exclude each other: nothing would be written")


def request_of(given: Mapping[str, Any]) -> "Request":
    """The request that a command line asks for; raises ``Unsupported`` and ``ReferenceUnusable`` as it does."""
    from .._asked import FIELDS
    from .._contract.request import Request

    fields = {field: given[field] for field in FIELDS if given[field] is not None}
    if any("\ud800" <= letter <= "\udfff" for letter in given["prompt"]):  # bytes that Python could not read
        raise click.UsageError(f"The prompt is {given['prompt']!r:.80}, which is no UTF-8. Allowed: text in UTF-8.")
    fields["options"] = read_options(given["options"])
    return Request(**fields)


def drops_of(given: Mapping[str, Any]) -> dict[str, str]:
    """The wishes to give up, as the library takes them."""
    return {wish.replace("-", "_"): "drop" for wish in given["drop"]}


def read_options(options: Iterable[str]) -> dict[str, Any]:
    """``NAME=VALUE`` texts as a mapping; a value that is JSON is read as JSON, any other is text."""
    import json

    read: dict[str, Any] = {}
    for option in options:
        name, equals, value = option.partition("=")
        if not (name and equals) or name in read:
            raise click.UsageError(f"--option is {option!r}. Allowed: NAME=VALUE, each name once.")
        try:
            read[name] = json.loads(value)
        except (ValueError, RecursionError):
            read[name] = value
    return read


def read_key(source: str | None) -> str | None:
    """The key from a file, or from stdin for ``-``; without a source None. Raises ``SettingsError``; shows no key."""
    if source is None:
        return None
    place = "stdin" if source == "-" else "The file of --key-file"
    allowed = "Allowed: a file that holds the key and nothing else, or - to give it on stdin."
    try:
        key = _read_key(source).strip()
    except OSError as error:
        # Not its name: it may be the key itself, given where a file was meant.
        raise SettingsError(f"{place} cannot be read: {error.strerror}. {allowed}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{place} holds no text. {allowed}") from None
    except EOFError:  # Ctrl-D at the prompt
        key = ""
    if not key:
        raise SettingsError(f"{place} holds no key. {allowed}")
    return key


def _read_key(source: str) -> str:
    if source != "-":
        with open(source, encoding="utf-8") as file:
            return file.read(LONGEST_KEY)
    if sys.stdin.isatty():
        import getpass

        return getpass.getpass("Key: ")
    return sys.stdin.read(LONGEST_KEY)
