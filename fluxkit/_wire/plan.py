"""A plan: a request bound to a provider and a model, checked, before anything is sent."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import attrs

from .._contract.report import Report, shorten
from .._contract.request import Request
from .._contract.size import Point
from ..errors import SettingsError
from .declaration import Model, Provider
from .draft import FITS, WISHES, Draft, Fit
from .json import HEADERS, QUERY, Json


@attrs.frozen(eq=False)
class Plan:
    """What would be sent, what would come, and what it would cost. Nothing is sent by making one.

    ``point`` is the size, None where it is left to a service that does not say which it takes then.
    The address of a webhook gets a token of each submit in its query when it is sent.
    ``values`` are the fields as the provider's form takes them, one mapping for each of the ``n`` images. ``price`` is
    for all of them in US dollars, None where it is unknown, which is not nothing.
    """

    provider: Provider
    model: Model
    request: Request
    base_url: str
    point: Point | None
    report: Report
    values: tuple[Mapping[str, Any], ...]
    documents: tuple[Json, ...]
    price: Decimal | None = None
    mocked: bool = False

    @property
    def body(self) -> Json:
        """The JSON body of the first submit; those of further images differ in their seed at most."""
        return {key: value for key, value in self.documents[0].items() if key not in (HEADERS, QUERY)}

    @property
    def expected(self) -> tuple[tuple[int, int], ...]:
        """The pixel sizes that the image may have, the preferred one first; empty where nobody knows."""
        return () if self.point is None else self.point.expected

    @property
    def pixels(self) -> tuple[int, int] | tuple[None, None]:
        """The width and height that the image will most probably have; two times None where nobody knows."""
        return (None, None) if self.point is None else self.point.pixels

    @property
    def output_format(self) -> str | None:
        """The format that was asked for and is sent, None if the service decides."""
        return self.values[0].get("output_format")

    def __str__(self) -> str:
        size = "of the service's size" if self.point is None else f"{self.point.width}x{self.point.height} px"
        lines = [f"{self.provider.name}:{self.model.name}, {self.request.n} x {size}"]
        lines += [f"  {verdict}" for verdict in self.report]
        lines.append(f"  price: {'unknown' if self.price is None else f'{self.price} USD'}")
        return "\n".join(lines)


def make_plan(
    provider: Provider,
    model: str,
    request: Request,
    *,
    base_url: str | None = None,
    fit: Fit = "close",
    unsupported: Mapping[str, str] | None = None,
    mocked: bool = False,
) -> Plan:
    """Binds *request* to a model of *provider*: of several that share the name, to the first that can serve it.

    *fit* says what becomes of a size that the model does not have: ``"close"`` takes a ratio within 2 % and the nearest
    area, ``"exact"`` takes no deviation, ``"nearest"`` any. *unsupported* names the wishes to give up where the model
    cannot serve them: ``{"seed": "drop"}``.

    Raises ``Unsupported``, naming every field that cannot be served, and ``SettingsError`` for wrong settings.
    """
    drops = _drops(unsupported or {})
    if fit not in FITS:
        raise SettingsError(f"fit is {shorten(fit)}. Allowed: {', '.join(FITS)}.")
    rows = provider.named(model)
    if not rows:
        known = ", ".join(dict.fromkeys(row.name for row in provider.models))
        raise SettingsError(f"{provider.name} has no model {shorten(model)}. Allowed: {known}.", provider=provider.name)
    drafts = [Draft(provider, row, request, fit, drops) for row in rows]
    draft = next((draft for draft in drafts if not draft.refusals), None)
    if draft is None:
        raise min(drafts, key=lambda draft: len(draft.refusals)).refusal()
    return Plan(
        provider=provider,
        model=draft.row,
        request=request,
        base_url=base_url or provider.base_url,
        point=draft.point,
        report=draft.report(),
        values=draft.values,
        documents=draft.documents,
        price=draft.price(),
        mocked=mocked,
    )


def _drops(unsupported: Mapping[str, str]) -> frozenset[str]:
    for field, what in unsupported.items():
        if field not in WISHES or what not in ("drop", "refuse"):
            raise SettingsError(
                f"unsupported has {shorten(field)}: {shorten(what)}. "
                f"Allowed: {', '.join(WISHES)}, each 'drop' or 'refuse'; all else is substance and never dropped."
            )
    return frozenset(field for field, what in unsupported.items() if what == "drop")
