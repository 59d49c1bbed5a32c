"""Prices: exact to the last digit, unknown where nobody says them, and never a float."""

from decimal import ROUND_CEILING, Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxkit import Amount, Client
from fluxkit._binding import plan_of
from fluxkit._contract.request import Request
from fluxkit._wire.plan import make_plan
from fluxkit._wire.price import MEGAPIXEL, PerMegapixel, stated_price
from fluxkit.errors import SettingsError
from fluxkit.provider import Canvas, Provider
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.magnific import MAGNIFIC

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


# What a user states

ROWS = {
    "a grid": MAGNIFIC.named("flux-2-klein"),
    "a canvas": MAGNIFIC.named("flux-2-pro"),
    "a table": APIMART.named("flux-2-flex"),
}


def stating(price: Any, *, provider: Provider = APIMART, model: str = "flux-2-flex", **fields: Any) -> str:
    return str(make_plan(provider, model, Request("a fox", **fields), price=price).price)


def test_a_stated_price_is_for_each_image_whatever_its_size() -> None:
    assert ["0.03 USD", "0.03 USD", "0.12 USD"] == [
        stating("0.03 USD", **fields) for fields in ({}, {"resolution": "2K"}, {"n": 4})
    ]
    assert "0.03 EUR" == stating("0.03 EUR", provider=MAGNIFIC, model="flux-2-pro", size="256x256")
    assert "0.03 EUR" == stating(Amount.parse("0.03 EUR"))


def test_a_price_by_resolution_is_that_of_the_size_that_comes_and_else_unknown() -> None:
    prices = {"1K": "0.03 USD"}
    assert ["0.03 USD", "0.03 USD", "0.06 USD", "None"] == [
        stating(prices, **fields) for fields in ({}, {"aspect": "16:9"}, {"n": 2}, {"resolution": "2K"})
    ]


def test_a_stated_price_takes_the_place_of_the_declared_one_also_where_that_would_be_known() -> None:
    row = attrs.evolve(APIMART.models[0], price=PRICE)
    provider = attrs.evolve(APIMART, models=(row,))
    assert "0.045 USD" == stating(None, provider=provider)
    assert "1 EUR" == stating("1 EUR", provider=provider)
    assert "None" == stating({"2K": "1 EUR"}, provider=provider)


def test_a_price_is_known_where_one_is_stated_for_any_size_and_nobody_knows_the_size() -> None:
    row = attrs.evolve(MAGNIFIC.models[1], sizes=Canvas(range(8, 99), range(8, 99)))
    provider = attrs.evolve(MAGNIFIC, models=(row,))
    assert "0.03 USD" == stating("0.03 USD", provider=provider, model=row.name)
    assert make_plan(provider, row.name, Request("a fox")).price is None


@pytest.mark.parametrize(
    ("rows", "price", "said"),
    [
        ("a grid", {"4K": "1 USD", "3K": 2}, """price names '4K', '3K'. Allowed: 1K, 2K, or one text for any image"""),
        ("a table", {"1k": "1 USD"}, "price names '1k'. Allowed: 1K, 2K, or one text for any image"),
        ("a table", {7: "1 USD"}, "price names 7. Allowed: 1K, 2K, or one text for any image"),
        ("a table", {}, "price is empty. Allowed: 1K, 2K, or one text for any image"),
        ("a canvas", {"1K": "1 USD"}, "price names '1K'. Allowed: one text, because this model names no resolutions"),
        ("a canvas", {}, "price is empty. Allowed: one text, because this model names no resolutions"),
        ("a grid", 0.03, 'price is 0.03. Allowed: text with a number and a currency, such as "0.03 USD"'),
        ("a grid", "0.03", "price is '0.03'. Allowed: text with a number and a currency, such as \"0.03 USD\""),
        ("a grid", ["1 USD"], "price is ['1 USD']. Allowed: text"),
        ("a grid", {"1K": 0.03}, 'price of "1K" is 0.03. Allowed: text'),
        ("a grid", {"1K": None}, 'price of "1K" is None. Allowed: text'),
    ],
)
def test_a_stated_price_that_is_none_names_what_is_allowed(rows: str, price: Any, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        stated_price(price, ROWS[rows])
    assert str(caught.value).startswith(said)


def test_a_price_that_was_read_is_taken_as_it_is() -> None:
    for price in ("0.03 USD", {"1K": "0.03 USD", "2K": "0.05 USD"}):
        read = stated_price(price, ROWS["a grid"])
        assert read == stated_price(read, ROWS["a grid"])
    assert stated_price(None, ROWS["a grid"]) is None


def test_a_client_refuses_a_wrong_price_before_it_is_used_and_plans_with_a_right_one() -> None:
    with pytest.raises(SettingsError, match="price names '4K'"):
        Client("apimart:flux-2-flex", mock=True, price={"4K": "1 USD"})
    client = Client("apimart:flux-2-flex", mock=True, price={"2K": "0.05 USD"})
    assert (None, Amount.parse("0.10 USD")) == (client.plan("a").price, client.plan("a", resolution="2k", n=2).price)
    assert Amount.parse("1 USD") == plan_of("apimart:flux-2-flex", Request("a"), price="1 USD").price
