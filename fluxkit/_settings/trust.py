"""Where a key may go: no place sends away the key of a place that is trusted more."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from .._service import address_of, is_declared, key_variable, no_key, place_variable, shown_address
from .._wire.link import read_link
from ..errors import FluxError, SettingsError
from .document import VARIABLE, shown_variable
from .keys import KEYS
from .source import Level, Setting, Trust

if TYPE_CHECKING:
    from .profile import Profile


_CALLER = (Level.OPTION, Level.ARGUMENT)


def hindrances(profile: "Profile", environ: Mapping[str, str], *, keyless: bool = False) -> Iterator[FluxError]:
    """Why no client can be made of a profile that is in order: an address, a key that is missing or would go astray.

    If *keyless*, that a key is missing is no reason.
    """
    if profile.declared is None:
        return
    for text in _hindrances(profile, environ, keyless=keyless):
        yield SettingsError(text, provider=profile.provider, model=profile.model)


def _hindrances(profile: "Profile", environ: Mapping[str, str], *, keyless: bool) -> Iterator[str]:
    if not profile.mocked:
        reasons = list(_misplaced(profile)) or list(refusals(profile))
        yield from reasons or (() if keyless else _missing(profile, environ))
        yield from _overtrusted(profile)
    secret = profile.setting("webhook_secret")
    if secret is not None:
        astray = [] if profile.mocked or not _is_told(profile) else list(refusals(profile, "webhook_secret"))
        yield from astray or _borrowed(profile, secret, "webhook_secret")
        yield from () if astray or keyless else _unset(secret, "webhook_secret", environ)


def _is_told(profile: "Profile") -> bool:
    """Whether the service is told with a request what to sign its webhooks with."""
    declared = profile.declared
    return declared is not None and any(row.form.get("webhook_secret") is not None for row in declared.models)


def _overtrusted(profile: "Profile") -> Iterator[str]:
    """Who trusts a service to know a submit again must have said, or seen, where that is."""
    trust, base_url = profile.setting("idempotency"), profile.setting("base_url")
    if trust is None or trust.value != "trust" or base_url is None or profile.declared is None:
        return
    if trust.source.level < base_url.source.level and not is_declared(profile.declared, base_url.value):
        yield (
            f'{trust.source}: idempotency is "trust", and {base_url.source} says that {profile.provider} is at '
            f"{shown_address(base_url.value)}: another host that speaks as it does need not keep its promises. "
            'Allowed: the same there, if you know that this one does; or "off".'
        )


def _misplaced(profile: "Profile") -> Iterator[str]:
    base_url, insecure = profile.setting("base_url"), profile.setting("insecure_http")
    if base_url is None:
        return
    try:
        address_of(base_url.value, insecure_http=insecure is not None and insecure.value is True)
    except SettingsError as error:
        yield error.message if base_url.source.level in _CALLER else f"{base_url.source}: {error.message}"


def _missing(profile: "Profile", environ: Mapping[str, str]) -> Iterator[str]:
    key = profile.setting("key")
    if key is not None:
        yield from _unset(key, "key", environ)
        return
    others = [each for each in profile.stack.get(("key",), ()) if profile.strays("key", each)]
    also = f" The one of {others[0].source} is for another provider." if others else ""
    yield f"{no_key(str(profile.provider))}{also}"


def _unset(secret: Setting, name: str, environ: Mapping[str, str]) -> Iterator[str]:
    variable = variable_of(secret)
    if variable is not None and not environ.get(variable):
        shown = shown_variable(variable)
        yield f"{secret.source}: {name} is {shown}, and that variable is not set. Allowed: a variable that is set."


def variable_of(secret: Setting) -> str | None:
    """The variable that a secret is in; None for one that stands there itself, and for every argument."""
    found = None if secret.source.level in _CALLER else VARIABLE.fullmatch(secret.value)
    return None if found is None else found[1]


def trust_of(key: Setting) -> Trust:
    """How far the place is trusted that a key comes from.

    The user's own file may name a variable: then it is that file which gives the key. A project's file may name one,
    too, and gives nothing by that: what the variable holds is the environment's.
    """
    trust = key.source.level.trust
    return Trust.ENVIRONMENT if trust is Trust.PROJECT and variable_of(key) is not None else trust


def refusals(profile: "Profile", name: str = "key") -> Iterator[str]:
    """Why the profile's key, or another secret of that *name*, must not be sent; nothing of it has been read.

    It goes to the origins that the declaration of its provider names. Another origin must be named by a place that is
    trusted as far as the key's own; the same holds for who says which provider a key is for, and for what would send it
    in the clear.
    """
    key, declared = profile.setting(name), profile.declared
    if key is None or declared is None or not isinstance(key.value, str):
        return  # there is nothing to send, or an argument that the client refuses
    trust = trust_of(key)
    yield from _borrowed(profile, key, name)
    chooser, who = profile.chooser, _who(key, name)
    if profile.namer(key) is None and key.source.level not in _CALLER and chooser.level.trust < trust:
        yield (
            f"{who} does not go to {profile.provider}: that it is for it is said by {chooser} alone, "
            f'which is trusted less. Nothing was sent. Allowed: provider = "{profile.full_name}" beside the {name}'
            + (f"; or the key in {key_variable(declared.name)}." if name == "key" else ".")
        )
        return
    base_url = profile.setting("base_url")
    address = declared.base_url if base_url is None else base_url.value
    place = shown_address(address)
    if base_url is not None and not is_declared(declared, address):
        if base_url.source.level.trust < trust:
            yield (
                f"{who} does not go to {place}, which {_whose(profile, base_url, 'base_url')} names: that is "
                f"trusted less than {trust.words}, where the {name} comes from. Nothing was sent. "
                f"Allowed: {_ways(profile, base_url, place, trust, name)}."
            )
            return
    elif key.source.level.trust is Trust.PROJECT and variable_of(key) is None:
        yield (
            f"{key.source}: key is a secret itself (it is not shown), and would go to {declared.name} in earnest. "
            f'Allowed: key = "env:{key_variable(declared.name)}"; or the base_url of a mock beside it.'
        )
    yield from _in_the_clear(profile, key, address, name)


def _in_the_clear(profile: "Profile", key: Setting, address: str, called: str) -> Iterator[str]:
    link, trust = read_link(address), trust_of(key)
    if link.scheme == "https" or link.loopback:
        return
    for name in ("insecure_http", "proxy"):
        setting = profile.setting(name)
        if setting is not None and setting.source.level.trust < trust:
            whose = _whose(profile, setting, name)
            yield (
                f"{_who(key, called)} does not go to {shown_address(address)} in the clear, as {whose} says: that is "
                f"trusted less than {trust.words}, where the {called} comes from. Nothing was sent. "
                f"Allowed: https; or {name} there, too."
            )


def _borrowed(profile: "Profile", secret: Setting, name: str) -> Iterator[str]:
    """A project's file may not send the key of one service to another one."""
    from .._plugins import installed

    variable = variable_of(secret)
    if variable is None or secret.source.level.trust is not Trust.PROJECT:
        return
    for other in installed().names:
        if key_variable(other) == variable and (other != profile.provider or name != "key"):
            yield (
                f"{secret.source}: {name} is 'env:{variable}', which is the key of {other} and for nothing else: it "
                f"was not read. Allowed: another variable, {KEYS[name].example}; or the same line in the user's file."
            )


def _who(key: Setting, called: str) -> str:
    variable = variable_of(key)
    return f"The {called} of {key.source}" if variable is None else f"The {called} in {variable}"


def _whose(profile: "Profile", setting: Setting, name: str) -> str:
    if setting.source.level >= Level.ENVIRONMENT or profile.chosen is None:
        return str(setting.source)
    return f"profiles.{profile.chosen.value}.{name} in {setting.source}"


def _ways(profile: "Profile", base_url: Setting, place: str, trust: Trust, name: str) -> str:
    """What the user may do, with the lines to write."""
    provider = str(profile.provider)
    ways = [f'base_url="{place}" as an argument, or --base-url {place}']
    if trust <= Trust.ENVIRONMENT:
        ways.insert(0, f"export {place_variable(provider)}={place}, if that is your service")
    if base_url.source.level is Level.USER and trust is Trust.ENVIRONMENT:
        line = f'key = "env:{key_variable(provider)}"' if name == "key" else KEYS[name].example
        ways.insert(0, f"{line} beside it")
    return "; ".join([*ways, f"no {base_url.source.name if base_url.source.level > Level.PROJECT else 'such line'}"])
