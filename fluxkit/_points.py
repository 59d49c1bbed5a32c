"""Entry points of the installed packages, by group: who brings providers, and who brings a mock."""

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

#: Plugins, and the mock.
PLUGINS, MOCK = "fluxkit", "fluxkit.mock"


@cache
def points() -> "Mapping[str, EntryPoints]":
    """The entry points of both groups; to find them, the metadata of every installed package is read, so once."""
    from importlib.metadata import entry_points  # slow to import, and only a provider or a mock needs it

    found = entry_points()
    return {group: found.select(group=group) for group in (PLUGINS, MOCK)}
