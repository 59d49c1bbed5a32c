"""Signatures of webhooks: what is signed is believed, whatever was changed is not, and no header breaks anything."""

import base64
import datetime as dt
import math
from collections.abc import Mapping
from typing import Any

import attrs
import pytest
import standardwebhooks
from hypothesis import assume, given
from hypothesis import strategies as st

from fluxkit._wire.signatures import WINDOW, check_secret, lower
from fluxkit.errors import SettingsError, WebhookUnusable
from fluxkit.provider import HexHMAC, StandardWebhook, Unsigned

AT = 1_767_225_600.0
TEXT, DECODED = StandardWebhook(keys=["text"]), StandardWebhook(keys=["base64"])
EITHER = StandardWebhook(keys=["text", "base64"])
HEX = HexHMAC(header="X-BFL-Signature", prefix="sha256=")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

SIGNED = [TEXT, DECODED, EITHER, HEX, HexHMAC(header="x-signature")]
each_signed = pytest.mark.parametrize("signature", SIGNED, ids=repr)

IDS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=64)
TIMES = st.floats(1e9, 4e9)
ODD = ["v1,", "v1,\0", "sha256=", "1", "-1", "1e9", "١٧٦٧٢٢٥٦٠٠", "9" * 400, "1767225600", "v1,ä v1,\ud800"]
SECRETS = st.binary(min_size=1, max_size=80).map(lambda key: "whsec_" + base64.b64encode(key).decode())


def reason(signature: Any, headers: Mapping[str, str], body: bytes, *, secret: str = SECRET, at: float = AT) -> str:
    """Why a webhook is not believed; empty if it is."""
    try:
        signature.verify(secret, headers, body, at=at)
    except WebhookUnusable as error:
        return "the secret is shown" if SECRET in str(error) else error.reason
    return ""


# What others have published


def test_the_public_vector_of_replicate_is_verified_and_made() -> None:
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    body = b'{"test": 2432232314}'
    assert headers == DECODED.sign(SECRET, body, id=headers["webhook-id"], at=1_614_265_330.9)
    assert "" == reason(DECODED, headers, body, at=1_614_265_330.0)
    assert "" == reason(EITHER, headers, body, at=1_614_265_330.0)
    assert "forged" == reason(TEXT, headers, body, at=1_614_265_330.0)


def test_a_hexadecimal_signature_is_that_of_the_maker() -> None:
    # printf %s '{"id":"a"}' | openssl dgst -sha256 -hmac secret
    known = "sha256=2d51aa3c44d6cdc71b628911fbae9cadc393d199b422d87fd6f207f0330697d2"
    assert {"X-BFL-Signature": known} == HEX.sign("secret", b'{"id":"a"}', id="", at=AT)
    assert "" == reason(HEX, {"x-bfl-signature": known}, b'{"id":"a"}', secret="secret")


@given(SECRETS, st.text(), IDS)
def test_another_implementation_agrees(secret: str, text: str, id: str) -> None:
    theirs = standardwebhooks.Webhook(secret)
    now = dt.datetime.now(dt.UTC)  # it asks the machine's clock itself
    body = f'"{text.encode().hex()}"'
    ours = DECODED.sign(secret, body.encode(), id=id, at=now.timestamp())
    assert ours["webhook-signature"] == theirs.sign(msg_id=id, timestamp=now, data=body)
    assert text.encode().hex() == theirs.verify(body, dict(ours))


# The laws


@each_signed
@given(data=st.data())
def test_what_is_signed_is_verified(signature: Any, data: st.DataObject) -> None:
    secret, body, name, at = data.draw(SECRETS), data.draw(st.binary()), data.draw(IDS), data.draw(TIMES)
    headers = lower(signature.sign(secret, body, id=name, at=at))
    assert "" == reason(signature, headers, body, secret=secret, at=at)


