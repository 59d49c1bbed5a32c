"""A plan: a request bound to a provider and a model, checked, before anything is sent."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import attrs

from .._contract.amount import Amount
from .._contract.by_fields import shown_by_fields
from .._contract.reference import Reference
from .._contract.report import Outcome, Report, Verdict, shorten, showable
from .._contract.request import Request
from .._contract.size import Point
from ..errors import ReferenceUnusable, SettingsError
from .carriage import Ways, nobody
from .declaration import Model, Provider
from .draft import FITS, ORDER, SIZE_FIELDS, WISHES, Draft, Fit
from .json import HEADERS, QUERY, Json, Unfit
from .options import pinpointed, settled
from .pending import Pending
from .price import Stated, stated_price
from .series import spread

#: The setting that says what becomes of wishes that a model cannot serve.
Unwanted = Mapping[str, str] | Literal["refuse"]

#: What a request is about. Nothing gives it up but the request itself.
SUBSTANCE = tuple(field for field in (*ORDER, "options") if field not in WISHES)


#: The field of a form in which a service is told what to sign the webhook of a request with.
SIGNING = "webhook_secret"


@shown_by_fields
@attrs.frozen(eq=False, repr=False)
class Plan:
    """What would be sent, what would come, and what it would cost. Nothing is sent by making one.

    ``point`` is the size, None where it is left to a service that does not say which it takes then.
    The address of a webhook gets a token of each submit in its query when it is sent.
    ``values`` are the fields as the provider's form takes them, one mapping for each of the ``n`` images. ``price`` is
    for all of them, None where it is unknown, which is not nothing.
    """

    provider: Provider
    model: Model
    request: Request
    base_url: str
    point: Point | None
    report: Report
    # What is sent may hold a secret, and whole images.
    values: tuple[Mapping[str, Any], ...] = attrs.field(repr=False)
    documents: tuple[Json, ...] = attrs.field(repr=False)
    price: Amount | None = None
    mocked: bool = False

    @property
    def body(self) -> Json:
        """The JSON body of the first submit; those of further images differ in their seed at most.

        In the place of an image stands what says how it will be sent, ``<base64 of sketch.png, 10.0 MB, ...>``.
        """
        return {key: value for key, value in self.documents[0].items() if key not in (HEADERS, QUERY)}

    @property
    def expected(self) -> tuple[tuple[int, int], ...]:
        """The pixel sizes that the image may have, the preferred one first; empty where nobody knows."""
        return () if self.point is None else self.point.expected

    @property
    def pixels(self) -> tuple[int, int] | tuple[None, None]:
        """The width and height that the image will most probably have; two times None where nobody knows."""
        return self.expected[0] if self.expected else (None, None)

    @property
    def output_format(self) -> str | None:
        """The format that was asked for and is sent, None if the service decides."""
        return self.values[0].get("output_format")

    @property
    def pending(self) -> tuple[Pending, ...]:
        """The references that are uploaded or fetched first, each once."""
        return tuple(dict.fromkeys(each for each in self.values[0].get("references", ()) if isinstance(each, Pending)))

    def settled(self, ready: Mapping[Pending, Reference]) -> "Plan":
        """The plan with *ready* references in the place of those that were pending.

        Raises ``ReferenceUnusable`` if the model does not take what they have become.
        """
        references = tuple(ready.get(each, each) for each in self.values[0]["references"])
        values = tuple({**each, "references": references} for each in self.values)
        try:
            document = self.model.request.write(values[0])
        except Unfit as error:
            name = f"{self.provider.name}:{self.model.name}"
            wrong = "; ".join(dict.fromkeys(shorten(each.given) for each in error.problems))
            allowed = "; ".join(dict.fromkeys(each.allowed for each in error.problems))
            raise ReferenceUnusable(
                f"{name} cannot take a reference as it was fetched: {wrong}. Nothing was bought. Allowed: {allowed}.",
                provider=self.provider.name,
                model=self.model.name,
            ) from None
        return attrs.evolve(self, values=values, documents=spread(self.model, document, values))

    def signed_with(self, secret: str | None) -> "Plan":
        """The plan that tells the service the *secret* to sign its webhook with, where that is said in the request.

        It is told nothing where no webhook is asked for, or the request says it itself.
        """
        values = self.values[0]
        wanted = secret is not None and "webhook_url" in values and SIGNING not in values
        if not wanted or self.model.form.get(SIGNING) is None:
            return self
        series = tuple({**each, SIGNING: secret} for each in self.values)
        try:
            document = self.model.request.write(series[0])
        except Unfit as error:
            allowed = "; ".join(dict.fromkeys(each.allowed for each in error.problems))
            raise SettingsError(
                f"The webhook_secret of {self.provider.name} (it is not shown) cannot be sent. Allowed: {allowed}.",
                provider=self.provider.name,
            ) from None
        secret = showable(SIGNING, secret)
        verdict = Verdict(SIGNING, Outcome.AS_ASKED, secret, secret, "the one of the profile or of the client")
        report = Report((*self.report, verdict))
        return attrs.evolve(self, values=series, documents=spread(self.model, document, series), report=report)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What is sent and may be shown nowhere."""
        texts = [(name, value) for name, value in self.values[0].items() if isinstance(value, str)]
        return tuple(value for name, value in texts if showable(name, value) != value)

    def __str__(self) -> str:
        width, height = self.pixels
        ratio = "" if self.point is None else f"{self.point.aspect} "
        size = f"{ratio}of the service's size" if width is None else f"{width}x{height} px"
        lines = [f"{self.provider.name}:{self.model.name}, {self.request.n} x {size}"]
        lines += [f"  {verdict}" for verdict in self.report]
        lines.append(f"  price: {'unknown' if self.price is None else self.price}")
        return "\n".join(lines)


