"""The page of the commands, from what click knows of them."""

import inspect
import re

import click
from pages import table

from fluxkit.cli.help import Command
from fluxkit.cli.output import MEANINGS
from fluxkit.cli.program import COMMANDS, EXAMPLE, fluxkit

HEAD = """\
# Commands

<!-- Written by scripts/generate_docs.py from the commands; do not edit. -->"""

EXIT_CODES = "Every command ends with one of these. After 6 and 7 it is wrong to simply run the command again."


def prose(text: str | None) -> str:
    """The paragraphs of a docstring, with variables and options as code."""
    text = inspect.cleandoc(text or "")
    return re.sub(r"(?<![\w`])(--[a-z][\w-]*|FLUXKIT_(?:<PROVIDER>|[A-Z])+_[A-Z]+)", r"`\1`", text)


def cell(text: str) -> str:
    """The help of an option, with its default and bounds in words."""
    text = re.sub(r"\s+\[default: (.+)\]$", r" Default: \1.", text)
    return prose(text.replace("x>0", "above 0").replace("x>=", "from ").replace("<=x<=", " to "))


def options(title: str, rows: list[tuple[str, str]]) -> str:
    """A table of options."""
    return table([title, "what it says"], [[f"`{names}`", cell(about)] for names, about in rows])


def section(name: str) -> str:
    """One command: how it is called, what it does, its options by what they are about, its examples."""
    command = fluxkit.get_command(click.Context(fluxkit), name)
    if not isinstance(command, Command):
        raise SystemExit(f"fluxkit {name} is no command with examples")
    context = click.Context(command, info_name=f"fluxkit {name}", max_content_width=200)
    records = {
        option.name: record
        for option in command.params
        if isinstance(option, click.Option) and (record := option.get_help_record(context)) is not None
    }
    parts = [f"## fluxkit {name}", f"`{' '.join(command.get_usage(context).split()[1:])}`", prose(command.help)]
    for title, names in (*command.sections.items(), ("Options", tuple(records))):
        if rows := [row for each in names if (row := records.pop(each, None))]:
            parts.append(options(title, rows))
    examples = "\n".join(command.examples)
    parts.append(f"```sh\n{examples}\n```")
    return "\n\n".join(parts)


def commands_page() -> str:
    """docs/reference/commands.md."""
    parts = [
        HEAD,
        prose(fluxkit.help),
        "`-h` or `--help` behind any command shows what is on this page. To try one, with nothing bought:",
        f"```sh\n{EXAMPLE}\n```",
        table(["command", "what it does"], [[f"`{name}`", about] for name, about in COMMANDS.items()]),
        *map(section, COMMANDS),
        "## Exit codes",
        EXIT_CODES,
        table(["code", "meaning"], [[str(int(code)), meaning] for code, meaning in MEANINGS.items()]),
    ]
    return "\n\n".join(parts) + "\n"
