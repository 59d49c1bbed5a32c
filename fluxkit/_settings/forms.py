"""The forms of settings: what a value in a file may be, and the single values that it says."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from .._asked import DEFAULTABLE, RIVALS, defaults_of
from .._contract.report import shorten
from .._contract.size import RESOLUTIONS
from .._service import address_of, hosts_of, seconds_of
from .._wire.draft import FITS, WISHES
from .._wire.link import read_link
from ..errors import SettingsError
from .source import Path

#: What a value of a key says: each single value with the way to it. None takes back what weaker places say.
Entries = dict[Path, Any]
Form = Callable[[str, Any], Entries]

#: The defaults of a request that stand in a profile's table ``defaults``; ``webhook_url`` stands beside it.
IN_DEFAULTS = tuple(field for field in DEFAULTABLE if field != "webhook_url")

#: Where a price stands that is the same for every resolution.
EVERY = "*"

_MONEY = re.compile(r"[0-9]+(?:\.[0-9]+)? [A-Z]{3}")

#: What the entries of ``timeouts`` are called as arguments of a client.
TIMES: Mapping[str, str] = {"total": "timeout", "call": "patience"}


def wrong(name: str, value: Any, allowed: str) -> SettingsError:
    """The error for a value that does not fit."""
    return SettingsError(f"{name} is {shorten(value)}. Allowed: {allowed}.")


def fit() -> Form:
    """The word for which size will do."""
    return one_of(*FITS)


def one_of(*words: str) -> Form:
    """One of some words."""
    return _single(lambda value: isinstance(value, str) and value in words, " or ".join(f'"{word}"' for word in words))


def flag() -> Form:
    """Yes or no."""
    return _single(lambda value: isinstance(value, bool), "true or false")


def text(allowed: str, pattern: str = r"\S(?:.*\S)?") -> Form:
    """A text of one line that is not blank."""
    return _single(lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None, allowed)


def secret(allowed: str) -> Form:
    """A text that no message shows."""

    def entries(name: str, value: Any) -> Entries:
        if not isinstance(value, str) or not value.strip():
            raise SettingsError(f"{name} is no text, or blank (it is not shown). Allowed: {allowed}.")
        return {(name,): value}

    return entries


def money() -> Form:
    """An amount with its currency."""
    return _single(_is_money, 'an amount and its currency, "5 USD"')


def hosts(name: str, value: Any) -> Entries:
    """A list of host names, which is one value: the strongest list replaces the others."""
    if not isinstance(value, list):
        raise wrong(name, value, 'a list of host names, ["images.example"]')
    hosts_of(value)
    return {(name,): tuple(value)}


def provider(name: str, value: Any) -> Entries:
    """A provider, and with a colon its model too."""
    if not isinstance(value, str) or not re.fullmatch(r"[a-z0-9-]+(:\S+)?", value):
        raise wrong(name, value, '"provider:model", such as "magnific:flux-2-klein"')
    named, colon, model = value.partition(":")
    return {(name,): named, **({("model",): model} if colon else {})}


def base_url(name: str, value: Any) -> Entries:
    """An address of a service; whether it may be plain http depends on another key."""
    address_of(value, insecure_http=True)
    return {(name,): value}


def proxy(name: str, value: Any) -> Entries:
    """An address of a proxy, which may hold a user's name and password: it is not shown."""
    allowed = 'an http or https address, "http://proxy.example:3128"'
    if not isinstance(value, str):
        raise wrong(name, value, allowed)
    try:
        read_link(value if "://" in value else f"http://{value}")
    except ValueError as error:
        raise SettingsError(f"{name} cannot be used: {error}. Allowed: {allowed}.") from None
    return {(name,): value}


def webhook_url(name: str, value: Any) -> Entries:
    """A default of the request, which stands in the profile itself."""
    try:
        defaults_of({name: value})
    except SettingsError as error:
        raise SettingsError(error.message.removeprefix("defaults: ")) from None
    return {(name,): value}


def unsupported(name: str, value: Any) -> Entries:
    """What becomes of wishes: one word for all of them, or one for each."""
    allowed = f'"refuse", or a table of {", ".join(WISHES)}, each "drop" or "refuse"; all else is never dropped'
    if value == "refuse":
        value = dict.fromkeys(WISHES, value)
    if not isinstance(value, Mapping):
        raise wrong(name, value, allowed)
    for wish, word in value.items():
        if wish not in WISHES or word not in ("drop", "refuse"):
            raise wrong(f"{name}.{wish}", word, allowed)
    return {(name, wish): word for wish, word in value.items()}


def price(name: str, value: Any) -> Entries:
    """What an image costs: one price for all, or one for each resolution. Each of the two replaces the other."""
    allowed = f'"0.03 USD", or a table with one for {" and for ".join(RESOLUTIONS)}: {{ "1K" = "0.03 USD" }}'
    if _is_money(value):
        return {(name, EVERY): value, **{(name, each): None for each in RESOLUTIONS}}
    if not isinstance(value, Mapping):
        raise wrong(name, value, allowed)
    for resolution, amount in value.items():
        if resolution not in RESOLUTIONS or not _is_money(amount):
            raise wrong(f"{name}.{resolution}", amount, allowed)
    return {(name, EVERY): None, **{(name, each): amount for each, amount in value.items()}}


def timeouts(name: str, value: Any) -> Entries:
    """Total seconds for a request and its wait, and for one call."""
    allowed = "a table of seconds, { total = 300, call = 60 }"
    if not isinstance(value, Mapping):
        raise wrong(name, value, allowed)
    for which, seconds in value.items():
        if which not in TIMES:
            raise wrong(f"{name}.{which}", seconds, allowed)
        seconds_of(f"{name}.{which}", seconds)
    return {(name, which): seconds for which, seconds in value.items()}


def defaults(name: str, value: Any) -> Entries:
    """Fields of a request. A size takes back a weaker place's aspect and resolution, and the other way round."""
    allowed = f"a table of {', '.join(IN_DEFAULTS)}"
    if not isinstance(value, Mapping):
        raise wrong(name, value, allowed)
    for field, given in value.items():
        if field not in IN_DEFAULTS:
            raise wrong(f"{name}.{field}", given, f"{allowed}; webhook_url stands beside it")
    try:
        defaults_of(value)
    except SettingsError as error:
        raise SettingsError(f"{name}.{error.message.removeprefix('defaults: ')}") from None
    entries: Entries = {(name, rival): None for field in value for rival in RIVALS.get(field, ())}
    for field, given in value.items():
        if field == "options":
            entries |= {(name, field, option): each for option, each in given.items()}
        else:
            entries[name, field] = given
    return entries


def _single(fits: Callable[[Any], bool], allowed: str) -> Form:
    def entries(name: str, value: Any) -> Entries:
        if not fits(value):
            raise wrong(name, value, allowed)
        return {(name,): value}

    return entries


def _is_money(value: Any) -> bool:
    return isinstance(value, str) and _MONEY.fullmatch(value) is not None
