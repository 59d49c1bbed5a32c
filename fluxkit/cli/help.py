"""How help is laid out: options by what they are about, examples as they are typed."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from ..errors import FluxError
from .output import spoken


def write_lines(formatter: click.HelpFormatter, title: str, lines: Sequence[str]) -> None:
    """Writes a section of lines that are not wrapped."""
    with formatter.section(title):
        for line in lines:
            formatter.write(f"{'':{formatter.current_indent}}{line}\n")


class Command(click.Command):
    """A command with examples, whose options may stand in titled sections by their names."""

    def __init__(
        self, *args: Any, examples: Sequence[str], sections: Mapping[str, Sequence[str]] | None = None, **extra: Any
    ) -> None:
        super().__init__(*args, **extra)
        self.examples = examples
        self.sections = sections or {}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Reads the words of the line. What is wrong with them is this command's, and so is the help that is named."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; an error that ends it speaks of what this command has."""
        try:
            return super().invoke(ctx)
        except FluxError as error:
            error.message = spoken(error.message)
            raise

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes each section of options, and then those of none."""
        options = [option for option in self.get_params(ctx) if isinstance(option, click.Option)]
        records = {option.name: option.get_help_record(ctx) for option in options}
        for title, names in (*self.sections.items(), ("Options", tuple(records))):
            if rows := [row for name in names if (row := records.pop(name, None))]:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the examples."""
        write_lines(formatter, "Examples", self.examples)
