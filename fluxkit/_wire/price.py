"""What an image costs, where a service publishes it. Money is ``Decimal`` in US dollars, never a float."""

import math
from decimal import Decimal, InvalidOperation

import attrs

MEGAPIXEL = 1_048_576


def _amount(amount: str | Decimal) -> Decimal:
    try:
        read = Decimal(amount) if isinstance(amount, str | Decimal) else Decimal("NaN")
    except InvalidOperation:
        read = Decimal("NaN")
    if not read.is_finite() or read < 0:
        raise ValueError(f"{amount!r} is no amount: write it as text, as the price list prints it, such as '0.03'")
    return read


@attrs.frozen
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
