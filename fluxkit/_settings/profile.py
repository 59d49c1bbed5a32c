"""One profile as it will be used: what holds for each key, and who says so."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import attrs

from .._service import key_variable, named, place_variable
from ..errors import FluxError, SettingsError
from .found import Settings, unknown
from .keys import KEYS
from .source import Level, Setting, Source, Stack, layer, merged, strongest

if TYPE_CHECKING:
    from .._wire.declaration import Provider


@attrs.frozen(eq=False)
class Profile:
    """A profile, or what takes its place where a provider is named and no profile is.

    *chosen* is its name and who chose it; *stack* all that is said of each key; *declared* the provider, None if there
    is none of that name. *problems* is why nothing can be made of it, not even a plan.
    """

    chosen: Setting | None
    stack: Stack
    declared: "Provider | None"
    problems: tuple[FluxError, ...] = ()

    @property
    def provider(self) -> str | None:
        """The name of the provider."""
        found = strongest(self.stack, "provider")
        return None if found is None else str(found.value)

    @property
    def model(self) -> str | None:
        """The name of the model."""
        found = strongest(self.stack, "model")
        return None if found is None else str(found.value)

    @property
    def full_name(self) -> str | None:
        """Provider and model in one, as a client takes them."""
        return self.provider if self.model is None else f"{self.provider}:{self.model}"

    @property
    def mocked(self) -> bool:
        """Whether a mock answers, so that no key is read and no address spoken to."""
        found = strongest(self.stack, "mock")
        return found is not None and found.value is not False

    def setting(self, *path: str) -> Setting | None:
        """What holds for a value: what the strongest says, but not what it says of another provider or model."""
        for setting in self.stack.get(path, ()):
            if not self.strays(path[0], setting):
                return None if setting.value is None else setting
        return None

    def strays(self, name: str, setting: Setting) -> bool:
        """Whether a setting is about another provider, or model, than the one that is in force."""
        bound = KEYS[name].bound
        if not bound:
            return False
        beside = setting.provider or self._beside(setting, "provider")
        if beside is not None and beside != self.provider:
            return True
        model = self._beside(setting, "model")
        return bound == "model" and model is not None and model != self.model

    def namer(self, setting: Setting) -> Source | None:
        """Who says which provider *setting* is for: itself, or the nearest that is as strong or weaker."""
        if setting.provider is not None:
            return setting.source
        return next((each.source for each in self._below(setting, "provider")), None)

    @property
    def chooser(self) -> Source:
        """Who says which provider is in force."""
        return self.stack["provider",][0].source

    def table(self, name: str) -> dict[str, Setting]:
        """What holds for each entry of a table."""
        found = ((path[-1], self.setting(*path)) for path in self.stack if path[0] == name and len(path) == 2)
        return {entry: setting for entry, setting in found if setting is not None}

    def options(self) -> dict[str, Setting]:
        """What holds for each option among the defaults."""
        paths = [path for path in self.stack if path[:2] == ("defaults", "options") and len(path) == 3]
        return {path[2]: setting for path in paths if (setting := self.setting(*path)) is not None}

    def _beside(self, setting: Setting, path: str) -> str | None:
        return next((str(each.value) for each in self._below(setting, path)), None)

    def _below(self, setting: Setting, path: str) -> Iterator[Setting]:
        return (each for each in self.stack.get((path,), ()) if each.source.level <= setting.source.level)


def choose(
    settings: Settings,
    environ: Mapping[str, str],
    *,
    profile: Setting | None = None,
    given: Iterable[Stack] = (),
) -> Profile:
    """The profile to use: the one that is named, or else what ``FLUXKIT_PROFILE`` names, or else the default.

    *given* is what the caller says, the strongest first.
    """
    chosen = profile or _by_variable(environ) or settings.default
    flaws = settings.flaws.get(chosen.value, ()) if chosen is not None else ()
    problems: list[FluxError] = list(map(SettingsError, (*settings.problems, *flaws)))
    files: Stack = {}
    if chosen is not None and chosen.value in settings.profiles:
        files = settings.stack(chosen.value)
    elif chosen is not None and not flaws and chosen is not settings.default:  # that a default is unknown its file says
        said = f"{chosen.source}: the profile {unknown('profile', chosen.value, settings.profiles)}"
        problems.append(SettingsError(said))
    spoken = merged(given)
    who = strongest(merged([spoken, files]), "provider")
    variables = {} if who is None else _variables(str(who.value), environ)
    found = Profile(chosen, merged([spoken, variables, files]), None, tuple(problems))
    if problems and who is None:
        return found
    try:
        return attrs.evolve(found, declared=_declared(found, settings))
    except FluxError as error:
        return attrs.evolve(found, problems=(*problems, error))


def _by_variable(environ: Mapping[str, str]) -> Setting | None:
    name = environ.get("FLUXKIT_PROFILE")
    return Setting(name, Source(Level.ENVIRONMENT, "FLUXKIT_PROFILE")) if name else None


def _variables(provider: str, environ: Mapping[str, str]) -> Stack:
    """What the environment says of a provider. That its key is there is known, and the key itself not read yet."""
    key, place = key_variable(provider), place_variable(provider)
    found: list[Stack] = []
    if environ.get(key):
        found.append(layer({("key",): f"env:{key}"}, Source(Level.ENVIRONMENT, key), provider=provider))
    if environ.get(place):
        found.append(layer({("base_url",): environ[place]}, Source(Level.ENVIRONMENT, place), provider=provider))
    return merged(found)


def _declared(found: Profile, settings: Settings) -> "Provider":
    if found.provider is None and settings.profiles:
        if found.chosen is None:
            ways = 'name one (profile=..., --profile, FLUXKIT_PROFILE), or write default = "..." into the file'
            raise SettingsError(f"No profile is chosen. Allowed: {', '.join(settings.profiles)}; {ways}.")
        raise SettingsError(
            f"The profile {found.chosen.value!r} names no provider. Allowed: provider = "
            f'"magnific:flux-2-klein" under [profiles.{found.chosen.value}], or -p NAME:MODEL.'
        )
    return named(found.full_name)[0]
