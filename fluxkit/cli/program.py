"""The program ``fluxkit``: its commands, its help, and the one place where errors become exit codes."""

import importlib
import os
import sys
import textwrap
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import click

from .. import __version__
from .help import write_lines
from .output import MEANINGS, Code, report
from .stop import terminable

#: The commands with the first sentence of their help. Each is loaded when it is used: help is to come at once.
COMMANDS: Mapping[str, str] = {
    "generate": "Make images: buy them, wait for them, fetch them.",
    "batch": "Make what a file asks for, in any number of runs.",
    "plan": "Show what generate would send, bring and cost.",
    "diff": "Show what would change if another model made the image.",
    "init": "Write a file of settings to begin with.",
    "doctor": "Show the settings in use, and what is wrong with them.",
    "providers": "List the providers, their models and sizes.",
    "tasks": "List what was bought, and how it stands.",
    "recover": "Fetch what was bought and not fetched.",
    "cancel": "Stop a task that was bought.",
    "spend": "Show what was spent, by day and model.",
    "mock": "Serve a mock of every provider, until Ctrl-C.",
    "demo": "Make an image of each service, from the mock over HTTP.",
    "verify": "Show whether the providers keep the contract.",
    "samples": "Check the recorded exchanges of a provider.",
    "new-provider": "Write a plugin to begin with: a package, samples, tests.",
    "completion": "Print the script that lets a shell complete fluxkit.",
}

#: The variable by which a shell asks for completions.
COMPLETING = "_FLUXKIT_COMPLETE"

EXAMPLE = 'fluxkit generate "a lighthouse at dusk" -p magnific:flux-2-klein --offline'


class Program(click.Group):
    """A group of commands in which no error is shown as a traceback."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: FBT001, FBT002 - as in click
        **extra: Any,
    ) -> Any:
        """Runs a command line; returns its exit code, or exits with it if *standalone_mode*."""
        arguments = sys.argv[1:] if args is None else list(args)
        run = self._complete if COMPLETING in os.environ else self._run
        with terminable():
            code = run(arguments, prog_name="fluxkit", complete_var=complete_var, **extra)
        if standalone_mode:
            sys.exit(code)
        return code

    def _run(self, arguments: list[str], **extra: Any) -> int:
        try:
            return int(super().main(arguments, standalone_mode=False, **extra) or 0)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            return Code.NOT_SENT
        except SystemExit:  # click's answer to a reader who left before the help was written
            return Code.DONE
        except Exception as error:  # noqa: BLE001 - whatever it is, a user sees lines and not a traceback
            # Of verify it is a file, which is written if there is something to write.
            return report(error, as_json="--json" in arguments and arguments[0] != "verify")

    def _complete(self, arguments: list[str], **extra: Any) -> int:
        """Answers a shell that completes a line. Whatever is wrong is not said: the user is typing."""
        from click.shell_completion import add_completion_class

        from .completion import Bash

        add_completion_class(Bash)
        with suppress(Exception, SystemExit):
            super().main(arguments, standalone_mode=False, **extra)
        return Code.DONE

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes a first example, and the exit codes, which all commands share."""
        write_lines(formatter, "Try it, nothing is bought", [EXAMPLE])
        write_lines(formatter, "Exit codes", [line for code, text in MEANINGS.items() for line in _wrapped(code, text)])

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes what the commands do, without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order in which one meets them."""
        return list(COMMANDS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command of a line; one that there is not is refused with the nearest that there is."""
        if args[0] not in COMMANDS:
            import difflib

            if near := difflib.get_close_matches(args[0], COMMANDS, 1):
                ctx.fail(f"No such command {args[0]!r}. (Did you mean {near[0]!r}?)")
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, loaded from the module of its name."""
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(importlib.import_module(f".{name}", __package__), name)
        return command


def _wrapped(code: Code, meaning: str) -> list[str]:
    """An exit code with its meaning, within the 80 columns of a terminal."""
    first, *others = textwrap.wrap(meaning, 73)
    return [f"{code:>3}  {first}", *(f"     {line}" for line in others)]


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fluxkit", message="%(prog)s %(version)s")
def fluxkit() -> None:
    """Make images with any FLUX service, by one contract.

    A service's key is read from FLUXKIT_<PROVIDER>_KEY, such as FLUXKIT_APIMART_KEY. Results go to stdout, all else to
    stderr; every command that has a result prints it as JSON with --json.
    """