@each_signed
@given(data=st.data())
def test_one_flipped_bit_is_noticed(signature: Any, data: st.DataObject) -> None:
    secret, body, at = data.draw(SECRETS), data.draw(st.binary(min_size=1)), data.draw(TIMES)
    headers = lower(signature.sign(secret, body, id="msg_7", at=at))
    place = data.draw(st.sampled_from(["body", "secret", *headers]))
    if place == "body":
        body = flipped(body, data)
    elif place == "secret":
        other = flipped(secret.encode(), data).decode("latin-1")
        assume(keys_of(signature, other).isdisjoint(keys_of(signature, secret)))
        secret = other
    else:
        changed = flipped(headers[place].encode(), data).decode("latin-1")
        assume(changed.lower() != headers[place].lower() or "-signature" not in place)
        headers = {**headers, place: changed}
    try:
        assert reason(signature, headers, body, secret=secret, at=at)
    except SettingsError:
        assert place == "secret"  # it is no base64 any more


def flipped(text: bytes, data: st.DataObject) -> bytes:
    bit = data.draw(st.integers(0, 8 * len(text) - 1))
    return bytes(byte ^ (1 << bit % 8 if number == bit // 8 else 0) for number, byte in enumerate(text))


def keys_of(signature: Any, secret: str) -> set[bytes]:
    """What a secret means: several texts are the base64 of the same bytes."""
    keys = {secret.encode()} if getattr(signature, "keys", ("text",)) != ("base64",) else set()
    try:
        return keys | {base64.b64decode(secret.removeprefix("whsec_"))}
    except ValueError:
        return keys


@each_signed
@given(
    st.dictionaries(
        st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature", "x-bfl-signature", "x-signature"])
        | st.text(max_size=9),
        st.text(max_size=99) | st.sampled_from(ODD),
    ),
    st.binary(max_size=99),
)
def test_no_header_of_a_stranger_breaks_anything(signature: Any, headers: dict[str, str], body: bytes) -> None:
    assert "forged" == reason(signature, headers, body)


@each_signed
@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature", "x-bfl-signature"])
def test_what_is_missing_proves_nothing(signature: Any, missing: str) -> None:
    headers = lower(signature.sign(SECRET, b"{}", id="a", at=AT))
    if headers.pop(missing, None) is not None:
        assert "forged" == reason(signature, headers, b"{}")


# Headers, keys and times


def test_one_of_several_signatures_is_enough() -> None:
    headers = dict(TEXT.sign(SECRET, b"{}", id="a", at=AT))
    right = headers["webhook-signature"]
    for said in (f"v1,AAAA {right}", f"{right} v1,AAAA", f"v1a,AAAA v2,BBBB {right}", f"{right}  {right}"):
        assert "" == reason(TEXT, {**headers, "webhook-signature": said}, b"{}")
    for said in (right.removeprefix("v1,"), right.replace("v1,", "v2,"), right.replace("v1,", "v1a,"), f"{right}A"):
        assert "forged" == reason(TEXT, {**headers, "webhook-signature": said}, b"{}")


def test_hexadecimal_may_be_in_upper_case_and_its_prefix_may_not() -> None:
    (said,) = HEX.sign(SECRET, b"{}", id="", at=AT).values()
    assert "" == reason(HEX, {"x-bfl-signature": "sha256=" + said[7:].upper()}, b"{}")
    assert "forged" == reason(HEX, {"x-bfl-signature": said.upper()}, b"{}")
    assert "forged" == reason(HEX, {"x-bfl-signature": said[7:]}, b"{}")


@pytest.mark.parametrize(
    ("late", "expected"), [(0, ""), (WINDOW, ""), (-WINDOW, ""), (WINDOW + 1, "stale"), (-WINDOW - 1, "stale")]
)
def test_the_window_is_five_minutes_both_ways(late: float, expected: str) -> None:
    headers = TEXT.sign(SECRET, b"{}", id="a", at=AT)
    assert 300 == WINDOW
    assert expected == reason(TEXT, headers, b"{}", at=AT + late)


def test_a_forgery_is_not_called_stale() -> None:
    headers = TEXT.sign("another secret", b"{}", id="a", at=AT - 10_000)
    assert "forged" == reason(TEXT, headers, b"{}")


def test_the_secret_as_it_is_is_signed_with_and_both_verify() -> None:
    as_text, decoded = (each.sign(SECRET, b"{}", id="a", at=AT) for each in (TEXT, DECODED))
    assert as_text == EITHER.sign(SECRET, b"{}", id="a", at=AT)
    assert ["", ""] == [reason(EITHER, headers, b"{}") for headers in (as_text, decoded)]
    assert ["", "forged"] == [reason(TEXT, headers, b"{}") for headers in (as_text, decoded)]


@pytest.mark.parametrize("secret", ["", "whsec_", "!!!!", "whsec_@", "secret", "\ud800"])
def test_a_secret_that_is_no_key_is_a_setting_and_no_forgery(secret: str) -> None:
    with pytest.raises(SettingsError, match="secret") as caught:
        check_secret(DECODED, secret)
    assert not secret or secret not in str(caught.value).replace("secret", "")
    headers = {"webhook-id": "a", "webhook-timestamp": str(int(AT)), "webhook-signature": "v1,AAAA"}
    with pytest.raises(SettingsError):
        DECODED.verify(secret, headers, b"{}", at=AT)


@pytest.mark.parametrize("signature", [TEXT, EITHER, HEX])
@pytest.mark.parametrize("secret", ["", "\ud800"])
def test_a_text_that_is_no_key_is_a_setting(signature: Any, secret: str) -> None:
    with pytest.raises(SettingsError, match="secret"):
        check_secret(signature, secret)


def test_a_secret_is_checked_once_and_given_back() -> None:
    assert SECRET == check_secret(DECODED, SECRET)
    assert "any" == check_secret(EITHER, "any")
    assert "" == check_secret(Unsigned(), None)
    with pytest.raises(SettingsError, match="no secret"):
        check_secret(EITHER, None)


def test_what_is_not_signed_proves_nothing_and_wants_nothing() -> None:
    assert {} == Unsigned().sign("", b"{}", id="a", at=AT)
    assert "" == reason(Unsigned(), {}, b"anything")
    assert [True, True, False] == [each.signed for each in (TEXT, HEX, Unsigned())]


@pytest.mark.parametrize("keys", [[], ["hex"], ["text", "text"], "text "])
def test_a_way_to_the_key_is_one_of_two(keys: Any) -> None:
    with pytest.raises(ValueError, match="keys"):
        StandardWebhook(keys=keys)


def test_a_delivery_has_a_name() -> None:
    assert "msg_1" == TEXT.delivery({"webhook-id": "msg_1"}, b"{}")
    for signature in (HEX, Unsigned()):
        assert signature.delivery({}, b"{}") == signature.delivery({"a": "b"}, b"{}") != signature.delivery({}, b"[]")


@pytest.mark.parametrize(
    "headers",
    [
        {"Webhook-Id": "a", "X": "1, 2"},
        [("webhook-id", "a"), ("x", "1"), ("X", "2")],
        [(b"WEBHOOK-ID", b"a"), (b"x", b"1"), (b"x", b"2")],
        iter([("Webhook-ID", b"a"), (b"x", "1"), ("x", "2")]),
    ],
)
def test_headers_of_any_framework_are_read(headers: Any) -> None:
    assert {"webhook-id": "a", "x": "1, 2"} == lower(headers)


def test_a_signature_is_a_value() -> None:
    assert TEXT == StandardWebhook(keys=("text",))
    assert EITHER == attrs.evolve(TEXT, keys=["text", "base64"])
    assert ("base64",) == StandardWebhook().keys
    assert math.isfinite(WINDOW)
