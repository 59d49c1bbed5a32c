"""The options that say what is asked for, and how it is got."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import click

from .complete import files, models, profiles, sides, size_names

Command = TypeVar("Command", bound=Callable[..., Any])

#: What adds an option to a command.
Option = Callable[[Any], Any]

FITS = ("close", "exact", "nearest")
WISHES = ("seed", "enhance-prompt", "safety-tolerance", "output-format")

SECTIONS = {
    "The image": (
        "provider",
        "aspect",
        "resolution",
        "size",
        "n",
        "seed",
        "references",
        "enhance_prompt",
        "safety_tolerance",
        "output_format",
        "webhook_url",
        "options",
    ),
    "What the model cannot do": ("fit", "drop"),
    "The result": ("output", "fetch", "timeout", "as_json"),
    "The service": ("profile", "offline", "key_file", "base_url", "allow_hosts", "journal", "budget", "idempotency"),
}
"""How the options of a request are listed."""


def _refuse_key(_: click.Context, __: click.Parameter, value: str | None) -> None:
    if value is not None:
        raise click.UsageError(
            "A key does not go onto a command line, where others can read it: "
            "set FLUXKIT_<PROVIDER>_KEY, or give --key-file"
        )


def _stacked(options: Iterable[Option]) -> Callable[[Command], Command]:
    def decorate(command: Command) -> Command:
        for option in reversed(tuple(options)):
            command = option(command)
        return command

    return decorate


PROVIDER = click.option(
    "-p", "--provider", metavar="NAME:MODEL", help="Who makes it, such as apimart:flux-2-flex.", shell_complete=models
)

ASKED: Mapping[str, Option] = {
    "aspect": click.option(
        "--aspect", metavar="W:H", help="The ratio, such as 16:9.", shell_complete=size_names("aspects")
    ),
    "resolution": click.option(
        "--resolution", metavar="1K|2K", help="How large, beside a ratio.", shell_complete=size_names("resolutions")
    ),
    "size": click.option("--size", metavar="WxH", help="Pixels instead of the two, such as 1344x768."),
    "n": click.option("-n", "n", type=int, metavar="COUNT", help="How many images; each is bought by itself."),
    "seed": click.option("--seed", type=int, metavar="NUMBER", help="Makes it come again; image i gets seed + i."),
    "references": click.option(
        "--reference",
        "references",
        multiple=True,
        metavar="FILE|URL",
        shell_complete=files,
        help="An image to go by: a file of up to 50 MB, an address, or a data: URI. May be repeated.",
    ),
    "enhance_prompt": click.option(
        "--enhance-prompt/--no-enhance-prompt", default=None, help="Let the service rewrite the prompt."
    ),
    "safety_tolerance": click.option(
        "--safety-tolerance",
        type=int,
        metavar="NUMBER",
        help="What moderation lets pass, in the service's number.",
    ),
    "output_format": click.option(
        "--output-format", metavar="FORMAT", help="png, jpeg or webp. Without it, what -o FILE implies."
    ),
    "webhook_url": click.option(
        "--webhook-url", metavar="URL", help="Where the service reports the end of the task, too."
    ),
    "options": click.option(
        "--option",
        "options",
        multiple=True,
        metavar="NAME=VALUE",
        help="What only this service has; the value is read as JSON if it is JSON. May be repeated.",
    ),
    "fit": click.option(
        "--fit",
        type=click.Choice(FITS),
        help="Which size will do: a ratio within 2 % (close, the default), no other, or the nearest.",
    ),
    "drop": click.option(
        "--drop",
        type=click.Choice(WISHES),
        multiple=True,
        metavar="WISH",
        help=f"Go on without a wish that it cannot fulfil: {', '.join(WISHES)}. May be repeated.",
    ),
    "allow_hosts": click.option(
        "--allow-host",
        "allow_hosts",
        multiple=True,
        metavar="HOST",
        help="A host that may be private, for references and images. May be repeated.",
    ),
    "key": click.option("--key", hidden=True, expose_value=False, callback=_refuse_key),
}

IDEMPOTENCY = "Send a submit whose answer was lost again with its key, if you trust the service to know it by that."

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead.")

PROFILE = click.option(
    "--profile",
    metavar="NAME",
    help="A profile of fluxkit.toml; without it, the default one.",
    shell_complete=profiles,
)

request_options = _stacked((click.argument("prompt"), PROVIDER, PROFILE, *ASKED.values()))
"""What is asked for, and of whom; the same in every command that takes a request."""

diff_options = _stacked(
    (
        click.argument("a", metavar="FROM", shell_complete=sides),
        click.argument("b", metavar="TO", shell_complete=sides),
        click.argument("prompt"),
        *ASKED.values(),
        AS_JSON,
    )
)
"""What is asked for, of two models."""


def _delivery(hide: Mapping[str, Any], *, idle: bool = False) -> dict[str, Option]:
    """How it is got, by the names of the arguments; *hide* is for those of no use to a command."""
    return {
        "output": click.option(
            "-o",
            "--output",
            metavar="PATH",
            shell_complete=files,
            help="A file, or with / at its end a directory; without it the current one. A name without suffix gets the "
            "true one, and {provider}, {model}, {task}, {seed} and {n} in a name are filled.",
        ),
        "fetch": click.option(
            "--fetch/--no-fetch",
            default=True,
            help="Fetch the images, or print their links only.",
            hidden=idle,
        ),
        "timeout": click.option(
            "--timeout",
            type=float,
            metavar="SECONDS",
            help="For all of it together; 300, unless the profile says otherwise.",
            **hide,
        ),
        "as_json": AS_JSON,
        "offline": click.option(
            "--offline/--no-offline",
            default=None,
            help="Ask a mock in this process (no key, no network, no bill), or the service.",
        ),
        "key_file": click.option(
            "--key-file",
            metavar="FILE|-",
            help="Read the key from a file, or from stdin for -.",
            shell_complete=files,
            **hide,
        ),
        "base_url": click.option(
            "--base-url", metavar="URL", help="Where the service is, if elsewhere. The key goes there."
        ),
        "journal": click.option(
            "--journal",
            metavar="FILE|off",
            help="Where it is noted what is bought, if not in the user's own journal; off is nowhere.",
            shell_complete=files,
            **hide,
        ),
        "budget": click.option(
            "--budget",
            metavar="AMOUNT",
            help='What may be spent in one day (UTC) by all that share the journal, such as "5 USD".',
            **hide,
        ),
        "idempotency": click.option("--idempotency", type=click.Choice(("off", "trust")), help=IDEMPOTENCY, **hide),
    }


def delivery_options(*, idle: bool = False) -> Callable[[Command], Command]:
    """How it is got. Those of no use to a command are taken and hidden if *idle*, so that any command line fits it."""
    return _stacked(_delivery({"hidden": idle, "expose_value": not idle}, idle=idle).values())


batch_options = _stacked(
    (
        PROVIDER,
        PROFILE,
        click.option(
            "-o",
            "--output",
            required=True,
            metavar="DIR",
            shell_complete=files,
            help="The directory of the batch: new or empty at first, and then the same one.",
        ),
        click.option(
            "--in-flight",
            type=click.IntRange(min=1),
            default=32,
            show_default=True,
            metavar="COUNT",
            help="How many rows at once.",
        ),
        click.option(
            "--budget", "most", metavar="AMOUNT", help='What all runs of the batch may spend together, such as "5 USD".'
        ),
        click.option(
            "--keep-going", is_flag=True, help="Let lines that cannot be served fail alone, and make the others."
        ),
        click.option(
            "--retry-failed", is_flag=True, help="Buy again what ended without an image, or was dismissed by hand."
        ),
        *(option for name, option in ASKED.items() if name not in ("n", "references")),
        *(option for name, option in _delivery({}).items() if name not in ("output", "fetch", "budget")),
    )
)
"""What a batch is given: what all of its rows ask for where they do not say it, and how it is got."""
