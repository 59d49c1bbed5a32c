"""Plugins: a registry of what the installed ones bring, such as providers and places for images.

The vocabulary of declarations and the standard library's reader of entry points come in when a provider is asked for.
"""

import os
import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import pluggy

from ._hooks import HOOKS, PROJECT, Hooks
from ._points import PLUGINS, points
from ._requirement import DISTRIBUTION, unmet_of
from ._version import __version__
from .errors import PluginError, SettingsError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from ._contract.reference import Reference
    from ._engine.effects import Hosted
    from ._wire.declaration import Provider

#: The module behind the entry point of the providers that come with fluxkit.
BUNDLED = "fluxkit_providers"

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def _place(error: BaseException) -> str:
    """The module and line that could not be carried out while it was imported, if that is why; without paths."""
    place, trace = "", error.__traceback__
    while trace is not None and not isinstance(error, SyntaxError):  # which names its place itself
        if trace.tb_frame.f_code.co_name == "<module>":
            place = f" (in {trace.tb_frame.f_globals.get('__name__')}, line {trace.tb_lineno})"
        trace = trace.tb_next
    return place


class Plugin(NamedTuple):
    """A plugin, not loaded yet.

    *load* gives the module, or any other object, that holds the hooks. *origin* says in messages where it comes from,
    *wants* gives what its distribution requires.
    """

    name: str
    load: Callable[[], object]
    origin: str = "in memory"
    bundled: bool = False
    wants: Callable[[], Iterable[str]] = tuple

    def __str__(self) -> str:
        return f"{self.name!r} ({self.origin})"

    def failure(self, what: str) -> PluginError:
        """The error that blames this plugin for *what*."""
        return PluginError(f"The plugin {self} {what}.")

    @contextmanager
    def blamed(self, what: str) -> Iterator[None]:
        """Turns whatever is raised inside into the error that blames this plugin for *what*.

        One that would end the process is blamed, too: whoever checks others would seem to have found nothing.
        """
        try:
            yield
        except (Exception, SystemExit) as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".:")
            raise self.failure(f"{what}: {reason}{_place(error)}") from error


