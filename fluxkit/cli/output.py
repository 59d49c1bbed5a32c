"""What commands say: results on stdout, all else on stderr, and how it went in the exit code."""

import enum
import os
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

import click

from .. import errors
from ..errors import Charged, FluxError
from .stop import Terminated

if TYPE_CHECKING:
    from .._contract.task import Task


class Code(enum.IntEnum):
    """The exit codes. After 6 and 7 it is wrong to simply run the command again: something may have been bought."""

    DONE = 0
    BROKEN = 1
    NOT_SENT = 2
    REFUSED = 3
    UNREACHABLE = 4
    ENDED = 5
    UNKNOWN = 6
    NOT_FETCHED = 7
    NO_SWITCH = 8
    NOT_KEPT = 9
    NOT_PROVED = 10
    LEFT = 11
    INTERRUPTED = 130
    TERMINATED = 143


MEANINGS: Mapping[Code, str] = {
    Code.DONE: "done",
    Code.BROKEN: "fluxkit or this machine failed",
    Code.NOT_SENT: "the command line, a setting or the plan is refused; nothing was sent",
    Code.REFUSED: "the service refused; nothing was bought",
    Code.UNREACHABLE: "the service could not be reached; nothing was sent",
    Code.ENDED: "the task ended without an image",
    Code.UNKNOWN: "perhaps bought, or still running: do not simply run it again",
    Code.NOT_FETCHED: "bought, but the image could not be had: do not simply run it again",
    Code.NO_SWITCH: "diff, verify --app: the other model cannot serve a request; nothing was sent",
    Code.NOT_KEPT: "verify: a promise is broken, or a deviation gone; with --app: a request comes out differently; "
    "samples: one is wrong",
    Code.NOT_PROVED: "verify, samples: a plugin or a provider could not be checked, or there is none of that name; all "
    "else holds",
    Code.LEFT: "the budget is reached: the other rows of a batch, or images of -n, are not bought",
    Code.INTERRUPTED: "Ctrl-C; what was bought is said, and fluxkit recover fetches it",
    Code.TERMINATED: "SIGTERM; the same",
}

CODES: Mapping[type[FluxError], Code] = {
    FluxError: Code.BROKEN,
    errors.Unsupported: Code.NOT_SENT,
    errors.SettingsError: Code.NOT_SENT,
    errors.PluginError: Code.NOT_SENT,
    errors.JournalUnavailable: Code.NOT_SENT,
    errors.BudgetExceeded: Code.NOT_SENT,
    errors.ReferenceUnusable: Code.NOT_SENT,
    errors.Unreachable: Code.UNREACHABLE,
    errors.SubmissionUnknown: Code.UNKNOWN,
    errors.ServiceError: Code.REFUSED,
    errors.TaskError: Code.ENDED,
    errors.Overdue: Code.UNKNOWN,
    errors.DownloadError: Code.NOT_FETCHED,
    errors.ContractError: Code.NOT_FETCHED,
}

#: The words that begin lines of stderr, with their colours.
LEADS: Mapping[str, str] = {"error": "red", "warning": "yellow", "try": "green"}

#: What the library calls by its arguments, as it is said to who types.
SPOKEN: Mapping[str, str] = {
    'journal="PATH", a file': "--journal FILE, which lies",
    'or journal="off", with': "or, to buy without one, --journal off, with",
    "a path, bytes, an open binary file, a data: URI": "a file, a data: URI",
    ", or an object with save(file, format)": "",
    "Give key=..., or set": "Give --key-file, or set",
    "or use a mock: mock=True, or --offline": "or use a mock: --offline",
}

#: What the library offers beside a key, and a command without --offline does not.
MOCK = ", or use a mock: mock=True, or --offline"

#: A word of a command line that is too long to be said again: a number of 5,000 digits, and no path.
_LONG_WORD = re.compile(r"(\S{40})\S{400,}(\S{8})")

#: A reply in a message is cut after so many characters.
LONGEST_REPLY = 200


