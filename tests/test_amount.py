"""Amounts of money: exact, of one currency, and never a float."""

import decimal
import json
import pickle
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fluxkit
from fluxkit import Amount

NUMBERS = st.decimals(0, 10**12, places=6, allow_nan=False, allow_infinity=False).filter(lambda number: number < 10**12)
AMOUNTS = st.builds(Amount, NUMBERS, st.sampled_from(["USD", "EUR"]))


@given(AMOUNTS)
def test_what_is_written_is_read_again(amount: Amount) -> None:
    assert amount == Amount.parse(str(amount))
    assert str(amount) == str(Amount.parse(str(amount)))
    assert amount == pickle.loads(pickle.dumps(amount))


@given(st.lists(NUMBERS, min_size=1, max_size=5))
def test_sums_are_exact_whatever_the_thread_rounds_to(numbers: list[Decimal]) -> None:
    with decimal.localcontext(prec=50):
        expected = sum(numbers, Decimal(0))
    with decimal.localcontext(prec=2):
        total = Amount(numbers[0], "USD")
        for number in numbers[1:]:
            total += Amount(number, "USD")
    assert Amount(expected, "USD") == total


@given(NUMBERS, st.integers(0, 100))
def test_times_is_that_many_added(number: Decimal, times: int) -> None:
    amount, total = Amount(number, "EUR"), Amount(Decimal(0), "EUR")
    for _ in range(times):
        total += amount
    assert total == amount * times == times * amount


def test_equal_amounts_are_equal_however_they_are_written() -> None:
    assert Amount.parse("0.030 USD") == Amount.parse("0.03 USD")
    assert 1 == len({Amount.parse("3 EUR"), Amount.parse("3.00 EUR")})
    assert Amount.parse("3 EUR") != Amount.parse("3 USD")


def test_a_number_is_written_without_an_exponent() -> None:
    assert ["1000 USD", "0.0000001 USD"] == [str(Amount(Decimal(text), "USD")) for text in ("1E+3", "1E-7")]


@pytest.mark.parametrize(
    "text",
    [
        *("", "0.03", "USD", "USD 0.03", "$0.03", "0,03 USD", "0.03USD", "0.03  USD", " 0.03 USD", "0.03 USD\n"),
        *("-0.03 USD", "+0.03 USD", ".03 USD", "3. USD", "1e3 USD", "nan USD", "0.03 usd", "0.03 US", "0.03 DOLLAR"),
        *("\u0661 USD", "1_000 USD", f"{10**12} USD", 0.03, 1, None, b"0.03 USD", Decimal("0.03")),
    ],
)
def test_what_is_no_amount_is_refused_with_an_example(text: Any) -> None:
    with pytest.raises(
        ValueError, match=r"is no amount: write a number and a currency as one text, such as '0\.03 USD'"
    ):
        Amount.parse(text)


@pytest.mark.parametrize("number", [0.03, 1, "0.03", None, Decimal("-0.01"), Decimal("NaN"), Decimal("Infinity")])
def test_only_a_decimal_that_is_not_negative_is_a_number(number: Any) -> None:
    with pytest.raises(ValueError, match="give a Decimal that is not negative"):
        Amount(number, "USD")


@pytest.mark.parametrize("currency", ["usd", "US", "DOLLAR", "", None, "U$D", "USD\n"])
def test_a_currency_is_three_capital_letters(currency: Any) -> None:
    with pytest.raises(ValueError, match="three capital letters"):
        Amount(Decimal(1), currency)


def test_two_currencies_do_not_add_up() -> None:
    with pytest.raises(ValueError, match=r"^1 USD and 2 EUR are of two currencies, which do not add up$"):
        Amount.parse("1 USD") + Amount.parse("2 EUR")


@pytest.mark.parametrize("times", [0.5, True, Decimal(2), "2", None])
def test_amounts_are_multiplied_by_whole_numbers_only(times: Any) -> None:
    with pytest.raises(TypeError):
        Amount.parse("1 USD") * times
    with pytest.raises(TypeError):
        times * Amount.parse("1 USD")


def test_there_is_no_negative_amount() -> None:
    with pytest.raises(ValueError, match="not negative"):
        Amount.parse("1 USD") * -1


@pytest.mark.parametrize("other", [1, 0.5, Decimal(1), "1 USD", None])
def test_only_an_amount_is_added_to_an_amount(other: Any) -> None:
    with pytest.raises(TypeError):
        Amount.parse("1 USD") + other


def test_a_result_says_its_cost_with_the_currency_in_json() -> None:
    result = fluxkit.Result("acme", "one", (), cost=Amount.parse("0.03 USD"))
    assert "0.03 USD" == json.loads(json.dumps(result.to_dict()))["cost"]