class Registry:
    """The providers that some plugins bring, each under one name.

    A plugin is taken whole or not at all, and one that cannot be used stops nobody from using another: it is recorded
    in ``failures``. It fails if it cannot be imported, if a hook of it is misspelt, unmarked, raises or returns
    anything but providers by name, or if a plugin read before it brings a provider of the same name. A bundled provider
    keeps a name that is doubled; of two others neither gets it: a guess could send a key to the wrong service.

    Plugins are read when they are needed: those that are not bundled only when a name is asked for that no bundled one
    brings, or all names or failures are.
    """

    def __init__(self, plugins: Iterable[Plugin]) -> None:
        self._plugins = tuple(plugins)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all providers, the bundled ones first."""
        return (*self._bundled.offers, *self._others.offers)

    @property
    def failures(self) -> tuple[PluginError, ...]:
        """For each plugin that cannot be used, the error that names it and says why."""
        return self._bundled.failures + self._others.failures

    def owner(self, name: str) -> Plugin:
        """The plugin that brings the provider called *name*. Raises like ``provider``."""
        return self._offer(name).plugin

    def provider(self, name: str) -> "Provider":
        """The provider called *name*.

        Raises ``SettingsError`` if there is none, listing those that are installed; ``PluginError`` if there is none
        but plugins failed that might have brought it, or if its own plugin names a place where it is not.
        """
        plugin, source = self._offer(name)
        if not isinstance(source, str):
            return source
        with plugin.blamed(f"says that {name!r} is {source!r}, which cannot be loaded"):
            found = pkgutil.resolve_name(source)
        return _checked(plugin, name, found)

    def missing(self, name: str) -> str:
        """What is said of a name that no provider has."""
        import difflib

        near = difflib.get_close_matches(name, self.names, 1, cutoff=0.7)
        meant = f" Did you mean {near[0]!r}?" if near else ""
        return f"There is no provider {name!r}.{meant} Installed: {', '.join(self.names) or 'none'}."

    def hosts_images(self) -> bool:
        """Whether any plugin that can be used implements ``fluxkit_host_image``."""
        return bool(self._bundled.hosts or self._others.hosts)

    def host_image(self, image: "Reference") -> "Hosted | None":
        """The address that the first plugin gives *image* that hosts it, None if none does.

        Raises ``PluginError`` if a plugin raises, or gives anything but an address with a time or without.
        """
        for plugin, ask in (*self._bundled.hosts, *self._others.hosts):
            with plugin.blamed("raises in fluxkit_host_image()"):
                answer = ask(image=image)
            if answer is not None:
                return _hosted(plugin, answer)
        return None

    def hearing(self) -> "tuple[tuple[str, Callable[..., Any]], ...]":
        """The plugins that implement ``fluxkit_event``, each by its name for messages and with its hook."""
        return tuple((str(plugin), hear) for plugin, hear in (*self._bundled.hears, *self._others.hears))

    @cached_property
    def _bundled(self) -> "_Stock":
        return _read(plugin for plugin in self._plugins if plugin.bundled)

    @cached_property
    def _others(self) -> "_Stock":
        return _read((plugin for plugin in self._plugins if not plugin.bundled), beside=self._bundled.offers)

    def _offer(self, name: str) -> "_Offer":
        offer = self._bundled.offers.get(name) or self._others.offers.get(name)
        if offer is not None:
            return offer
        message = self.missing(name)
        if not self.failures:
            raise SettingsError(message, provider=name)
        reasons = "".join(f"\n- {failure}" for failure in self.failures)
        raise PluginError(
            f"{message} It may be missing because of plugins that cannot be used; mend or uninstall them:{reasons}",
            provider=name,
        ) from ExceptionGroup("plugins that cannot be used", self.failures)


class _Offer(NamedTuple):
    plugin: Plugin
    source: "str | Provider"


class _Stock(NamedTuple):
    offers: Mapping[str, _Offer]
    failures: tuple[PluginError, ...]
    hosts: "tuple[tuple[Plugin, Callable[..., Any]], ...]"
    hears: "tuple[tuple[Plugin, Callable[..., Any]], ...]"


def _read(plugins: Iterable[Plugin], *, beside: Mapping[str, _Offer] | None = None) -> _Stock:
    """What *plugins* bring, *beside* the names that are taken already."""
    taken = dict(beside or {})
    free: dict[str, _Offer] = {}
    contested: set[str] = set()
    failures, hosts, hears = [], [], []
    for plugin in plugins:
        try:
            brought, host, hear = _brought(plugin)
            if doubled := [name for name in brought if name in taken]:
                contested.update(name for name in doubled if not taken[name].plugin.bundled)
                rivals = ", ".join(f"{name!r} like the plugin {taken[name].plugin}" for name in doubled)
                raise plugin.failure(f"brings {rivals}")
        except PluginError as error:
            failures.append(error)
        else:
            free |= {name: _Offer(plugin, source) for name, source in brought.items()}
            taken |= free
            if host is not None:
                hosts.append((plugin, host))
            if hear is not None:
                hears.append((plugin, hear))
    offers = {name: offer for name, offer in free.items() if name not in contested}
    return _Stock(offers, tuple(failures), tuple(hosts), tuple(hears))


def _brought(
    plugin: Plugin,
) -> "tuple[dict[str, str | Provider], Callable[..., Any] | None, Callable[..., Any] | None]":
    """What one plugin brings: its providers, and the hooks by which it hosts images and hears of events.

    It is read in a manager of its own: nothing that it does wrong can show in another.
    """
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(Hooks)
    if unmet := unmet_of(plugin.wants()):
        raise plugin.failure(f"wants {unmet}, and this is {DISTRIBUTION} {__version__}. Upgrade one of them")
    with plugin.blamed("cannot be imported"):
        holder = plugin.load()
    with plugin.blamed("does not fit"):
        unmarked = _unmarked(manager, holder)
        manager.register(holder, plugin.name)
        manager.check_pending()
    if unmarked:
        raise plugin.failure(f"has {', '.join(unmarked)}, not marked with @fluxkit.hookimpl")
    hooks = manager.hook
    times = {name: len(getattr(hooks, name).get_hookimpls()) for name in HOOKS}
    if not any(times.values()):
        raise plugin.failure(f"implements no hook. Allowed: {'(), '.join(times)}(), or several")
    for name, count in times.items():
        if count > 1:
            raise plugin.failure(f"implements {name}() {count} times. Allowed: once")
    host = hooks.fluxkit_host_image if times["fluxkit_host_image"] else None
    hear = hooks.fluxkit_event if times["fluxkit_event"] else None
    return (_providers(plugin, hooks.fluxkit_providers) if times["fluxkit_providers"] else {}), host, hear


def _providers(plugin: Plugin, hook: Callable[[], Any]) -> dict[str, "str | Provider"]:
    with plugin.blamed("raises in fluxkit_providers()"):
        brought = hook()
    if not isinstance(brought, Mapping):
        raise plugin.failure(f"returns {brought!r:.80}. Allowed: a mapping of names to providers")
    for name, source in brought.items():
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise plugin.failure(
                f"calls a provider {name!r:.80}. Allowed: lower-case letters and digits, with hyphens between them"
            )
        if not isinstance(source, str):
            _checked(plugin, name, source)
    return dict(brought)


def _unmarked(manager: pluggy.PluginManager, holder: object) -> list[str]:
    """The functions that look like hooks and that pluggy would pass over in silence."""
    return [
        name
        for name in dir(holder)
        if name.startswith(f"{PROJECT}_")
        and callable(getattr(holder, name, None))
        and manager.parse_hookimpl_opts(holder, name) is None
    ]


def _checked(plugin: Plugin, name: str, found: Any) -> "Provider":
    from ._wire.declaration import Provider

    if isinstance(found, Provider):
        if found.name == name:
            return found
        raise plugin.failure(f"gives a Provider of the name {found.name!r} for {name!r}. Allowed: one of that name")
    raise plugin.failure(f"gives {found!r:.80} for {name!r}. Allowed: a Provider of that name, or where one stands")


def _hosted(plugin: Plugin, answer: Any) -> "Hosted":
    from datetime import datetime

    from ._engine.effects import Hosted

    url, until = answer if isinstance(answer, tuple) and len(answer) == 2 else (answer, None)
    if isinstance(until, datetime) and until.tzinfo is not None:
        until = until.timestamp()
    is_time = until is None or (isinstance(until, int | float) and not isinstance(until, bool))
    if not isinstance(url, str) or not is_time:
        raise plugin.failure(
            f"returns {answer!r:.80} from fluxkit_host_image(). Allowed: an address, a pair of one and the time until "
            "which it lives (seconds since the epoch, or a datetime with a zone), or None"
        )
    return Hosted(url, None if until is None else float(until), str(plugin))


def _requires(point: "EntryPoint") -> Iterable[str]:
    """What the distribution of an entry point requires."""
    return (point.dist and point.dist.requires) or ()


def _discovered() -> Iterator[Plugin]:
    only_bundled = os.environ.get("FLUXKIT_NO_PLUGINS", "") not in ("", "0")
    for point in sorted(points()[PLUGINS], key=lambda point: (point.name, point.value)):
        # By module and not by name: anybody may call an entry point "bundled".
        bundled = point.value == BUNDLED
        if bundled or not only_bundled:
            # Ours is known: to say its name, all of its metadata would be parsed, and README.md stands in them.
            owner = DISTRIBUTION if bundled else point.dist and point.dist.name
            origin = f"{point.value} of {owner}"
            yield Plugin(point.name, point.load, origin, bundled, tuple if bundled else partial(_requires, point))


@cache
def installed() -> Registry:
    """The registry of this process: the plugins of the entry point group ``fluxkit``, looked up at the first call.

    With ``FLUXKIT_NO_PLUGINS`` set to anything but an empty text or 0, only the bundled ones.
    """
    return Registry(_discovered())
