"""``fluxkit doctor``: the settings in use, where each comes from, and what is wrong."""

import os
from collections.abc import Iterator, Sequence
from typing import Any

import click

from .help import Command
from .options import AS_JSON, PROFILE
from .output import Code, printable, put, put_document
from .profile import profile_in

#: What the files of settings are called, by where they stand.
FILES = {"project": "fluxkit.toml", "pyproject": "pyproject.toml", "user": "user's file"}


@click.command(cls=Command, examples=("fluxkit doctor", "fluxkit doctor --profile offline", "fluxkit doctor --json"))
@PROFILE
@AS_JSON
def doctor(*, profile: str | None, as_json: bool) -> int:
    """Show the settings in use, and what is wrong with them.

    Nothing is sent, and no key is shown. The exit code is 0 if the profile can be used, and 2 if it cannot: then all
    that stands against it is listed, not only the first.
    """
    from .._client import Client
    from .._settings.arguments import working_directory
    from .._settings.checkup import checkup
    from .._settings.found import find_settings

    here = working_directory()
    settings = find_settings(here, os.environ)
    found = checkup(settings, profile_in(settings, profile, {}), Client, here, os.environ)
    if as_json:
        put_document(found)
    else:
        put("\n\n".join("\n".join(map(printable, part)) for part in _parts(found)))
    return Code.DONE if found["usable"] else Code.NOT_SENT


def _parts(found: dict[str, Any]) -> Iterator[list[str]]:
    chosen = found["profile"]
    hint = "" if found["profiles"] else " fluxkit init writes a file to begin with."
    yield [f"No profile is chosen.{hint}" if chosen is None else f"profile {chosen['name']}, by {chosen['source']}"]
    if found["provider"] is not None:
        rows = [(row["name"], row["value"], row["source"]) for row in found["settings"]]
        yield _columns(rows)
    yield ["files, the strongest first", *_columns(list(_file_rows(found["files"])))]
    keys = [(row["variable"], "set" if row["set"] else "not set") for row in found["keys"]]
    yield ["keys", *_columns(keys)]
    plugins = [(row["name"], row["origin"], ", ".join(row["providers"])) for row in found["plugins"]]
    yield ["plugins", *_columns(plugins), *(f"  cannot be used: {each}" for each in found["failures"])]
    offline = "set: nothing real is bought" if found["offline"] else "not set"
    yield _columns([("mock", found["mock"]), ("journal", found["journal"]), ("FLUXKIT_OFFLINE", offline)], indent=0)
    if found["others"]:
        yield ["wrong in other profiles, which this does not stop:", *_listed(found["others"])]
    if found["usable"]:
        name = "It" if chosen is None else f"The profile {chosen['name']}"
        yield [f"{name} can be used{', and nothing is bought: a mock answers' if found['mocked'] else ''}."]
        return
    yield ["refused, and nothing is sent:", *_listed(found["problems"])]


def _listed(messages: Sequence[str]) -> Iterator[str]:
    return (line for each in messages for line in _problem(each))


def _problem(message: str) -> Iterator[str]:
    said, found, allowed = f" {' '.join(message.split())}".rpartition(" Allowed: ")
    yield f"- {said.strip()}" if found else f"- {allowed.strip()}"
    if found:
        yield f"  allowed: {allowed.rstrip('.')}"


def _file_rows(files: Sequence[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    for row in files:
        profiles = row["profiles"]
        above = f", and not up to {row['up_to']}" if row["up_to"] else ""
        state = f"not there{above}" if profiles is None else f"profiles: {', '.join(profiles) or 'none'}"
        yield FILES[row["level"]], row["path"] or "none", state


def _columns(rows: Sequence[tuple[str, ...]], *, indent: int = 2) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)
    return [f"{'':{indent}}{line}".rstrip() for line in lines]
