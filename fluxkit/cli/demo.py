"""``fluxkit demo``: an image from every service that comes with fluxkit, over HTTP, bought from the mock."""

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import SettingsError
from .complete import directories
from .generate import writable
from .help import Command
from .mock import mock_part
from .options import AS_JSON
from .output import put, put_document, say
from .providers import load_all

if TYPE_CHECKING:
    from .._contract.result import Result

PROMPT = "a lighthouse at dusk"


@click.command(cls=Command, examples=("fluxkit demo", "fluxkit demo -o pictures"))
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    shell_complete=directories,
    help="Where the images go; without it a new temporary directory.",
)
@AS_JSON
def demo(*, output: str | None, as_json: bool) -> None:
    """Make an image of each service, from the mock over HTTP.

    The mock is started on a free port of this machine. It takes no key and no other network, and nothing is bought:
    this shows that all is well installed. The paths of the images are printed, one on each line; with --json a
    document.
    """
    from .._plugins import installed

    registry = installed()
    bundled = [provider for provider in load_all(registry)[0] if registry.owner(provider.name).bundled]
    to = _directory(output)
    results = []
    service = mock_part("service:MockService")(bundled, progression="at once")
    with mock_part("server:Server")(service) as server:
        say(f"a mock of {', '.join(service.providers)} serves at {server.url}")
        for provider in bundled:
            start = time.monotonic()
            model = f"{provider.name}:{provider.models[0].name}"
            result = _make(model, base_url=service.base_url(provider.name, server.url), key=service.key, to=to)
            image = result.images[0]
            results.append(result.to_dict())
            width, height = image.pixels or (0, 0)
            say(f"{model}: {width}x{height} px, {image.media_type}, {time.monotonic() - start:.1f} s")
            if not as_json:
                put(str(image.path))
    if as_json:
        put_document({"results": results, "billed": service.billed})
    say(f"the mock has billed {service.billed}; nothing was bought")


def _directory(output: str | None) -> Path:
    if output is None:
        return Path(tempfile.mkdtemp(prefix="fluxkit-demo-"))
    try:
        Path(output).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"--output is {output}, which cannot be made: {error.strerror}. Allowed: a directory that is there, or "
            "that can be made."
        ) from None
    return writable(output)


def _make(model: str, *, to: Path, **there: Any) -> "Result":
    from .._client import Client

    with Client(model, fit="nearest", journal="off", **there) as client:
        # This asks after the task at once, where generate gives it the time that the service documents.
        return client.wait(client.submit(PROMPT, aspect="16:9"), to=to)
