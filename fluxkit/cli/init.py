"""``fluxkit init``: a ``fluxkit.toml`` to begin with."""

from pathlib import Path

import click

from ..errors import SettingsError
from .help import Command
from .output import put, say


@click.command(cls=Command, examples=("fluxkit init", "fluxkit init --stdout"))
@click.option("-o", "--output", metavar="FILE", default="fluxkit.toml", show_default=True, help="Where it is written.")
@click.option("--stdout", "to_stdout", is_flag=True, help="Print it, and write no file.")
def init(*, output: str, to_stdout: bool) -> None:
    """Write a file of settings to begin with.

    It is valid as it is, and safe: its default profile asks a mock, so that nothing is bought. All other settings stand
    in it as comments that say what they do. A file that is there is left as it is.
    """
    from .._client import Client
    from .._settings.template import template

    text = template(Client)
    if to_stdout:
        put(text.rstrip("\n"))
        return
    made = False
    try:
        with open(output, "x", encoding="utf-8") as file:
            made = True
            file.write(text)
    except FileExistsError:
        raise SettingsError(
            f"{output} is there already, and is left as it is. Allowed: -o with another name, or --stdout."
        ) from None
    except OSError as error:
        if made:  # a part of it would be taken for all of it, and stand in the way of the next one
            Path(output).unlink(missing_ok=True)
        raise SettingsError(
            f"{output} cannot be written: {error.strerror}. Allowed: -o with a file in a directory that is there."
        ) from None
    put(output)
    say('try: fluxkit generate "a lighthouse at dusk" (a mock answers); fluxkit doctor shows the settings in use')
