"""Every check on one provider: as findings, or as one error that names all that fail."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from .._wire.declaration import Provider
from .._wire.samples import samples_of
from ..errors import PluginError, SettingsError
from .check import Pair
from .checks import CHECKS
from .conduct import Conduct
from .finding import Deviation, Finding, Grade, deviations_of
from .live import LIVE

if TYPE_CHECKING:
    from .._plugins import Registry

Deviations = Iterable[Deviation | Mapping[str, Any]]


def find_all(
    provider: Provider,
    *,
    mock: Provider | None = None,
    deviations: Deviations = (),
    conduct: Conduct | None = None,
) -> tuple[Finding, ...]:
    """What every standard check finds about *provider*, in their order.

    The mock is one of *mock*, where that is another declaration. Raises ``SettingsError`` if a deviation is of no
    check, or no mock or no hypothesis is installed; ``PluginError`` if the declared samples cannot be read.
    """
    try:
        import hypothesis  # noqa: F401 - a check that cannot be made must not look like a broken promise
    except ImportError as error:
        raise SettingsError(
            "The checks need hypothesis, which is not installed. Install it: pip install 'fluxkit-py[testing]'."
        ) from error
    known = deviations_of(deviations, [*(check.name for check in CHECKS), *(check.name for check in LIVE)])
    pair = Pair(provider, provider if mock is None else mock, samples_of(provider), conduct)
    found = (check.find(pair) for check in CHECKS)
    return tuple(attrs.evolve(each, known=known.get(each.check)) for each in found)


def check_provider(
    provider: Provider | str, *, samples: str | os.PathLike[str] | None = None, deviations: Deviations = ()
) -> tuple[Finding, ...]:
    """Proves that a provider keeps the contract: every standard check, a client of it against a mock of it.

    ::

        def test_contract():
            check_provider(ACME, samples="samples/acme.json")

    Args:
        provider: The declaration, or the name of an installed provider.
        samples: The file of recorded exchanges, if it is not the one that the declaration names.
        deviations: Promises that are known to be broken, each a ``Deviation`` or a mapping of ``check``, ``reason`` and
            ``date``.

    Raises:
        AssertionError: Checks fail of which no deviation is known, or a deviation is known of one that does not fail;
            all are named.
        SettingsError: An argument is wrong, or no mock is installed.
        PluginError: The provider or its samples cannot be loaded.
    """
    if isinstance(provider, str):
        from .._plugins import installed

        provider = installed().provider(provider)
    if not isinstance(provider, Provider):
        raise SettingsError(
            f"provider is {provider!r:.60}. Allowed: a declaration, or the name of an installed provider."
        )
    if samples is not None:
        provider = attrs.evolve(provider, samples=f"file:{Path(samples).absolute()}")
    findings = find_all(provider, deviations=deviations)
    if surprises := [each for each in findings if each.surprising]:
        lines = "\n".join(_shown(each) for each in surprises)
        raise AssertionError(f"{provider.name} breaks the contract, in {len(surprises)} of {len(findings)}:\n{lines}")
    return findings


def _shown(finding: Finding) -> str:
    details = finding.details.replace("\n", "\n    ")
    return f"- {finding}\n    {details}" if details and finding.outcome is Grade.FAIL else f"- {finding}"


@attrs.frozen
class Proof:
    """What came of a provider that was to be checked: findings, or *trouble*, which is why there are none.

    *origin* is the plugin that brings it.
    """

    name: str
    origin: str = ""
    provider: Provider | None = None
    findings: tuple[Finding, ...] = ()
    trouble: str = ""

    @property
    def surprises(self) -> tuple[Finding, ...]:
        """The findings about which somebody has to do something."""
        return tuple(each for each in self.findings if each.surprising)

    def count(self, grade: Grade) -> int:
        """How many checks ended so."""
        return sum(each.outcome is grade for each in self.findings)


def prove(registry: "Registry", name: str, deviations: Deviations = ()) -> Proof:
    """What the checks find about an installed provider. One that cannot be loaded is trouble, and no error."""
    try:
        provider, origin = registry.provider(name), registry.owner(name).origin
        return Proof(name, origin, provider, find_all(provider, deviations=deviations))
    except PluginError as error:
        if name in registry.names:
            return Proof(name, trouble=error.message)
        # The reasons are told of the plugins themselves.
        return Proof(
            name, trouble=f"{registry.missing(name)} It may be missing because of a plugin that cannot be used."
        )
    except SettingsError as error:
        if name in registry.names:  # no mock, or a deviation of no check: that is nobody's plugin
            raise
        return Proof(name, trouble=error.message)
