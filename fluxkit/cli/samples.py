"""``fluxkit samples``: whether the recorded exchanges of providers can be believed, and what a file of them holds."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .._contract.report import shorten
from ..errors import FluxError, PluginError, SettingsError
from .complete import files, providers
from .help import Command
from .output import Code, coloured, printable, put, put_document, say

if TYPE_CHECKING:
    from .._wire.declaration import Provider
    from ..testing.samples import Fault


@click.command(
    cls=Command,
    examples=(
        "fluxkit samples check apimart",
        "fluxkit samples check apimart --json",
        "fluxkit samples schema > samples.schema.json",
    ),
)
@click.argument("what", type=click.Choice(["check", "schema"]), metavar="check|schema")
@click.argument("names", nargs=-1, metavar="[PROVIDER]...", shell_complete=providers)
@click.option(
    "--samples",
    "path",
    metavar="FILE",
    shell_complete=files,
    help="The file to check; without it the one that the declaration names.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead.")
def samples(what: str, names: Sequence[str], *, path: str | None, as_json: bool) -> int:
    """Check the recorded exchanges of a provider.

    "check" reads the samples of the providers named, or of all that are installed: each must say where and when it was
    seen, and a client and a mock of the provider must agree with it. What is wrong is a line, with its place in the
    file, what is expected there and what was found. "schema" prints the JSON schema of such a file. Nothing leaves the
    machine and nothing is bought.
    """
    if what == "schema":
        if names or path is not None:
            raise SettingsError("The schema is the same for all. Allowed: fluxkit samples schema.")
        from ..testing.samples import schema

        put_document(schema())
        return Code.DONE
    if path is not None and len(names) != 1:
        raise SettingsError(f"--samples is the file of one provider, and {len(names)} are named. Allowed: one.")
    from .._plugins import installed

    registry = installed()
    rows, wrong, missing = [], False, False
    for name in dict.fromkeys(names or registry.names):
        try:
            provider = registry.provider(name)
            where, count, faults = _checked(provider, path)
        except FluxError as error:
            if name in registry.names and not isinstance(error, PluginError):
                raise
            say(f"error: {error.message}")
            missing = True
            continue
        wrong = wrong or bool(faults)
        rows.append({"provider": name, "samples": count, "file": where, "faults": [_row(each) for each in faults]})
        if not as_json:
            put("\n".join(_lines(name, where, count, faults)))
    if as_json:
        put_document({"providers": rows})
    return Code.NOT_KEPT if wrong else Code.NOT_PROVED if missing else Code.DONE


def _checked(provider: "Provider", path: str | None) -> "tuple[str, int, tuple[Fault, ...]]":
    """Where the samples of a provider are, how many they are, and what is wrong with them."""
    import importlib.resources
    from importlib.resources.abc import Traversable

    import attrs

    from ..testing.samples import check_samples, read_rows

    if path is not None:
        provider = attrs.evolve(provider, samples=f"file:{Path(path).absolute()}")
    if provider.samples is None:
        return "none", 0, ()
    package, _, below = provider.samples.partition(":")
    try:
        place: Traversable = Path(below) if package == "file" else importlib.resources.files(package).joinpath(below)
        text = place.read_text("utf-8")
    except (OSError, ImportError, ValueError) as error:
        if path is not None:
            why = error.strerror if isinstance(error, OSError) else "it is no text"
            raise SettingsError(
                f"--samples is {path or shorten(path)}, which cannot be read: {why}. Allowed: a file of JSON, as "
                "fluxkit samples schema describes it."
            ) from None
        raise PluginError(f"The samples {provider.samples!r} cannot be read: {error}.") from None
    return (path or provider.samples), len(read_rows(text)[1]), check_samples(provider, text)


def _lines(name: str, where: str, count: int, faults: "Sequence[Fault]") -> list[str]:
    if where == "none":
        return [f"{name}: no samples are declared, so nothing shows that it is as its service"]
    if not faults:
        return [f"{name}: {coloured('right', 'green')}, {count} samples in {where}"]
    head = f"{name}: {coloured('wrong', 'red')} in {len(faults)} {'place' if len(faults) == 1 else 'places'} of {where}"
    return [head, *(f"  {printable(str(each))}" for each in faults)]


def _row(fault: "Fault") -> dict[str, object]:
    import attrs

    return attrs.asdict(fault)
