"""The options of ``fluxkit verify`` that go beyond the offline checks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from .complete import files, profiles
from .output import put

Command = TypeVar("Command", bound=Callable[..., Any])

#: What only a live run has a use for, by the names of the arguments.
LIVE_ONLY = ("spend_at_most", "yes", "profile", "key_file", "base_url", "journal", "record")

#: The workflow that --workflow prints, beside this module.
WORKFLOW = Path(__file__).with_name("workflow.yml")

SECTIONS = {
    "The service itself": ("live", *LIVE_ONLY),
    "Drift": ("trace", "allow"),
}


#: What the workflow installs; a plugin installs itself, too, or there would be nothing of it to check.
INSTALLED = '"fluxkit-py[all]"'


def _is_plugin(directory: Path) -> bool:
    """Whether the project in a directory is a plugin: it says so in its ``pyproject.toml``."""
    import tomllib

    try:
        project = tomllib.loads((directory / "pyproject.toml").read_text("utf-8")).get("project")
        return "fluxkit" in project["entry-points"]  # type: ignore[index]  # what is no table has none
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _print_workflow(context: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - as in click
    if value:
        text = WORKFLOW.read_text("utf-8").rstrip()
        put(text.replace(INSTALLED, f"{INSTALLED} .") if _is_plugin(Path()) else text)
        context.exit()


def live_options(command: Command) -> Command:
    """Adds the options of live checks and of drift."""
    for option in reversed(
        (
            click.option(
                "--live", is_flag=True, help="Ask the service itself, too, and buy one image of each provider."
            ),
            click.option(
                "--spend-at-most",
                metavar="AMOUNT",
                help='What this run may spend on all providers together, such as "0.20 USD".',
            ),
            click.option("--yes", is_flag=True, help="Buy without asking, as in CI."),
            click.option(
                "--profile",
                metavar="NAME",
                shell_complete=profiles,
                help="The profile with key, model and price, if not the default one or the only one of the provider.",
            ),
            click.option(
                "--key-file",
                metavar="FILE|-",
                shell_complete=files,
                help="Read the key from a file, or from stdin for -.",
            ),
            click.option("--base-url", metavar="URL", help="Where the service is, if elsewhere. The key goes there."),
            click.option(
                "--journal",
                metavar="FILE",
                shell_complete=files,
                help="Where it is noted what is bought, if not in the user's own journal.",
            ),
            click.option(
                "--record", metavar="FILE", shell_complete=files, help="Write the trace of what the service answered."
            ),
            click.option(
                "--trace",
                metavar="FILE",
                shell_complete=files,
                help="Compare a trace that was recorded with the mock, and what the service answers with it.",
            ),
            click.option(
                "--allow",
                metavar="FILE",
                shell_complete=files,
                help="A TOML file with known drift: [[PROVIDER]] with drift, reason, date, and perhaps expires.",
            ),
            click.option(
                "--workflow",
                is_flag=True,
                is_eager=True,
                expose_value=False,
                callback=_print_workflow,
                help="Print a workflow for GitHub that does all this, and do nothing else. In a plugin's directory it "
                "installs that, too.",
            ),
        )
    ):
        command = option(command)
    return command
