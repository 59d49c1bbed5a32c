"""Prices: exact to the last digit, unknown where nobody says them, and never a float."""

from decimal import ROUND_CEILING, Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxkit._wire.price import MEGAPIXEL, PerMegapixel

PRICE = PerMegapixel("0.03", "0.015")


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        ((1, 1), "0.03"),
        ((1024, 1023), "0.03"),
        ((1024, 1024), "0.03"),
        ((1024, 1025), "0.045"),
        ((1048577, 1), "0.045"),
        ((2048, 1024), "0.045"),
        ((1440, 1440), "0.045"),
        ((2048, 1168), "0.06"),
        ((2048, 2048), "0.075"),
        ((2049, 2048), "0.09"),
        ((99_999, 99_999), "143.07"),
    ],
    ids=str,
)
def test_first_megapixel_has_its_price_and_each_further_one_begun_another(
    pixels: tuple[int, int], expected: str
) -> None:
    assert Decimal(expected) == PRICE.of(pixels, 0)


@pytest.mark.parametrize("references", [1, 4, 8])
def test_price_with_references_is_unknown_which_is_not_nothing(references: int) -> None:
    assert PRICE.of((1024, 1024), references) is None


def test_price_of_nothing_is_known() -> None:
    assert Decimal(0) == PerMegapixel("0", "0").of((2048, 2048), 0)


def test_amounts_may_be_counted_in_a_unit_of_the_service() -> None:
    cents = PerMegapixel("3", "1.5", unit="0.01")
    assert PRICE.of((2048, 2048), 0) == cents.of((2048, 2048), 0)
    assert Decimal("0.075") == cents.of((2048, 2048), 0)


@given(st.integers(1, 99_999), st.integers(1, 99_999))
def test_price_is_exact_and_never_falls_with_the_area(width: int, height: int) -> None:
    begun = (Decimal(width * height) / MEGAPIXEL).to_integral_value(ROUND_CEILING)
    price = PRICE.of((width, height), 0)
    assert Decimal("0.03") + (begun - 1) * Decimal("0.015") == price
    assert isinstance(price, Decimal)
    assert price == PRICE.of((height, width), 0)
    assert price <= (PRICE.of((width + 1, height), 0) or 0)


@pytest.mark.parametrize("field", ["first", "further", "unit"])
@pytest.mark.parametrize("amount", ["", "0,03", "$0.03", "0.03 USD", "-0.01", "nan", "Infinity", 0.03, 1, None, b"1"])
def test_what_is_no_amount_is_refused_where_it_is_declared(field: str, amount: Any) -> None:
    with pytest.raises(ValueError) as caught:
        attrs.evolve(PRICE, **{field: amount})
    said = f"{amount!r} is no amount: write it as text, as the price list prints it, such as '0.03'"
    assert said == str(caught.value)


def test_equal_prices_are_equal() -> None:
    assert PRICE == PerMegapixel("0.030", "0.0150", unit="1.0") == attrs.evolve(PRICE)
    assert 1 == len({PRICE, PerMegapixel("0.030", "0.0150")})
