"""``fluxkit providers``: what is installed."""

import os
from typing import TYPE_CHECKING, Any

import click

from ..errors import PluginError
from .help import Command
from .output import put, put_document, say

if TYPE_CHECKING:
    from .._plugins import Plugin, Registry
    from .._wire.declaration import Provider


@click.command(
    cls=Command, examples=("fluxkit providers", "fluxkit providers --json | jq -r '.providers[].models[].name'")
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead.")
def providers(*, as_json: bool) -> None:
    """List the providers, their models and sizes.

    With each stand the variable that holds its key and the plugin that brings it. A plugin that cannot be used is a
    warning and stops nothing.
    """
    from .._plugins import installed

    registry = installed()
    loaded, failures = load_all(registry)
    rows = [_describe(provider, registry.owner(provider.name)) for provider in loaded]
    if as_json:
        put_document({"providers": rows, "failures": failures})
    else:
        put("\n\n".join(map(_paragraph, rows)))


def load_all(registry: "Registry") -> tuple[list["Provider"], list[str]]:
    """Every provider that can be used, and why the others cannot, which is also said."""
    loaded, failures = [], [failure.message for failure in registry.failures]
    for name in registry.names:
        try:
            loaded.append(registry.provider(name))
        except PluginError as error:
            failures.append(error.message)
    for failure in failures:
        say(f"warning: {failure}")
    return loaded, failures


def _describe(provider: "Provider", plugin: "Plugin") -> dict[str, Any]:
    from .._service import key_variable
    from .._wire.draft import FIELDS

    variable = key_variable(provider.name)
    return {
        "name": provider.name,
        "base_url": provider.base_url,
        "key_variable": variable,
        "key_set": bool(os.environ.get(variable)),
        "plugin": {"name": plugin.name, "origin": plugin.origin, "bundled": plugin.bundled},
        "source": provider.source,
        "models": [
            {
                "name": row.name,
                "path": row.path,
                "sizes": row.sizes.allowed(),
                "aspects": row.sizes.aspects,
                "resolutions": row.sizes.resolutions,
                "fields": [field for field, _ in row.form.fields if field in FIELDS],
                "options": [field for field, _ in row.form.fields if field not in (*FIELDS, "size")],
            }
            for row in provider.models
        ],
    }


def _paragraph(row: dict[str, Any]) -> str:
    lines = [
        f"{row['name']}  {row['base_url']}",
        f"  key: {row['key_variable']} ({'set' if row['key_set'] else 'not set'})",
        f"  plugin: {row['plugin']['name']} ({row['plugin']['origin']})",
    ]
    names = [model["name"] for model in row["models"]]
    for model in row["models"]:
        which = f" at {model['path']}" if names.count(model["name"]) > 1 else ""
        lines.append(f"  {row['name']}:{model['name']}{which}")
        lines += [f"    {part}" for part in _facts(model)]
    return "\n".join(lines)


def _facts(model: dict[str, Any]) -> list[str]:
    facts = [f"sizes: {model['sizes']}", f"takes: {', '.join(model['fields'])}"]
    return [*facts, f"options: {', '.join(model['options'])}"] if model["options"] else facts
