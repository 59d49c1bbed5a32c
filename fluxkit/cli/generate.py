"""``fluxkit generate``: buys images, waits for them and fetches them."""

import os
import tempfile
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .._contract.report import Outcome
from ..errors import BudgetExceeded, DeliveryWarning, FluxError, SettingsError
from .given import check_together, request_of
from .help import Command
from .options import SECTIONS, delivery_options, request_options
from .output import Code, code_of, lines_of, put, put_document, say
from .profile import profile_of
from .watch import Watch, accounted, telling

if TYPE_CHECKING:
    from .._client import Client
    from .._contract.result import Result


@click.command(
    cls=Command,
    sections=SECTIONS,
    examples=(
        'fluxkit generate "a lighthouse at dusk" -p magnific:flux-2-klein --offline',
        'fluxkit generate "a fox" -p apimart:flux-2-flex --aspect 16:9 --resolution 2K',
        'fluxkit generate "a fox" -p magnific:flux-2-pro --size 1344x768 -o fox.png',
        'fluxkit generate "like this" -p magnific:flux-2-klein --reference this.jpg',
    ),
)
@request_options
@delivery_options()
def generate(**given: Any) -> int:
    """Make images: buy them, wait for them, fetch them.

    The paths of the images are printed, one on each line; with --json a document, and progress on a terminal only. The
    key is read from FLUXKIT_<PROVIDER>_KEY, and what no option says from fluxkit.toml: see fluxkit doctor.
    """
    from .._client import Client
    from .._settings.arguments import usable

    check_together(**given)
    request = request_of(given)
    to = given["output"] or "."
    if given["fetch"]:
        writable(to, made=True)
    watch = Watch(request.n, fetch=given["fetch"])
    profile = profile_of(given)
    client = Client(**usable(profile, Client, os.environ), listener=watch)
    watch.recovery = recovery_of(client, given["journal"])
    if profile.chosen is not None:
        say(f"profile {profile.chosen.value}, by {profile.chosen.source}: {profile.full_name}")
    if client.mocked:
        say(f"offline: a mock of {client.provider.name} answers; nothing is bought, the image is a drawing")
    with client, accounted(watch), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DeliveryWarning)
        with telling(quiet=given["as_json"]) as watch.tell:
            result = client.generate(request, to=to if given["fetch"] else None, fetch=given["fetch"])
        _explain(result, [*watch.problems, *(str(warning.message) for warning in caught)])
        if given["as_json"]:
            put_document(result.to_dict())
        else:
            _list(result)
    return max(map(_code, result.errors), default=Code.DONE)


def _code(error: FluxError) -> Code:
    """The exit code for one of several images. A budget that is reached by then does not mean that nothing was sent."""
    return Code.LEFT if isinstance(error, BudgetExceeded) else code_of(error)


def recovery_of(client: "Client", journal: str | None) -> str | None:
    """The command that fetches what a client has bought and not fetched; None if no journal knows it."""
    if client.mocked or client._journal in ("off", "memory"):  # noqa: SLF001 - of our client
        return None
    words = ["fluxkit recover"]
    if client.base_url != client.provider.base_url:
        words.append(f"--base-url {client.base_url}")
    return " ".join([*words, *([f"--journal {journal}"] if journal else [])])


def _explain(result: "Result", problems: Sequence[str]) -> None:
    """Says what is not as it was asked."""
    for problem in problems:
        say(f"warning: {problem}")
    for verdict in result.report:
        if verdict.outcome is not Outcome.AS_ASKED:
            say(f"note: {verdict}")
    for error in result.errors:
        for line in lines_of(error):
            say(line)


def _list(result: "Result") -> None:
    for image in result.images:
        if image.pixels is not None:
            seed = "" if image.seed is None else f", seed {image.seed}"
            say(f"{image.path}: {image.pixels[0]}x{image.pixels[1]} px, {image.media_type}{seed}")
        put(str(image.url if image.path is None else image.path))
    if result.cost is not None:
        say(f"cost: {result.cost}{', in the mock only' if result.mocked else ''}")


def writable(output: str, *, option: str = "--output", made: bool = False) -> Path:
    """Where images go: a directory, or a file in one. Raises ``SettingsError`` if it cannot be written.

    It is tried before anything is bought: an image that finds no place is paid all the same. A directory that is not
    there will do if it is *made* later, as a client does.
    """
    to = Path(output)
    try:
        if to.is_dir():
            directory = to
        else:
            directory = to if output.endswith((os.sep, "/")) else to.parent
            if to.exists() and not to.is_file():
                raise FileExistsError(0, "it is neither a file nor a directory")
            with suppress(FileNotFoundError):  # the number and the suffix that may follow must not make it too long
                (directory / f"{to.name}-100.2.jpeg").lstat()
        while made and not os.path.lexists(directory):
            directory = directory.parent
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise SettingsError(
            f"{option} is {output}, where nothing can be written: {error.strerror}. "
            f"Allowed: a directory{'' if made else ' that exists'}, or a file in one."
        ) from None
    return to
