"""The hooks that a plugin may implement, and the mark of an implementation.

``fluxkit_providers`` imports this module for its mark, so it imports pluggy and nothing else.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from datetime import datetime

    from ._contract.event import Event
    from ._contract.reference import Reference
    from ._wire.declaration import Provider

#: The prefix of every hook, and the entry point group in which plugins are found.
PROJECT = "fluxkit"

#: What a plugin may implement.
HOOKS = ("fluxkit_providers", "fluxkit_host_image", "fluxkit_event")

hookspec = pluggy.HookspecMarker(PROJECT)

hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a plugin's function as the implementation of a hook of fluxkit."""


class Hooks:
    """What a plugin may implement: one of these at least, each once at most."""

    @hookspec(firstresult=True)
    def fluxkit_providers(self) -> "Mapping[str, str | Provider]":  # type: ignore[empty-body]
        """The providers of this plugin by name: each a ``Provider``, or ``"package.module:NAME"`` where one stands.

        The second form is loaded when the provider is first asked for, which keeps the start of every program fast.
        """

    @hookspec(firstresult=True)
    def fluxkit_host_image(self, image: "Reference") -> "str | tuple[str, datetime | float | None] | None":
        """The address at which *image* can be fetched by a service now, or None to leave it to others.

        Beside the address, as a pair, may stand until when it lives: a time with its zone, or seconds since the epoch.
        """

    @hookspec
    def fluxkit_event(self, event: "Event") -> None:
        """Hears of what happens in every client of this process: each submit, poll, webhook, download, and its outcome.

        It is called where the client works, on its thread or its event loop, so it must not wait for anything.
        """
