"""Which profile a command line means, and what its options say over it."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .given import drops_of, read_key

if TYPE_CHECKING:
    from .._settings.found import Settings
    from .._settings.profile import Profile

#: The options that say the same as a key of a profile, by the argument of a client that both become.
OPTIONS: Mapping[str, str] = {
    "provider": "-p",
    "key": "--key-file",
    "base_url": "--base-url",
    "mock": "--offline",
    "fit": "--fit",
    "unsupported": "--drop",
    "timeout": "--timeout",
    "allow_hosts": "--allow-host",
    "journal": "--journal",
    "budget": "--budget",
    "idempotency": "--idempotency",
}


def profile_of(given: Mapping[str, Any]) -> "Profile":
    """The profile that is named or the default one, under what the options say. A key is read if one is of use."""
    from .._settings.arguments import working_directory
    from .._settings.found import find_settings

    taken = ("provider", "base_url", "fit", "timeout", "journal", "budget", "idempotency")
    said = {name: given[name] for name in taken if given.get(name) is not None}
    if given.get("allow_hosts"):
        said["allow_hosts"] = list(given["allow_hosts"])
    if drops := drops_of(given):
        said["unsupported"] = drops
    if given.get("offline") is not None:
        said["mock"] = given["offline"]
    settings = find_settings(working_directory(), os.environ)
    profile = profile_in(settings, given["profile"], said)
    if given.get("key_file") is None or profile.mocked:
        return profile
    return profile_in(settings, given["profile"], {**said, "key": read_key(given["key_file"])})


def profile_in(settings: "Settings", name: str | None, said: Mapping[str, Any]) -> "Profile":
    """The profile called *name*, or the default one, under what the options say."""
    from .._settings.arguments import spoken
    from .._settings.profile import choose
    from .._settings.source import Level, Setting, Source

    stack, _ = spoken(said, lambda argument: Source(Level.OPTION, OPTIONS[argument]))
    profile = None if name is None else Setting(name, Source(Level.OPTION, "--profile"))
    return choose(settings, os.environ, profile=profile, given=[stack])
