"""What an image costs: as the service publishes it, in US dollars, or as the user states it. Never a float."""

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import attrs

from .._contract.amount import DOLLARS, Amount
from .._contract.by_fields import by_fields
from .._contract.report import shorten
from .._contract.size import Point
from ..errors import SettingsError
from .declaration import Model

MEGAPIXEL = 1_048_576


def _amount(amount: str | Decimal) -> Decimal:
    try:
        read = Decimal(amount) if isinstance(amount, str | Decimal) else Decimal("NaN")
    except InvalidOperation:
        read = Decimal("NaN")
    if not read.is_finite() or read < 0:
        raise ValueError(f"{amount!r} is no amount: write it as text, as the price list prints it, such as '0.03'")
    return read


@by_fields
@attrs.frozen(eq=False, repr=False)
class PerMegapixel:
    """So much for the first megapixel, and so much for each further one begun.

    Amounts are texts in *unit* dollars, as the price list prints them. Raises ``ValueError`` for what is no amount.
    """

    first: Decimal = attrs.field(converter=_amount)
    further: Decimal = attrs.field(converter=_amount)
    unit: Decimal = attrs.field(converter=_amount, default=Decimal(1))

    def of(self, pixels: tuple[int, int], references: int) -> Decimal | None:
        """US dollars for an image of *pixels*; unknown with references, which are priced by sizes of their own."""
        if references:
            return None
        further = max(0, math.ceil(pixels[0] * pixels[1] / MEGAPIXEL) - 1)
        return (self.first + further * self.further) * self.unit


#: What a user may state of a price: one for any image, or one for each resolution that the model names.
Stated = Amount | Mapping[str, Amount]


def stated_price(price: Any, rows: Sequence[Model]) -> Stated | None:
    """The price that a user states for the models *rows*, read and checked; what was read before is taken as it is.

    Raises ``SettingsError`` for what is no amount, and for resolutions that none of the models has.
    """
    if price is None:
        return None
    if not isinstance(price, Mapping):
        return _amount_of("price", price)
    names = dict.fromkeys(name for row in rows for name in row.sizes.resolutions)
    unknown = [shorten(name) for name in price if name not in names]
    if unknown or not price:
        what = f"price names {', '.join(unknown)}" if unknown else "price is empty"
        allowed = f"{', '.join(names)}, or one text" if names else "one text, because this model names no resolutions"
        raise SettingsError(f'{what}. Allowed: {allowed} for any image, such as "0.03 USD".')
    return {name: _amount_of(f'price of "{name}"', amount) for name, amount in price.items()}


def _amount_of(name: str, price: Any) -> Amount:
    if isinstance(price, Amount):
        return price
    try:
        return Amount.parse(price)
    except ValueError:
        raise SettingsError(
            f"{name} is {shorten(price)}. "
            'Allowed: text with a number and a currency, such as "0.03 USD"; or such texts by resolution.'
        ) from None


def price_of(row: Model, point: Point | None, references: int, stated: Stated | None) -> Amount | None:
    """What one image costs, None where it is unknown. What is *stated* takes the place of what is declared."""
    if isinstance(stated, Amount):
        return stated
    if point is None:
        return None
    if stated is not None:
        return stated.get(point.resolution or "")
    number = None if row.price is None or not point.known else row.price.of(point.pixels, references)
    return None if number is None else Amount(number, DOLLARS)
