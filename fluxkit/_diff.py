"""What switching a model would change, before it is done: two drafts of one request, compared. Nothing is sent."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ._asked import requested
from ._contract.request import Request
from ._service import hosting_of, hosts_of, mock_for, named, place_of
from .errors import SettingsError

if TYPE_CHECKING:
    from ._wire.diff import Diff
    from ._wire.draft import Draft, Fit
    from ._wire.plan import Unwanted
    from ._wire.price import Stated


def diff(
    request: Request | str,
    a: str,
    b: str,
    *,
    fit: "Fit | None" = None,
    unsupported: "Unwanted | None" = None,
    allow_hosts: Iterable[str] | None = None,
) -> "Diff":
    """What would change if *request* moved from *a* to *b*, each a model as ``"provider:model"``, or a profile's name.

    ::

        print(fluxkit.diff("a fox", "magnific:flux-2-pro", "apimart:flux-2-flex"))

    The value says of every field what each of the two does with it, what would come and what it would cost, and whether
    *b* can serve the request as it stands (``switchable``) and as well as *a* does (``lossless``). Neither has to be
    able to serve it. It needs no key, and nothing is sent. *fit*, *unsupported* and *allow_hosts* are those of a client
    and come before what a profile says.

    Raises ``SettingsError`` if a provider, a model, a profile or a setting is wrong.
    """
    from ._wire.compare import compare

    said: dict[str, Any] = {"fit": fit, "unsupported": unsupported}
    if allow_hosts is not None:
        said["allow_hosts"] = hosts_of(allow_hosts)  # both sides look at it, and it may be used up by the first
    (before, price), (after, other) = (side_of(name, request, said) for name in (a, b))
    return compare(before, after, (price, other))


def side_of(name: str, request: Request | str, said: Mapping[str, Any]) -> "tuple[Draft, Stated | None]":
    """What becomes of the request on the model or profile that *name* stands for, and the price that is stated."""
    from ._wire.carriage import Ways
    from ._wire.plan import attempt
    from ._wire.price import stated_price

    said = {setting: value for setting, value in said.items() if value is not None}
    is_profile = isinstance(name, str) and ":" not in name
    facts: dict[str, Any] = _profile(name, said) if is_profile else {"provider": name, **said}
    provider, row = named(facts["provider"])
    wanted = requested(request, {}, facts.get("defaults"))
    mock = mock_for(provider, facts.get("mock", False), facts.get("base_url"))
    place = place_of(provider, facts.get("base_url"), None, mock)
    hosts = hosts_of(facts.get("allow_hosts", ()))
    ways = Ways.of(place, provider.upload, hosting=hosting_of(mock), allow_hosts=hosts)
    draft = attempt(
        provider,
        row.name,
        wanted,
        fit=facts.get("fit", "close"),
        unsupported=facts.get("unsupported"),
        ways=ways,
    )
    return draft, stated_price(facts.get("price"), provider.named(row.name))


def _profile(name: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """What a profile says, below what is *said* here, by the arguments of a client; no key is read.

    A provider's name alone is no model's.
    """
    import os

    from ._plugins import installed
    from ._settings.arguments import client_arguments, refuse, spoken, working_directory
    from ._settings.found import find_settings, unknown
    from ._settings.profile import choose
    from ._settings.source import Level, Setting, Source

    settings = find_settings(working_directory(), os.environ)
    refuse(tuple(map(SettingsError, settings.problems)))
    if name not in settings.profiles:
        if name in installed().names:
            return {"provider": name, **said}
        raise SettingsError(
            f'What is compared {unknown("profile", name, settings.profiles)} A model is named "provider:model".'
        )
    chosen = Setting(name, Source(Level.ARGUMENT, "the name to compare"))
    stack, _ = spoken(said, lambda argument: Source(Level.ARGUMENT, f"the argument {argument}"))
    found = choose(settings, os.environ, profile=chosen, given=[stack])
    refuse(found.problems)
    return client_arguments(found, os.environ, keyless=True)