class Trouble(FluxError):
    """What the library has no error for: a wrong command line, Ctrl-C, a full disk, a mistake in fluxkit.

    ``name`` is what it is called in JSON, ``advice`` what to do.
    """

    def __init__(self, message: str, *, name: str, code: Code, advice: str | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.name = name
        self.code = code
        self.advice = advice


def interrupted(by: BaseException | None, standing: str = "nothing was sent", **facts: Any) -> Trouble:
    """Ctrl-C or SIGTERM, and how things stand."""
    word, code = ("terminated", Code.TERMINATED) if isinstance(by, Terminated) else ("interrupted", Code.INTERRUPTED)
    return Trouble(f"{word}; {standing}", name=word.capitalize(), code=code, **facts)


def unexpected(error: BaseException, **facts: Any) -> Trouble:
    """A mistake in fluxkit. The message of *error* is not shown: who knows what it quotes."""
    name, place = type(error).__name__, ""
    trace = error.__traceback__
    while trace is not None:
        module = trace.tb_frame.f_globals.get("__name__", "")
        if module.startswith("fluxkit"):
            place = f" in {module}, line {trace.tb_lineno}"
        trace = trace.tb_next
    message = f"unexpected {name}{place}: a mistake in fluxkit, please report it"
    advice = "FLUXKIT_DEBUG=1 shows the traceback"
    return Trouble(message, name=name, code=Code.BROKEN, advice=advice, **facts)


def known(error: BaseException) -> FluxError:
    """An error as one of ours, whoever raised it."""
    match error:
        case FluxError():
            return error
        case click.Abort():
            return interrupted(error.__cause__)
        case click.UsageError():
            command = error.ctx.command_path if error.ctx else "fluxkit"
            said = _LONG_WORD.sub(r"\1...\2", error.format_message())
            message = f"{said.rstrip('.')}{_wanted(error)}"
            return Trouble(message, name="UsageError", code=Code.NOT_SENT, advice=f"help: {command} --help")
        case OSError() if error.strerror:
            where = f"{error.filename}: " if error.filename else ""
            return Trouble(f"{where}{error.strerror}", name=type(error).__name__, code=Code.BROKEN)
    return unexpected(error)


def _wanted(error: click.UsageError) -> str:
    """What an option takes that was given without it."""
    if not isinstance(error, click.BadOptionUsage) or error.ctx is None:
        return ""
    options = (each for each in error.ctx.command.get_params(error.ctx) if error.option_name in each.opts)
    option = next(options, None)
    if not isinstance(option, click.Option) or option.is_flag:
        return ""
    return f". Allowed: {error.option_name} {option.make_metavar(error.ctx)}. {option.help or ''}".rstrip()


def code_of(error: FluxError) -> Code:
    """The exit code for an error. A refusal at a time when something may be bought already leaves its fate unknown."""
    if isinstance(error, Trouble):
        code = error.code
    else:
        code = next(CODES[kind] for kind in type(error).__mro__ if kind in CODES)
    if error.charged and code in (Code.BROKEN, Code.REFUSED, Code.UNREACHABLE):
        return Code.UNKNOWN
    return code


def lines_of(error: FluxError) -> list[str]:
    """An error in at most three lines: what it is; what is allowed, or what the service replied; what to do."""
    what, allowed, options = parts_of(error)
    lines = [f"error: {' '.join((*what, *getattr(error, '__notes__', ())))}"]
    if isinstance(error, errors.Rejected) and error.fields:
        lines.append("refused: " + "; ".join(f"{name}: {reason}" for name, reason in error.fields))
    elif allowed:
        lines.append(f"allowed: {'; '.join(allowed)}")
    elif error.reply:
        named = f" to request {error.request_id}" if error.request_id else ""
        lines.append(f"reply{named}: {' '.join(error.reply.split())[:LONGEST_REPLY]}")
    if options:
        lines.append(f"try: {' '.join(options)}")
    elif advice := _advice(error):
        lines.append(advice)
    return lines


def spoken(message: str) -> str:
    """A message of the library as it is said to who types, who is offered what the command has that runs."""
    context = click.get_current_context(silent=True)
    if context is not None and not any("--offline" in each.opts for each in context.command.params):
        message = message.replace(MOCK, "")
    for words, others in SPOKEN.items():
        message = message.replace(words, others)
    return message


def parts_of(error: FluxError) -> tuple[list[str], list[str], list[str]]:
    """A message of the library in its parts: what is wrong, what is allowed, and the options that would help.

    A plan's refusal has a line for each field, and beneath it indented ones with what is allowed and with a setting.
    """
    what, allowed, options = [], [], []
    for line in spoken(error.message).splitlines():
        said, found, choices = f" {line}".rpartition(" Allowed: ")
        if found:
            allowed.append(choices.rstrip("."))
        else:
            said = choices
        if line.startswith("  ") and (remedies := _options(said)):
            options += remedies
        elif said.strip():
            what.append(said.strip())
    return what, allowed, options


def _options(line: str) -> list[str]:
    """The command-line options behind a settings line of the library's messages, none for any other line."""
    if found := re.search(r"unsupported = \{(.*)\}", line):
        return [f"--drop {wish.replace('_', '-')}" for wish in re.findall(r'(\w+) = "drop"', found[1])]
    if found := re.search(r'fit = "(\w+)"', line):
        return [f"--fit {found[1]}"]
    if found := re.search(r'allow_hosts = \["(.+)"\]', line):
        return [f"--allow-host {found[1]}"]
    return []


def _task_of(error: FluxError) -> "Task | None":
    from .._contract.task import Task  # not before there is an error: help and a mock begin without values

    return error.task if isinstance(error.task, Task) else None


def _advice(error: FluxError) -> str | None:
    task = _task_of(error)
    mocked = task is not None and task.mocked
    cut_short = code_of(error) in (Code.INTERRUPTED, Code.TERMINATED)
    if isinstance(error, Trouble) and error.advice and cut_short:
        return error.advice
    if error.charged and not mocked and (cut_short or code_of(error) in (Code.UNKNOWN, Code.NOT_FETCHED)):
        name = f"task {task.id}: " if task else ""
        verb = "buys" if error.charged is Charged.YES else "may buy"
        return f"{name}running the command again {verb} another image"
    if isinstance(error, Trouble):
        return error.advice
    after = getattr(error, "retry_after", None)
    return None if after is None else f"try again in {after:g} s"


def document_of(error: FluxError) -> dict[str, Any]:
    """An error as plain values. ``resume`` is the text from which ``Task.from_json`` makes the task that goes on."""
    from .._contract.result import describe

    what, allowed, options = parts_of(error)
    task = _task_of(error)
    return {
        **describe(error),
        "error": error.name if isinstance(error, Trouble) else type(error).__name__,
        "message": " ".join(what),
        "allowed": "; ".join(allowed) or None,
        "try": " ".join(options) or None,
        "exit_code": int(code_of(error)),
        "reply": error.reply,
        "resume": None if task is None else task.to_json(),
    }


def report(error: BaseException, *, as_json: bool) -> Code:
    """Says what went wrong, and gives the exit code. Only with ``FLUXKIT_DEBUG`` set does it show a traceback."""
    if os.environ.get("FLUXKIT_DEBUG", "") not in ("", "0"):
        import traceback

        with suppress(OSError):
            click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
    ours = known(error)
    for line in lines_of(ours):
        say(line)
    if as_json:
        with suppress(OSError):
            put_document(document_of(ours))
    return code_of(ours)


def printable(text: str) -> str:
    """*text* on one line, without what would steer a terminal: services and file names may hold anything."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def has_colour(stream: TextIO) -> bool:
    """Whether a stream shows colours: NO_COLOR and FORCE_COLOR decide (no-color.org), else whether it is a terminal."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def coloured(text: str, colour: str | None) -> str:
    """*text* of a result in a colour, where stdout shows colours."""
    return click.style(text, fg=colour) if colour and has_colour(sys.stdout) else text


def say(text: str) -> None:
    """Writes a line to stderr, if anybody is there; the word that says what kind of line it is may be in a colour."""
    lead, colon, rest = printable(text).partition(": ")
    with suppress(OSError):
        if colon and lead in LEADS and has_colour(sys.stderr):
            lead = click.style(lead, fg=LEADS[lead], bold=True)
        click.echo(f"{lead}{colon}{rest}", err=True, color=has_colour(sys.stderr))


def put(text: str) -> None:
    """Writes a result to stdout. That its reader has gone is no error; what a full disk refuses goes to stderr."""
    try:
        try:
            click.echo(text, color=has_colour(sys.stdout))
        except UnicodeEncodeError:  # a file name that is no text, or an encoding of few letters
            click.echo(text.encode("utf-8", "surrogateescape"))
    except BrokenPipeError:
        _let_go(sys.stdout)
    except OSError as error:
        _let_go(sys.stdout)
        with suppress(OSError):
            click.echo(text, err=True)
        raise OSError(error.errno, error.strerror, "stdout") from None


def put_document(document: Any) -> None:
    """Writes a result to stdout as one JSON document."""
    import json

    put(json.dumps(document, indent=2, default=str))


def _let_go(stream: TextIO) -> None:
    """Turns a stream that cannot be written to the null device, or Python complains about it when it exits."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
