"""Which service a client speaks to: its declaration, its address, its key, its mock. Everything is checked here."""

import contextlib
import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ._contract.report import shorten
from ._mock import stand_in
from .errors import SettingsError

if TYPE_CHECKING:
    from ._engine.secret import Secret
    from ._mock import Mock
    from ._wire.declaration import Model, Provider

#: The value of FLUXKIT_OFFLINE with which things are bought on this machine only, where no service is but a mock.
LOOPBACK = "loopback"

#: What a client asks of a mock.
MOCK = ("key", "clock", "base_url", "transport", "async_transport")


def key_variable(provider: str) -> str:
    """The environment variable that holds the key of a provider."""
    return f"FLUXKIT_{provider.upper().replace('-', '_')}_KEY"


def place_variable(provider: str) -> str:
    """The environment variable that says where a provider is."""
    return f"{key_variable(provider).removesuffix('_KEY')}_BASE_URL"


def named(name: str | None) -> "tuple[Provider, Model]":
    from ._plugins import installed

    check("provider", name, isinstance(name, str), 'text, "provider:model", such as "magnific:flux-2-klein"')
    registry = installed()
    provider, _, model = (name or "").partition(":")
    if not provider:
        raise SettingsError(
            f'No provider is named. Give one as "provider:model", such as "magnific:flux-2-klein". '
            f"Installed: {', '.join(registry.names)}."
        )
    found = registry.provider(provider)
    rows = found.named(model)
    if not rows:
        what = f"{provider} has no model {model!r}" if model else f"No model of {provider} is named"
        models = ", ".join(dict.fromkeys(f"{provider}:{row.name}" for row in found.models))
        raise SettingsError(f"{what}. Allowed: {models}.", provider=provider)
    return found, rows[0]


def check_mock(mock: object) -> None:
    """Refuses what is no mock, and None, too: a mock that went missing must not cost money."""
    if not isinstance(mock, bool) and not all(hasattr(mock, name) for name in MOCK):
        raise SettingsError(
            f"mock is {shorten(mock)}. Allowed: True, False, or a mock such as fluxkit_mockserver.MockService."
        )


def mock_for(provider: "Provider", mock: "bool | Mock", base_url: str | None) -> "Mock | None":
    check_mock(mock)
    if not isinstance(mock, bool):
        return mock
    if not mock:
        other = stand_in() if base_url is None else None
        return other if provider.name in getattr(other, "providers", ()) else None
    from ._mock import mock_of

    return mock_of([provider])


def hosting_of(mock: "Mock | None") -> "Callable[[], bool]":
    """What tells whether plugins host images. None does while a mock answers: nothing leaves the machine then."""
    from ._plugins import installed
    from ._wire.carriage import nobody

    return installed().hosts_images if mock is None else nobody


def secret_for(provider: "Provider", key: str | None, mock: "Mock | None") -> "Secret":
    from ._engine.secret import Secret

    value = mock.key if mock is not None else os.environ.get(key_variable(provider.name)) if key is None else key
    if value is None or value == "":
        raise SettingsError(no_key(provider.name), provider=provider.name)
    return Secret(value, provider.key.header, provider.key.form)


def no_key(provider: str) -> str:
    """What to do about a key that is missing."""
    return (
        f"No key for {provider}. Give key=..., or set {key_variable(provider)}, or use a mock: mock=True, or --offline."
    )


def place_of(provider: "Provider", base_url: str | None, key: str | None, mock: "Mock | None") -> str:
    """Where the service is: what is given, what the environment says, or what the declaration says.

    The environment may not say where a key goes that it does not hold itself.
    """
    if base_url is not None:
        return base_url
    if mock is not None:
        return mock.base_url(provider.name)
    variable = place_variable(provider.name)
    place = os.environ.get(variable)
    if place and key is not None and not is_declared(provider, place):
        raise SettingsError(
            f"The key that is given as an argument does not go to {shown_address(place)}, which {variable} names: an "
            "argument is trusted more than the environment. Nothing was sent. Allowed: base_url=... as an argument, "
            f"too; the key in {key_variable(provider.name)}; or no {variable}.",
            provider=provider.name,
        )
    return place or provider.base_url


