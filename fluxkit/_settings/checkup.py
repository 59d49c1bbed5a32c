"""What ``fluxkit doctor`` finds out: the settings in use, where each comes from, and all that is wrong at once."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .._service import held_back, key_variable
from ..errors import FluxError, PluginError, SettingsError
from .arguments import OUTSIDE, client_arguments, not_kept, shown, taken_by
from .document import shown_variable
from .files import NAME, project_folders, user_file
from .found import Settings
from .keys import KEYS, Key
from .profile import Profile
from .source import Level, Setting
from .trust import hindrances, variable_of


def checkup(
    settings: Settings, profile: Profile, kind: type, here: Path | None, environ: Mapping[str, str]
) -> dict[str, Any]:
    """Everything about a profile and what it stands on, as plain values, without a key or a password.

    *kind* is the class of the client that is to be made of it. One is made, if nothing stands against it; it sends
    nothing.
    """
    mock = _mock_state()
    problems = [*profile.problems, *hindrances(profile, environ), *not_kept(profile, kind)]
    problems += (
        _missing_mock(profile, mock) or _held_back(profile, environ) or ([] if problems else _trial(profile, kind))
    )
    plugins, failures = _plugins()
    return {
        "usable": not problems,
        "profile": None
        if profile.chosen is None
        else {"name": profile.chosen.value, "source": str(profile.chosen.source)},
        "provider": profile.provider,
        "model": profile.model,
        "mocked": profile.mocked,
        "settings": list(_rows(profile, kind, environ)),
        "profiles": list(settings.profiles),
        "files": list(_files(settings, here, environ)),
        "offline": _is_set(environ, "FLUXKIT_OFFLINE"),
        "keys": [
            {"provider": name, "variable": key_variable(name), "set": bool(environ.get(key_variable(name)))}
            for plugin in plugins
            for name in plugin["providers"]
        ],
        "plugins": plugins,
        "failures": failures,
        "mock": mock,
        "journal": _journal_place(profile),
        "problems": [error.message for error in problems],
        "others": list(_others(settings, profile)),
    }


def _others(settings: Settings, profile: Profile) -> Iterator[str]:
    """What is wrong with the profiles that are not in use."""
    for name, wrong in settings.flaws.items():
        if profile.chosen is None or name != profile.chosen.value:
            yield from wrong


def _missing_mock(profile: Profile, mock: str) -> list[FluxError]:
    return [SettingsError(mock)] if profile.mocked and mock != "installed" else []


def _held_back(profile: Profile, environ: Mapping[str, str]) -> list[FluxError]:
    if profile.mocked or profile.declared is None:
        return []
    base_url = profile.setting("base_url")
    reason = held_back(
        profile.declared.name, profile.declared.base_url if base_url is None else str(base_url.value), environ
    )
    return [] if reason is None else [SettingsError(reason)]


def _trial(profile: Profile, kind: type) -> list[FluxError]:
    """What a client says to the arguments that nothing else has found fault with, such as a key that cannot be sent."""
    try:
        kind(**client_arguments(profile, os.environ))
    except FluxError as error:
        return [error]
    return []


def _rows(profile: Profile, kind: type, environ: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """What holds for each key. Those that say nothing and that this version does not keep are left out."""
    taken = taken_by(kind)
    for key in KEYS.values():
        rows = list(_holding(profile, key))
        for name, setting in rows:
            yield {
                "name": name,
                "value": _secret(setting, environ) if key.secret else shown(key, setting.value),
                "source": str(setting.source),
                "level": setting.source.level.name.lower(),
                "line": setting.source.line,
            }
        if not rows and (key.argument is None or key.argument in taken):
            default = key.default.replace("`", "")
            if key.name == "base_url" and profile.declared is not None:
                default = profile.declared.base_url
            if key.name == "key":
                default = f"no {key_variable(profile.provider)}" if profile.provider else "none"
            if profile.mocked and key.name in OUTSIDE:
                default = "not needed, a mock answers"
            yield {"name": key.name, "value": default, "source": "default", "level": "declaration", "line": None}


def _holding(profile: Profile, key: Key) -> Iterator[tuple[str, Setting]]:
    if (setting := profile.setting(key.name)) is not None:
        yield key.name, setting
    for entry, each in profile.table(key.name).items():
        yield f"{key.name}.{entry}".removesuffix(".*"), each
    if key.name == "defaults":
        for option, each in profile.options().items():
            yield f"defaults.options.{option}", each


def _secret(setting: Setting, environ: Mapping[str, str]) -> str:
    variable = variable_of(setting)
    if variable is None:
        return "set (not shown)"
    return f"{shown_variable(variable)[1:-1]}, {'set (not shown)' if environ.get(variable) else 'not set'}"


def _files(settings: Settings, here: Path | None, environ: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """The places of files, the strongest first, and what was found there."""
    read = {document.level: document for document in settings.documents}
    folders = [] if here is None else project_folders(here)
    usual: Mapping[Level, Path | None] = {
        Level.PROJECT: here and here / NAME,
        Level.PYPROJECT: here and here / "pyproject.toml",
        Level.USER: user_file(environ),
    }
    for level, path in usual.items():
        document = read.get(level)
        place = path if document is None else document.path
        yield {
            "level": level.name.lower(),
            "path": None if place is None else str(place),
            "up_to": str(folders[-1]) if level is not Level.USER and len(folders) > 1 else None,
            "profiles": None if document is None else list(document.stacks),
        }


def _plugins() -> tuple[list[dict[str, Any]], list[str]]:
    from .._plugins import installed

    registry = installed()
    failures = [failure.message for failure in registry.failures]
    plugins: dict[str, dict[str, Any]] = {}
    for name in registry.names:
        plugin = registry.owner(name)
        row = plugins.setdefault(plugin.name, {"name": plugin.name, "origin": plugin.origin, "providers": []})
        row["providers"].append(name)
        try:
            registry.provider(name)
        except PluginError as error:
            failures.append(error.message)
    return list(plugins.values()), failures


def _mock_state() -> str:
    from .._mock import mock_of

    try:
        mock_of([])
    except FluxError as error:
        return error.message
    return "installed"


def _journal_place(profile: Profile) -> str:
    """Where it is noted what is bought."""
    from .._engine.journal.places import own_place

    setting = profile.setting("journal")
    if profile.mocked:
        return "in memory: what a mock is asked for is forgotten with the client"
    if setting is None:
        return str(own_place())
    if setting.value in ("off", "memory"):
        return "off: what was bought is forgotten with the client; keep a task by its to_json()"
    return str(Path(setting.value).expanduser().absolute())


def _is_set(environ: Mapping[str, str], variable: str) -> bool:
    return environ.get(variable, "") not in ("", "0")
