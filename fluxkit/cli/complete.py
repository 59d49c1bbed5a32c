"""What a shell completes a word with. It looks at what is installed, and at no network."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from .._wire.declaration import Model

Complete = Callable[[click.Context, click.Parameter, str], "list[CompletionItem[str]]"]


def models(_: click.Context, __: click.Parameter, incomplete: str) -> "list[CompletionItem[str]]":
    """``provider:model`` of every provider that can be used; only those are loaded that fit."""
    return _items(f"{name}:{row.name}" for name, row in _rows(incomplete))


def providers(_: click.Context, __: click.Parameter, incomplete: str) -> "list[CompletionItem[str]]":
    """The names of the providers that are installed."""
    from .._plugins import installed

    return _items(name for name in installed().names if name.startswith(incomplete))


def profiles(_: click.Context, __: click.Parameter, incomplete: str) -> "list[CompletionItem[str]]":
    """The profiles of the settings that hold here."""
    import os

    from .._settings.arguments import working_directory
    from .._settings.found import find_settings

    names = find_settings(working_directory(), os.environ).profiles
    return _items(name for name in names if name.startswith(incomplete))


def sides(context: click.Context, parameter: click.Parameter, incomplete: str) -> "list[CompletionItem[str]]":
    """What can be compared: a profile or a model."""
    return profiles(context, parameter, incomplete) + models(context, parameter, incomplete)


def files(_: click.Context, __: click.Parameter, incomplete: str) -> "list[CompletionItem[str]]":
    """Files, as the shell itself finds them."""
    return _items([incomplete], type="file")


def directories(_: click.Context, __: click.Parameter, incomplete: str) -> "list[CompletionItem[str]]":
    """Directories, as the shell itself finds them."""
    return _items([incomplete], type="dir")


def size_names(of: str) -> Complete:
    """The names that the model of the line has, *of* its ratios or its resolutions; without a model those of all."""

    def complete(context: click.Context, _: click.Parameter, incomplete: str) -> "list[CompletionItem[str]]":
        given = context.params.get("provider") or context.params.get("b") or ""
        names = (name for _, row in _rows(given) for name in getattr(row.sizes, of))
        return _items(name for name in dict.fromkeys(names) if name.startswith(incomplete))

    return complete


def _rows(start: str) -> "Iterator[tuple[str, Model]]":
    """The models whose names begin like that. A provider that cannot be used has none."""
    from .._plugins import installed
    from ..errors import FluxError

    provider, colon, model = start.partition(":")
    registry = installed()
    for name in registry.names:
        if name == provider if colon else name.startswith(provider):
            with suppress(FluxError):
                for row in registry.provider(name).models:
                    if row.name.startswith(model):
                        yield name, row


def _items(values: Any, type: str = "plain") -> "list[CompletionItem[str]]":
    from click.shell_completion import CompletionItem

    return [CompletionItem(value, type) for value in dict.fromkeys(values)]