def make_plan(
    provider: Provider,
    model: str,
    request: Request,
    *,
    base_url: str | None = None,
    fit: Fit = "close",
    unsupported: Unwanted | None = None,
    price: str | Stated | Mapping[str, str] | None = None,
    mocked: bool = False,
    hosting: Callable[[], bool] = nobody,
    allow_hosts: Iterable[str] = (),
) -> Plan:
    """Binds *request* to a model of *provider*: of several that share the name, to the first that can serve it.

    *fit* says what becomes of a size that the model does not have: ``"close"`` takes a ratio within 2 % and the nearest
    area, ``"exact"`` takes no deviation, ``"nearest"`` any. *unsupported* names the wishes to give up where the model
    cannot serve them: ``{"seed": "drop"}``; ``"refuse"`` gives up none. *price* is what one image costs, ``"0.03 USD"``
    or such texts by resolution, and takes the place of the declared price. *hosting* tells whether plugins host images,
    *allow_hosts* names the hosts that need not be public for an address to lead to them.

    Raises ``Unsupported``, naming every field that cannot be served, and ``SettingsError`` for wrong settings.
    """
    base_url = base_url or provider.base_url
    ways = Ways.of(base_url, provider.upload, hosting=hosting, allow_hosts=allow_hosts)
    draft = attempt(provider, model, request, fit=fit, unsupported=unsupported, ways=ways)
    stated = stated_price(price, provider.named(model))
    if draft.refusals:
        raise draft.refusal()
    return Plan(
        provider=provider,
        model=draft.row,
        request=request,
        base_url=base_url,
        point=draft.point,
        report=draft.report(),
        values=draft.values,
        documents=draft.documents,
        price=draft.price(stated),
        mocked=mocked,
    )


def attempt(
    provider: Provider,
    model: str,
    request: Request,
    *,
    fit: Fit = "close",
    unsupported: Unwanted | None = None,
    ways: Ways | None = None,
) -> Draft:
    """What becomes of *request* on a model, also where it is refused: of several that share the name, the best draft.

    *ways* are those that are open to references; without them, those that the service itself has.

    Raises ``SettingsError`` for wrong settings.
    """
    drops = wishes_to_drop(unsupported)
    if fit not in FITS:
        raise SettingsError(f"fit is {shorten(fit)}. Allowed: {', '.join(FITS)}.")
    rows = provider.named(model)
    if not rows:
        known = ", ".join(dict.fromkeys(row.name for row in provider.models))
        raise SettingsError(f"{provider.name} has no model {shorten(model)}. Allowed: {known}.", provider=provider.name)
    ways = ways or Ways(upload=provider.upload)
    drafts = [Draft(provider, row, settled(request, row), fit=fit, drops=drops, ways=ways) for row in rows]
    best = min(drafts, key=lambda draft: len(draft.refusals))  # the first that refuses nothing, if there is one
    return pinpointed(best) if best.refusals else best


def wishes_to_drop(unsupported: Unwanted | None) -> frozenset[str]:
    """The wishes that the setting ``unsupported`` gives up. Raises ``SettingsError`` for what it cannot say."""
    if unsupported is None or unsupported == "refuse":
        return frozenset()
    allowed = f'"refuse", or a mapping such as {{"seed": "drop"}} of {", ".join(WISHES)}, each "drop" or "refuse"'
    if not isinstance(unsupported, Mapping):
        raise SettingsError(f"unsupported is {shorten(unsupported)}. Allowed: {allowed}.")
    for field, what in unsupported.items():
        if field in SUBSTANCE:
            raise SettingsError(
                f"unsupported has {shorten(field)}: {shorten(what)}, and {field} is substance: without it the image "
                f"would be another one than was asked for, so it is never dropped{_way_out(field)}. Allowed: {allowed}."
            )
        if field not in WISHES or what not in ("drop", "refuse"):
            raise SettingsError(f"unsupported has {shorten(field)}: {shorten(what)}. Allowed: {allowed}.")
    return frozenset(field for field, what in unsupported.items() if what == "drop")


def _way_out(field: str) -> str:
    """What a user may want who asks for a field of substance to be dropped."""
    if field in SIZE_FIELDS:
        return '; the nearest size is taken with fit = "nearest"'
    return "; leave it out of the request" if field != "prompt" else ""