def held_back(provider: str, base_url: str, environ: Mapping[str, str]) -> str | None:
    """Why nothing is bought from a service that is no mock in this process, None if nothing stands against it.

    ``FLUXKIT_OFFLINE`` lets nothing pass, or with ``loopback``, as while a mock stands in, only what stays on this
    machine.
    """
    from ._wire.link import read_link

    said = environ.get("FLUXKIT_OFFLINE", "")
    if stand_in() is not None:
        said = LOOPBACK
    if said in ("", "0"):
        return None
    if said == LOOPBACK:
        with contextlib.suppress(ValueError):
            if read_link(base_url).loopback:
                return None
    if said != LOOPBACK:
        return f"FLUXKIT_OFFLINE is set, so nothing is bought from {provider}. Allowed: a mock; or unset it."
    return (
        f"Nothing is bought from {provider} at {shown_address(base_url)}: that is another machine, and a mock stands "
        f"in here, or FLUXKIT_OFFLINE is {LOOPBACK}. Allowed: a client that is made while the mock stands in and names "
        "no base_url; a base_url on this machine; in a test that is to buy in earnest the mark fluxkit_live; or no "
        "FLUXKIT_OFFLINE."
    )


def trusts(idempotency: str | None, provider: "Provider", place: str, *, told: bool) -> bool:
    """Whether a service is believed to know a submit again by its key.

    That is said of the service at one address: another one must be *told* by whoever says it, and not come from the
    environment.
    """
    check("idempotency", idempotency, idempotency in ("off", "trust"), '"off" or "trust"')
    if idempotency != "trust":
        return False
    if provider.idempotency is None:
        raise SettingsError(
            f'idempotency is "trust", and {provider.name} declares no key by which it knows a submit again. '
            'Allowed: "off".',
            provider=provider.name,
        )
    if not told and not is_declared(provider, place):
        raise SettingsError(
            f'idempotency is "trust", and that {provider.name} is at {shown_address(place)} is said by '
            f"{place_variable(provider.name)} alone: another host that speaks as it does need not keep its promises. "
            'Allowed: base_url=... beside it, if you know that this one does; or "off".',
            provider=provider.name,
        )
    return True


def is_declared(provider: "Provider", address: str) -> bool:
    """Whether the declaration of *provider* itself names the origin of *address*."""
    from ._wire.origins import admits

    return admits(provider, provider.base_url, address)


def shown_address(address: str) -> str:
    """An address as a message may show it: a password may stand before the host."""
    return f"{address.partition('://')[0]}://<hidden>@{address.rpartition('@')[2]}" if "@" in address else address


def address_of(base_url: str, *, insecure_http: bool = False) -> tuple[str, bool]:
    """The base URL without a slash at its end, and whether it is on this machine or in a private network."""
    from ._wire.link import read_link

    check("base_url", base_url, isinstance(base_url, str), "text, https://host/path")
    given = f"base_url is {shorten(base_url, 200)}"
    try:
        link = read_link(base_url)
    except ValueError as error:
        raise SettingsError(f"{given}: {error}. Allowed: https://host/path.") from None
    if link.named:  # not shown: a password may stand beside it
        raise SettingsError("base_url holds a user name. Allowed: https://host/path.")
    if "?" in base_url or "#" in base_url:  # paths are added to it, and behind these they would lead nowhere
        raise SettingsError(f"{given}. Allowed: https://host/path, without a query or a fragment.")
    if link.scheme != "https" and not link.loopback and not insecure_http:
        raise SettingsError(
            f"{given}. Allowed: https, or http to this machine; a key does not travel in the clear. To a mock on "
            "another machine it may: insecure_http = true."
        )
    return base_url.rstrip("/"), not link.public


def is_loopback(base_url: str) -> bool:
    """Whether a base URL is on this machine."""
    from ._wire.link import read_link

    return read_link(base_url).loopback


def hosts_of(allow_hosts: Any) -> frozenset[str]:
    """The hosts from which images may come although they are not public, in the one spelling that is compared."""
    from ._wire.link import read_host

    allowed = 'a list of host names without a port, such as ["images.intranet"]'
    check("allow_hosts", allow_hosts, isinstance(allow_hosts, Iterable) and not isinstance(allow_hosts, str), allowed)
    hosts = set()
    for host in allow_hosts or ():
        check("allow_hosts", [host], isinstance(host, str), allowed)
        try:
            hosts.add(read_host(host))
        except ValueError as error:
            raise SettingsError(f"allow_hosts holds {shorten(host)}: {error}. Allowed: {allowed}.") from None
    return frozenset(hosts)


def check(name: str, value: object, fits: bool, allowed: str) -> None:  # noqa: FBT001 - the verdict on the value
    """Refuses a setting that is given and does not fit."""
    if value is not None and not fits:
        raise SettingsError(f"{name} is {shorten(value)}. Allowed: {allowed}.")


def seconds_of(name: str, seconds: float) -> float:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < 10_000_000:
        raise SettingsError(f"{name} is {shorten(seconds)}. Allowed: seconds, more than 0 and less than 10,000,000.")
    return float(seconds)
