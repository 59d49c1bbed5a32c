"""What a caller says as a place of settings, and a profile as the arguments of a client."""

import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from .._mock import stand_in
from .._service import check_mock, shown_address
from ..errors import FluxError, SettingsError
from .forms import EVERY, TIMES, Entries
from .found import find_settings
from .keys import KEYS, Key
from .profile import Profile, choose
from .source import Level, Setting, Source, Stack, layer, merged
from .trust import hindrances, variable_of

#: What a mock in this process has no use for.
OUTSIDE = ("key", "base_url", "insecure_http")


def client_settings(kind: type, profile: str | None, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments for a client of the class *kind*: those of the profile, and over them the caller's *arguments*.

    Raises ``SettingsError``; nothing was sent, and of what a project's file may not read nothing was read.
    """
    if profile is not None and (not isinstance(profile, str) or not profile):
        raise SettingsError(f"profile is {profile!r:.80}. Allowed: the name of a profile, or None for the default one.")
    if arguments.get("mock", False) is False and arguments.get("base_url") is None and (mock := stand_in()) is not None:
        arguments = {**arguments, "mock": mock}
    stack, others = spoken(arguments, lambda name: Source(Level.ARGUMENT, f"the argument {name}"))
    chosen = None if profile is None else Setting(profile, Source(Level.ARGUMENT, "the argument profile"))
    found = choose(find_settings(working_directory(), os.environ), os.environ, profile=chosen, given=[stack])
    return {**usable(found, kind, os.environ), **others}


def usable(found: Profile, kind: type, environ: Mapping[str, str]) -> dict[str, Any]:
    """The arguments for a client of the class *kind*, or the first error of all that stands against it."""
    refuse((*found.problems, *hindrances(found, environ), *not_kept(found, kind)))
    return client_arguments(found, environ)


def refuse(problems: tuple[FluxError, ...]) -> None:
    """Raises the first of some problems, with a word on how many there are beside it."""
    for error in problems[:1]:
        if len(problems) > 1:
            error.add_note(f"(And {len(problems) - 1} more: fluxkit doctor shows all that is wrong.)")
        raise error


def taken_by(kind: type) -> set[str]:
    """The names of a client's arguments, of those too that a class passes on to the one that it is made of."""
    names: set[str] = set()
    for each in kind.__mro__:
        if "__init__" in vars(each):
            arguments = inspect.signature(vars(each)["__init__"]).parameters
            names.update(arguments)
            if all(argument.kind is not inspect.Parameter.VAR_KEYWORD for argument in arguments.values()):
                break
    return names


def not_kept(found: Profile, kind: type) -> Iterator[FluxError]:
    """What the profile asks for and a client of the class *kind* has no argument for: nothing is silently ignored.

    This is the one place for it. A key is kept from the moment that the client takes its argument.
    """
    taken = taken_by(kind)
    for key in KEYS.values():
        if key.argument is None or key.argument in taken:
            continue
        setting = found.setting(key.name) or next(iter(found.table(key.name).values()), None)
        if setting is not None and setting.value not in key.idle:
            yield SettingsError(
                f"{setting.source}: {key.name} is not kept by this version of fluxkit yet. Allowed: no {key.name}."
            )


def spoken(arguments: Mapping[str, Any], source: Callable[[str], Source]) -> tuple[Stack, dict[str, Any]]:
    """A caller's arguments as a place of settings, each from its *source*, and those that no file may hold.

    None says nothing. The rest is hardly checked: the client that it goes to does that.
    """
    stacks: list[Stack] = []
    others: dict[str, Any] = {}
    entries = {argument: entry for entry, argument in TIMES.items()}
    values: Entries
    for name, value in arguments.items():
        if name == "mock":
            check_mock(value)
        if value is None:
            continue
        if name in entries:
            values = {("timeouts", entries[name]): value}
        elif name in ("provider", "unsupported", "price"):
            values = KEYS[name].form(name, value)
        elif name == "defaults":
            values = _defaults(value)
        elif name in KEYS:
            values = {(name,): value}
        else:
            others[name] = value
            continue
        stacks.append(layer(values, source(name)))
    return merged(stacks), others


def _defaults(value: Any) -> Entries:
    """The client's argument holds ``webhook_url``, too, which stands in a profile by itself."""
    if not isinstance(value, Mapping) or "webhook_url" not in value:
        return KEYS["defaults"].form("defaults", value)
    inner = {field: each for field, each in value.items() if field != "webhook_url"}
    return {
        **KEYS["defaults"].form("defaults", inner),
        **KEYS["webhook_url"].form("webhook_url", value["webhook_url"]),
    }


def client_arguments(found: Profile, environ: Mapping[str, str], *, keyless: bool = False) -> dict[str, Any]:
    """The profile as arguments of a client. Here the key is read, and nowhere else; if *keyless* not even here."""
    arguments: dict[str, Any] = {}
    for key in KEYS.values():
        setting = found.setting(key.name)
        if setting is None or key.argument is None or setting.value in key.idle or (key.secret and keyless):
            continue
        if not (found.mocked and key.name in OUTSIDE and setting.source.level < Level.OPTION):
            arguments[key.argument] = _value(key, setting, environ)
    arguments["provider"] = found.full_name
    for name in ("unsupported", "price"):
        if table := {entry: setting.value for entry, setting in found.table(name).items()}:
            arguments[name] = table.get(EVERY, table)
    if defaults := _defaults_in(found):
        arguments["defaults"] = defaults
    return arguments | {TIMES[entry]: setting.value for entry, setting in found.table("timeouts").items()}


def _defaults_in(found: Profile) -> dict[str, Any]:
    defaults = {field: setting.value for field, setting in found.table("defaults").items()}
    if options := found.options():
        defaults["options"] = {name: setting.value for name, setting in options.items()}
    if (webhook := found.setting("webhook_url")) is not None:
        defaults["webhook_url"] = webhook.value
    return defaults


def _value(key: Key, setting: Setting, environ: Mapping[str, str]) -> Any:
    variable = variable_of(setting) if key.secret else None
    return setting.value if variable is None else environ.get(variable)


def shown(key: Key, value: Any) -> str:
    """A value as it may be shown, without the password that may stand in an address."""
    if key.name in ("proxy", "base_url") and isinstance(value, str):
        return shown_address(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def working_directory() -> Path | None:
    """Where the search for a project's files begins; None if that directory is gone."""
    try:
        return Path.cwd()
    except OSError:
        return None
