"""``fluxkit new-provider``: a plugin to begin with, whose own tests pass as it is written."""

import datetime as dt
import keyword
import re
import shutil
from importlib.resources import files
from pathlib import Path

import click

from ..errors import SettingsError
from .complete import directories
from .help import Command
from .output import Code, put, say

#: The files of a plugin, and the templates that they are made from.
FILES = {
    "pyproject.toml": "pyproject.toml.in",
    "README.md": "README.md.in",
    ".github/workflows/test.yml": "test.yml.in",
    "@MODULE@/__init__.py": "__init__.py.in",
    "@MODULE@/declaration.py": "declaration.py.in",
    "@MODULE@/samples/@NAME@.json": "samples.json.in",
    "tests/test_contract.py": "test_contract.py.in",
}


@click.command(
    "new-provider",
    cls=Command,
    examples=("fluxkit new-provider acme", "fluxkit new-provider acme --directory plugins/acme"),
)
@click.argument("name")
@click.option(
    "--directory",
    metavar="DIR",
    shell_complete=directories,
    help="Where it is written; without it to fluxkit-NAME. It must not exist.",
)
def new_provider(name: str, *, directory: str | None) -> int:
    """Write a plugin to begin with: a package, samples, tests.

    It declares a service that does not exist, small and complete, with comments where the facts of yours go. Its tests
    try the whole contract, and pass as it is written. The paths of the files are printed, one on each line.
    """
    check_name(name)
    root = Path(f"fluxkit-{name}" if directory is None else directory)
    for path in write_plugin(name, root):
        put(str(path))
    say(f'next: pip install -e "{root}[test]", then: fluxkit verify {name}')
    return Code.DONE


def check_name(name: str) -> None:
    """Raises ``SettingsError`` for a name that a provider of a new plugin cannot have."""
    from .._plugins import installed

    allowed = "lower-case letters and digits that begin with a letter, with hyphens between them, such as acme"
    if re.fullmatch(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*", name) is None:
        raise SettingsError(f"The name is {name!r:.60}. Allowed: {allowed}.")
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        raise SettingsError(f"The name is {name!r}, which is a word of Python's own. Allowed: {allowed}.")
    registry = installed()
    if name in registry.names:
        raise SettingsError(
            f"The name is {name!r}, and the plugin {registry.owner(name)} brings a provider of that name. "
            "Allowed: a name that is not taken."
        )


def write_plugin(name: str, root: Path) -> list[Path]:
    """Writes the files of the plugin below *root*, which must not exist; gives their paths."""
    if root.exists() or root.is_symlink():
        raise SettingsError(f"{root} exists already, and nothing in it is changed. Allowed: a directory that is new.")
    words = {
        "@NAME@": name,
        "@MODULE@": f"fluxkit_{name.replace('-', '_')}",
        "@CONSTANT@": name.replace("-", "_").upper(),
        "@DATE@": dt.datetime.now(dt.UTC).date().isoformat(),
    }
    written = []
    for path, template in FILES.items():
        place = root / _filled(path, words)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            text = files(__package__).joinpath("plugin", template).read_text("utf-8")
            place.write_text(_filled(text, words), "utf-8")
        except OSError as error:
            if root.is_dir():  # it was not there, and a part of a plugin is none
                shutil.rmtree(root, ignore_errors=True)
            said = f"{place} cannot be written: {error.strerror}"
            raise SettingsError(f"{said}. Allowed: a new directory, where you may write.") from None
        written.append(place)
    return written


def _filled(text: str, words: dict[str, str]) -> str:
    for mark, word in words.items():
        text = text.replace(mark, word)
    return text
