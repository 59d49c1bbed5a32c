"""Providers of the tests' own, brought as a plugin brings them."""

import types
from collections.abc import Sequence

import pytest

from fluxkit import _plugins, hookimpl
from fluxkit._plugins import Plugin, Registry
from fluxkit.provider import Provider


def bring(monkeypatch: pytest.MonkeyPatch, *providers: Provider, hooks: Sequence[tuple[str, object]] = ()) -> Registry:
    """Makes *providers* usable by name, beside the bundled ones, and *hooks* those of a plugin called ``brought``."""

    def fluxkit_providers() -> dict[str, Provider]:
        return {provider.name: provider for provider in providers}

    named = {**({"fluxkit_providers": fluxkit_providers} if providers else {}), **dict(hooks)}
    holder = types.SimpleNamespace(**{name: hookimpl(hook) for name, hook in named.items()})
    plugins = [*_plugins._discovered(), Plugin("brought", lambda: holder)]
    registry = Registry(plugins)
    monkeypatch.setattr(_plugins, "installed", lambda: registry)
    return registry
