"""Files of TOML that somebody has written for the checks: the rows in them, and what they are as values."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import attrs

from .._contract.report import shorten, unread
from ..errors import SettingsError

Value = TypeVar("Value", bound=attrs.AttrsInstance)


def tables_of(path: str, *, what: str, allowed: str) -> dict[str, list[Mapping[str, Any]]]:
    """The rows in a file of TOML, by the names of their tables; raises ``SettingsError`` if it is none.

    *what* the rows are, and what is *allowed*, is for its message.
    """
    try:
        read = tomllib.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise SettingsError(
            f"The {what} in {path or repr(path)} cannot be read: {error.strerror}. Allowed: a TOML file, {allowed}."
        ) from None
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"The {what} in {path} are no TOML: {unread(error)}. Allowed: {allowed}.") from None
    for name, rows in read.items():
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise SettingsError(f"The {what} in {path} have {name!r} = {shorten(rows)}. Allowed: {allowed}.")
    return read


def value_of(kind: type[Value], row: Mapping[str, Any]) -> Value:
    """A row of such a file as a value; raises ``ValueError`` naming the field that is missing, wrong or none."""
    fields = attrs.fields_dict(kind)
    if strange := [name for name in row if name not in fields]:
        raise ValueError(f"it has {shorten(strange[0])}, which is no field of it")
    if missing := [name for name, field in fields.items() if field.default is attrs.NOTHING and name not in row]:
        raise ValueError(f"it has no {', no '.join(missing)}")
    return kind(**row)
