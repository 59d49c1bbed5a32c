"""Codecs by example: how each spells its values, what it refuses, and how a refusal reads."""

import base64
import decimal
import json
import math
import sys
from decimal import Decimal
from typing import Any

import attrs
import pytest

from fluxkit._contract.reference import Reference
from fluxkit._wire.body import json_body
from fluxkit._wire.json import MISSING, Json, Unfit
from fluxkit._wire.parts import MOST_SPELLINGS
from fluxkit._wire.trim import trim
from fluxkit.provider import (
    Anything,
    At,
    Base64,
    Bytes,
    Codec,
    Colour,
    Each,
    Either,
    First,
    Fixed,
    Flag,
    Form,
    Header,
    Hosted,
    Implied,
    Link,
    Money,
    Only,
    Pair,
    Query,
    Quoted,
    Real,
    Reason,
    Sides,
    Slots,
    Tagged,
    Text,
    Times,
    Trail,
    Whole,
    With,
    Words,
)
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.magnific import KLEIN, MAGNIFIC

HALF = "\ud800"  # of a surrogate pair
DEEP: Json = json.loads("[" * 500 + "]" * 500)
PNG = b"\x89PNG\r\n\x1a\n and so on"
PICTURE = Reference(content=PNG)
ADDRESS = Reference(url="https://a.example/a.png")

RATIO = At("aspect_ratio", Words({"1:1": "square_1_1", "16:9": "widescreen_16_9"}))
RESOLUTION = At("resolution", Words({"1K": ("1K", "1k"), "2K": ("2K", "2k")}))
IMAGE = Form({"url": At("url", Link()), "expires_at": At("expires_at", Whole(0))})
TASK = Form(
    {
        "id": At("task_id", Text()),
        "status": At("status", Text()),
        "images": At("generated", Each(Form({"url": At("", Link())}))),
    }
)


# Both ways

BOTH_WAYS: list[tuple[Codec, Any, Json]] = [
    (Text(), "", ""),
    (Text(), "naïve 🎨", "naïve 🎨"),
    (Link(), "https://a.example/?a=%2F%7e~|=", "https://a.example/?a=%2F%7e~|="),
    (Link(), "http://127.0.0.1:8080", "http://127.0.0.1:8080"),
    (Whole(), 2**64 - 1, 2**64 - 1),
    (Whole(), -(2**63), -(2**63)),
    (Whole(0, 5), 0, 0),
    (Whole(0, 5), 5, 5),
    (Real(1, 20), 1, 1),
    (Real(1, 20), 2.5, 2.5),
    (Real(), sys.float_info.max, sys.float_info.max),
    (Real(), -sys.float_info.max, -sys.float_info.max),
    (Flag(), False, False),
    (Anything(), {"a": [1, None]}, {"a": [1, None]}),
    (Anything(), False, False),
    (Words(["png", "jpeg"]), "png", "png"),
    (Words({"1K": ("1K", "1k")}), "1K", "1K"),
    (Words([("jpeg", "jpg"), ("png", ["PNG", "png"])]), "jpeg", "jpg"),
    (Quoted(Whole(1, 5)), 3, "3"),
    (Quoted(Whole()), -7, "-7"),
    (Quoted(Whole()), 2**64 - 1, "18446744073709551615"),
    (Times(), (1024, 768), "1024x768"),
    (Times(), (999_999, 1), "999999x1"),
    (Money(), Decimal("0.15"), 0.15),
    (Money(), Decimal(0), 0.0),
    (Money("0.01"), Decimal("0.03"), 3.0),
    (Reason(), "moderated", "moderated"),
    (Reason(), "", ""),
    (Trail("body"), "prompt", ["body", "prompt"]),
    (Trail("body"), "images.0", ["body", "images", "0"]),
    (Trail("body"), "body", ["body", "body"]),
    (Base64(["png"]), PICTURE, base64.b64encode(PNG).decode()),
    (Base64(["png"], prefix="data:"), PICTURE, f"data:{base64.b64encode(PNG).decode()}"),
    (Hosted(), ADDRESS, "https://a.example/a.png"),
    (Bytes(), b"\xfb\xff", "+/8="),
    (Bytes(), b"", ""),
    (At("a.b", Text()), "c", {"a": {"b": "c"}}),
    (At("", Text()), "c", "c"),
    (At("safety", Whole(0, 5), default=2), 2, {"safety": 2}),
    (Header("X-Retry", Text()), "c", {"@headers": {"x-retry": "c"}}),
    (Query("Webhook", Link()), "https://a.example", {"@query": {"Webhook": "https://a.example"}}),
    (Sides(), (1024, 768), {"width": 1024, "height": 768}),
    (Sides("w", "h"), (1, 2), {"w": 1, "h": 2}),
    (Pair(RATIO, RESOLUTION), ("16:9", "2K"), {"aspect_ratio": "widescreen_16_9", "resolution": "2K"}),
    (Pair(RATIO, Implied("1K")), ("16:9", "1K"), {"aspect_ratio": "widescreen_16_9"}),
    (Implied("1K"), "1K", {}),
    (Slots(["one", "two"], Text()), ("a",), {"one": "a"}),
    (Slots(["one", "two"], Text()), ("a", "b"), {"one": "a", "two": "b"}),
    (Each(Text()), (), []),
    (Each(Text(), most=2), ("a", "b"), ["a", "b"]),
    (First(Text()), "a", ["a"]),
    (Only(Text()), ("a",), "a"),
    (Only(At("a", Text())), ("b",), {"a": "b"}),
    (Either(First(Link()), Link()), "https://a.example", ["https://a.example"]),
    (Either(Whole(), Text()), "5", "5"),
    (With(At("model", Text()), Fixed("model", "pro")), "pro", {"model": "pro"}),
    (With(Sides(), Fixed("ratio", "custom")), (8, 8), {"width": 8, "height": 8, "ratio": "custom"}),
    (Tagged(At("status", Text()), At("error", Text())), "DONE", {"status": "DONE"}),
    (Tagged(At("status", Text()), At("error", Text())), "DONE:a:b", {"status": "DONE", "error": "a:b"}),
    (Form({}), {}, {}),
    (IMAGE, {"url": "https://a.example"}, {"url": "https://a.example"}),
    (Form({"image": Each(Text())}), {"image": ("a",)}, ["a"]),
    (
        TASK,
        {"id": "7", "images": ({"url": "https://a.example/1"},)},
        {"task_id": "7", "generated": ["https://a.example/1"]},
    ),
]


@pytest.mark.parametrize(("codec", "value", "written"), BOTH_WAYS)
def test_value_is_written_and_read_back(codec: Codec, value: Any, written: Json) -> None:
    assert written == codec.write(value)
    assert value == codec.read(json.loads(bytes(json_body(written))))
    assert type(value) is type(codec.read(written))


# Read in several ways


@pytest.mark.parametrize(
    ("codec", "said", "value"),
    [
        (Words({"1K": ("1K", "1k")}), "1k", "1K"),
        (Real(), 5, 5),
        (Money(), 3, Decimal(3)),
        (Money("0.01"), 4.5, Decimal("0.045")),
        (Reason(), {"message": "moderated", "code": 5}, "moderated"),
        (Reason(), {"message": "", "code": "nsfw"}, "nsfw"),
        (Reason(), {"detail": [{"msg": "too long", "loc": ["body"]}, "too wide"]}, "too long; too wide"),
        (Reason(), {"Moderation Reasons": ["Filter"]}, "{'Moderation Reasons': ['Filter']}"),
        (Reason(), {"message": {"message": {"message": {"message": "far"}}}}, "far"),
        (Reason(), {"message": {"message": {"message": {"message": ["too far"]}}}}, "['too far']"),
        (Reason(), [[[[{"message": "too far"}]]]], "{'message': 'too far'}"),
        (Reason(), {"more": "x" * 500}, f"{{'more': '{'x' * 178}...xxxxxx'}}"),
        (Reason(), [], ""),
        (Reason(), 500, "500"),
        (Reason(), f"cut {HALF}", f"cut {HALF}"),
        (Trail("body"), ["query", "seed"], "query.seed"),
        (Trail("body"), ["body", "images", 0], "images.0"),
        (Trail("body"), ["body"], ""),
        (Text(), f"cut {HALF}", f"cut {HALF}"),
        (First(Text()), ["a", 5], "a"),
        (At("a", Text()), {"a": None}, MISSING),
        (At("a.b", Text()), {"a": None}, MISSING),
        (At("", Text()), None, MISSING),
        (At("a", Text(), default="b"), {}, "b"),
        (At("a", Sides(), default=(8, 8)), {"a": {}}, (8, 8)),
        (Sides(), {"width": None}, MISSING),
        (Sides(auto=0), {"width": 0, "height": 0}, MISSING),
        (Sides(auto=0), {"height": 0}, MISSING),
        (Sides(auto=0), {"width": 8, "height": 9}, (8, 9)),
        (Pair(RATIO, RESOLUTION), {"resolution": "2k"}, MISSING),
        (Pair(attrs.evolve(RATIO, default="1:1"), RESOLUTION), {"resolution": "2k"}, ("1:1", "2K")),
        (Slots(["one", "two"], Text()), {"two": "b"}, ("b",)),
        (Slots(["one", "two"], Text()), {"one": None}, MISSING),
        (Only(At("a", Text())), {}, MISSING),
        (With(Sides(), Fixed("ratio", "custom")), {}, MISSING),
        (Tagged(At("status", Text()), At("error", Text())), {"error": "a"}, MISSING),
        (Tagged(At("status", Text()), At("error", Text())), {"status": "DONE", "error": ""}, "DONE"),
        (MAGNIFIC.accepted, {"task_id": "7", "status": "CREATED"}, {"id": "7", "status": "CREATED"}),
        (MAGNIFIC.accepted, {"data": {"task_id": "7", "error": None}}, {"id": "7"}),
        (MAGNIFIC.error, {"problem": {"message": "no"}}, {"message": "no"}),
        (KLEIN.request, {"prompt": "a"}, {"prompt": "a", "size": ("1:1", "1K"), "safety_tolerance": 2}),
    ],
)
def test_what_is_said_in_other_ways_is_read(codec: Codec, said: Json, value: Any) -> None:
    assert value == codec.read(said)


@pytest.mark.parametrize(
    ("codec", "value", "spellings"),
    [
        (Text(), "a", ["a"]),
        (Words({"1K": ("1K", "1k")}), "1K", ["1K", "1k"]),
        (Reason(), "a", ["a", {"message": "a"}, ["a"]]),
        (Reason(), "", ["", [""]]),
        (At("a", Reason()), "b", [{"a": "b"}, {"a": {"message": "b"}}, {"a": ["b"]}]),
        (First(Words({"a": "bc"})), "a", [["bc"]]),
        (Only(Words({"a": ["b", "c"]})), ("a",), ["b", "c"]),
        (Sides(), (8, 9), [{"width": 8, "height": 9}]),
        (
            Pair(RATIO, RESOLUTION),
            ("1:1", "1K"),
            [{"aspect_ratio": "square_1_1", "resolution": "1K"}, {"aspect_ratio": "square_1_1", "resolution": "1k"}],
        ),
        (Each(Words({"a": ["b", "c"], "d": "e"})), ("a", "d"), [["b", "e"], ["c", "e"]]),
        (Each(Text()), (), [[]]),
        (Slots(["x", "y"], Words({"a": ["b", "c"]})), ("a",), [{"x": "b"}, {"x": "c"}]),
        (Either(At("a", Text()), Text()), "b", [{"a": "b"}, "b"]),
        (Either(Whole(), Text()), "b", ["b"]),
        (With(RESOLUTION, Fixed("n", 1)), "2K", [{"resolution": "2K", "n": 1}, {"resolution": "2k", "n": 1}]),
        (
            Tagged(At("s", Words({"A": ["a", "b"]})), At("e", Words({"B": ["x", "y"]}))),
            "A:B",
            [{"s": "a", "e": "x"}, {"s": "a", "e": "y"}, {"s": "b", "e": "x"}, {"s": "b", "e": "y"}],
        ),
        (
            Form({"size": RESOLUTION, "why": At("why", Reason())}),
            {"size": "1K", "why": "a"},
            [
                {"resolution": "1K", "why": "a"},
                {"resolution": "1k", "why": {"message": "a"}},
                {"resolution": "1K", "why": ["a"]},
            ],
        ),
    ],
)
def test_there_are_several_ways_to_say_it(codec: Codec, value: Any, spellings: list[Json]) -> None:
    assert spellings == list(codec.spellings(value))


def test_ways_are_many_but_bounded() -> None:
    many = Words({"a": list(map(str, range(200)))})
    assert MOST_SPELLINGS == len(list(Each(many).spellings(("a", "a"))))


# Refused


@pytest.mark.parametrize(
    ("codec", "value", "message"),
    [
        (Text(), 5, "the body is 5; allowed: text"),
        (Text(), HALF, r"the body is '\ud800'; allowed: text"),
        (Link(), "ftp://a.example", "the body is 'ftp://a.example'; allowed: an http(s) address"),
        (Link(), f"https://a.example/{HALF}", r"the body is 'https://a.example/\ud800'; allowed: text"),
        (Whole(0, 5), 6, "the body is 6; allowed: a whole number from 0 to 5"),
        (Whole(0), -1, "the body is -1; allowed: a whole number of at least 0"),
        (Whole(last=5), True, "the body is True; allowed: a whole number of at most 5"),
        (Whole(), 1.0, "the body is 1.0; allowed: a whole number"),
        (Whole(), 2**64, "the body is 18446744073709551616; allowed: a whole number"),
        (Whole(), -(2**63) - 1, "the body is -9223372036854775809; allowed: a whole number"),
        (Whole(0, 5), 10**5000, "the body is <int>; allowed: a whole number from 0 to 5"),
        (Real(1, 20), 0.99, "the body is 0.99; allowed: a number from 1 to 20"),
        (Real(), math.nan, "the body is nan; allowed: a number"),
        (Real(), math.inf, "the body is inf; allowed: a number"),
        (Real(), True, "the body is True; allowed: a number"),
        (Flag(), 1, "the body is 1; allowed: true or false"),
        (Anything(), None, "the body is None; allowed: anything"),
        (Anything(), (1,), "the body is (1,); allowed: anything"),
        (Words(["png"]), "jpeg", "the body is 'jpeg'; allowed: png"),
        (Words({"png": "PNG"}), "PNG", "the body is 'PNG'; allowed: png"),
        (Words(["png"]), ["png"], "the body is ['png']; allowed: png"),
        (Quoted(Whole(1, 5)), 6, "the body is 6; allowed: a whole number from 1 to 5"),
        (Times(), (1024, 0), "the body is (1024, 0); allowed: WIDTHxHEIGHT in pixels"),
        (Times(), (1, 2, 3), "the body is (1, 2, 3); allowed: WIDTHxHEIGHT in pixels"),
        (Times(), [1024, 768], "the body is [1024, 768]; allowed: WIDTHxHEIGHT in pixels"),
        (Money(), 0.15, "the body is 0.15; allowed: an amount from 0 to 999999999, that a JSON number can hold"),
        (Base64(["png"]), b"GIF89a", "the body is b'GIF89a'; allowed: an image (png)"),
        (
            Base64(["png"]),
            Reference(url="https://a"),
            "the body is Reference(url='https://a'); allowed: an image (png)",
        ),
        (Base64(["webp", "gif"]), PICTURE, f"the body is {PICTURE!r}; allowed: an image (webp, gif)"),
        (
            Money(),
            Decimal(-1),
            "the body is Decimal('-1'); allowed: an amount from 0 to 999999999, that a JSON number can hold",
        ),
        (Hosted(), PICTURE, f"the body is {PICTURE!r}; allowed: a public http(s) address"),
        (Hosted(), "https://a", "the body is 'https://a'; allowed: a public http(s) address"),
        (Bytes(), "text", "the body is 'text'; allowed: bytes"),
        (Trail("body"), 5, "the body is 5; allowed: text"),
        (At("a.b", Flag()), 1, "a.b is 1; allowed: true or false"),
        (Sides(), (1, True), "the body is (1, True); allowed: (width, height) in pixels"),
        (Pair(RATIO, RESOLUTION), "1:1", "the body is '1:1'; allowed: (1:1, 16:9) with (1K, 2K)"),
        (Pair(RATIO, RESOLUTION), ("1:1", "4K"), "resolution is '4K'; allowed: 1K, 2K"),
        (Implied("1K"), "2K", "the body is '2K'; allowed: 1K"),
        (Slots(["one"], Text()), ("a", "b"), "the body is ('a', 'b'); allowed: at most 1, each text"),
        (Slots(["one"], Text()), (), "the body is (); allowed: at most 1, each text"),
        (Slots(["one", "two"], Text()), ("a", 5), "two is 5; allowed: text"),
        (Each(Text()), "ab", "the body is 'ab'; allowed: a list of each text"),
        (Each(Text(), most=1), ("a", "b"), "the body is ('a', 'b'); allowed: a list of at most 1, each text"),
        (Each(Text(), fewest=1), (), "the body is (); allowed: a list of at least 1, each text"),
        (Each(Text(), most=5, fewest=2), ("a",), "the body is ('a',); allowed: a list of 2 to 5, each text"),
        (Colour(), "#ff0000", "the body is '#ff0000'; allowed: a colour as #RRGGBB, in capitals, such as #FF8800"),
        (At("images", Each(Text())), (1, "a", 2), "images[0] is 1; allowed: text; images[2] is 2; allowed: text"),
        (At("images", First(Text())), 5, "images[0] is 5; allowed: text"),
        (Only(Text()), ["a"], "the body is ['a']; allowed: exactly one, text"),
        (Only(Text()), ("a", "b"), "the body is ('a', 'b'); allowed: exactly one, text"),
        (Either(Whole(), Flag()), "a", "the body is 'a'; allowed: a whole number, or true or false"),
        (Either(First(Text()), Text()), 5, "the body is 5; allowed: text"),
        (
            Tagged(At("s", Text()), At("e", Text())),
            "A:",
            "the body is 'A:'; allowed: a status word, or two with a colon between them",
        ),
        (With(At("a", Text()), Fixed("n", 1)), 5, "a is 5; allowed: text"),
        (IMAGE, "a", "the body is 'a'; allowed: an object with url, expires_at"),
        (
            IMAGE,
            {"url": "a", "uri": "b"},
            "url is 'a'; allowed: an http(s) address; uri is 'b'; allowed: an object with url, expires_at",
        ),
        (
            KLEIN.request,
            {"seed": -1},
            "prompt is missing; allowed: text; seed is -1; allowed: a whole number from 0 to 4294967295",
        ),
        (Form({"url": At("", Link())}), {}, "the body is missing; allowed: an http(s) address"),
    ],
    ids=lambda each: type(each).__name__,
)
def test_value_outside_the_domain_is_refused(codec: Codec, value: Any, message: str) -> None:
    with pytest.raises(Unfit) as refusal:
        codec.write(value)
    assert message == str(refusal.value)


@pytest.mark.parametrize("amount", ["-0.01", "NaN", "sNaN", "Infinity", "1e400", "9e999999", "1e-400", f"0.{'1' * 30}"])
@pytest.mark.parametrize("unit", ["1", "0.01"])
def test_amount_that_no_json_number_holds_is_refused(amount: str, unit: str) -> None:
    with pytest.raises(Unfit):
        Money(unit).write(Decimal(amount))


def test_money_is_counted_alike_in_every_context() -> None:
    with decimal.localcontext(decimal.Context(prec=2, traps=[decimal.Inexact])):
        assert 12.3456 == Money().write(Decimal("12.3456"))
        assert Decimal("0.123456") == Money("0.01").read(12.3456)


@pytest.mark.parametrize(
    ("codec", "said", "message"),
    [
        (Real(), 10**400, f"the body is 1{'0' * 47}...00000000; allowed: a number"),
        (Money(), 1e300, "the body is 1e+300; allowed: an amount from 0 to 999999999, that a JSON number can hold"),
        (
            Money("0.01"),
            10**9,
            "the body is 1000000000; allowed: an amount from 0 to 999999999, that a JSON number can hold",
        ),
        (Money(), -1, "the body is -1; allowed: an amount from 0 to 999999999, that a JSON number can hold"),
        (Words({"1K": ("1K", "1k")}), "4k", "the body is '4k'; allowed: 1K, 1k"),
        (Words(["a"]), ["a"], "the body is ['a']; allowed: a"),
        (Quoted(Whole(1, 5)), 3, "the body is 3; allowed: a whole number from 1 to 5, as text"),
        (Quoted(Whole(1, 5)), "03", "the body is '03'; allowed: a whole number from 1 to 5, as text"),
        (Quoted(Whole()), "-0", "the body is '-0'; allowed: a whole number, as text"),
        (Quoted(Whole()), "\u0663", "the body is '\u0663'; allowed: a whole number, as text"),
        (Quoted(Whole(1, 5)), "6", "the body is 6; allowed: a whole number from 1 to 5"),
        (Times(), 1024, "the body is 1024; allowed: WIDTHxHEIGHT in pixels"),
        (Times(), "1024x0768", "the body is '1024x0768'; allowed: WIDTHxHEIGHT in pixels"),
        (Times(), "1\u0663x8", "the body is '1\u0663x8'; allowed: WIDTHxHEIGHT in pixels"),
        (Times(), "8x8\n", r"the body is '8x8\n'; allowed: WIDTHxHEIGHT in pixels"),
        (Trail("body"), [], "the body is []; allowed: a list of steps"),
        (Trail("body"), "prompt", "the body is 'prompt'; allowed: a list of steps"),
        (Trail("body"), ["body", True], "the body is ['body', True]; allowed: a list of steps"),
        (Base64(["png"]), "AAAA", "the body is 'AAAA'; allowed: base64 of an image (png)"),
        (Base64(["png"]), "/9j/AA==", "the body is '/9j/AA=='; allowed: base64 of an image (png)"),
        (Base64(["jpeg"], "data:"), "/9j/AA==", "the body is '/9j/AA=='; allowed: base64 of an image (jpeg)"),
        (Base64(["jpeg"], "data:"), "DATA:/9j/AA==", "the body is 'DATA:/9j/AA=='; allowed: base64 of an image (jpeg)"),
        (Bytes(), "a", "the body is 'a'; allowed: base64 text"),
        (Bytes(), "ä===", "the body is 'ä==='; allowed: base64 text"),
        (Bytes(), "AA==\n", r"the body is 'AA==\n'; allowed: base64 text"),
        (Bytes(), 5, "the body is 5; allowed: base64 text"),
        (Hosted(), "a.png", "the body is 'a.png'; allowed: a public http(s) address"),
        (At("result.images", Text()), {"result": 5}, "result is 5; allowed: an object"),
        (Sides(), {"width": 8}, "height is missing; allowed: a whole number from 1 to 999999"),
        (Sides(), {"width": 0, "height": 8}, "width is 0; allowed: a whole number from 1 to 999999"),
        (
            Sides(auto=0),
            {"width": 8, "height": 0},
            "height is 0; allowed: a whole number from 1 to 999999, or 0 for both",
        ),
        (Sides(auto=0), {"height": 8}, "width is missing; allowed: a whole number from 1 to 999999, or 0 for both"),
        (
            Sides(auto=0),
            {"width": False, "height": 0},
            (
                "width is False; allowed: a whole number from 1 to 999999, or 0 for both; "
                "height is 0; allowed: a whole number from 1 to 999999, or 0 for both"
            ),
        ),
        (
            Sides("w", "h"),
            {"w": 0, "h": "8"},
            "w is 0; allowed: a whole number from 1 to 999999; h is '8'; allowed: a whole number from 1 to 999999",
        ),
        (
            Pair(RATIO, RESOLUTION),
            {"aspect_ratio": "a", "resolution": "b"},
            "aspect_ratio is 'a'; allowed: square_1_1, widescreen_16_9; resolution is 'b'; allowed: 1K, 1k, 2K, 2k",
        ),
        (Each(Text()), {"0": "a"}, "the body is {'0': 'a'}; allowed: a list of each text"),
        (Each(At("a", Text())), [{}], "[0] is {}; allowed: text"),
        (First(Text()), [], "the body is []; allowed: a list that starts with text"),
        (First(Text()), "a", "the body is 'a'; allowed: a list that starts with text"),
        (At("a", First(At("b", Text()))), {"a": [{"b": 5}]}, "a[0].b is 5; allowed: text"),
        (Only(Text()), 5, "the body is 5; allowed: text"),
        (With(At("a", Text()), Fixed("n", 1)), {"a": "b"}, "n is missing; allowed: 1"),
        (With(At("a", Text()), Fixed("n", 1)), {"n": 2}, "n is 2; allowed: 1"),
        (With(At("a", Text()), Fixed("n", 1)), {"a": 5}, "n is missing; allowed: 1; a is 5; allowed: text"),
        (With(At("a", Text()), Fixed("n.m", 1)), {"n": 2}, "n is 2; allowed: an object"),
        (With(At("a", Text()), Fixed("n.m", 1)), {"a": 5, "n": 2}, "n is 2; allowed: an object; a is 5; allowed: text"),
        (Either(At("a", Text()), At("b", Text())), {"b": 5}, "b is 5; allowed: text"),
        (Either(At("a", Text()), At("b", Text())), {"a": 5}, "a is 5; allowed: text"),
        (IMAGE, [], "the body is []; allowed: an object"),
        (IMAGE, None, "the body is None; allowed: an object"),
        (Form({"url": At("", Link())}), None, "the body is missing; allowed: an http(s) address"),
        (KLEIN.request, {"resolution": "4k"}, "prompt is missing; allowed: text; resolution is '4k'; allowed: 1k, 2k"),
        (APIMART.models[0].request, {"prompt": "a"}, "model is missing; allowed: flux-2-flex"),
        (
            TASK,
            {"generated": ["https://a.example", 5, None]},
            "generated[1] is 5; allowed: an http(s) address; generated[2] is missing; allowed: an http(s) address",
        ),
    ],
    ids=lambda each: type(each).__name__,
)
def test_what_does_not_fit_is_refused_by_its_place(codec: Codec, said: Json, message: str) -> None:
    with pytest.raises(Unfit) as refusal:
        codec.read(said)
    assert message == str(refusal.value)


@pytest.mark.parametrize("said", [DEEP, {"message": DEEP}, [DEEP]])
def test_reason_may_be_nested_without_end(said: Json) -> None:
    reason = Reason().read(said)
    assert reason.startswith("[[[")
    assert len(reason) <= 200


# What is found in spite of it


@pytest.mark.parametrize(
    ("codec", "said", "found", "places"),
    [
        (At("a", IMAGE), {"a": {"url": "https://a", "expires_at": -1}}, {"url": "https://a"}, ["a.expires_at"]),
        (IMAGE, {"url": 5, "expires_at": -1}, MISSING, ["url", "expires_at"]),
        (Each(Text()), ["a", 5, "b"], ("a", "b"), ["[1]"]),
        (Each(Text(), most=2), ["a", "b", "c"], ("a", "b"), [""]),
        (Each(Text(), most=2), ["a", 5, "c"], ("a",), ["", "[1]"]),
        (Slots(["x", "y", "z"], Text()), {"x": "a", "y": 5, "z": "b"}, ("a", "b"), ["y"]),
        (First(IMAGE), [{"url": "https://a", "expires_at": "b"}], {"url": "https://a"}, ["[0].expires_at"]),
        (Only(IMAGE), {"url": "https://a", "expires_at": "b"}, ({"url": "https://a"},), ["expires_at"]),
        (Only(Text()), 5, MISSING, [""]),
        (Pair(RATIO, RESOLUTION), {"aspect_ratio": "square_1_1", "resolution": "b"}, MISSING, ["resolution"]),
        (With(At("a", Text()), Fixed("n", 1)), {"a": "b", "n": 2}, "b", ["n"]),
        (With(At("a", Text()), Fixed("n.m", 1)), {"a": "b", "n": 2}, "b", ["n"]),
        (With(IMAGE, Fixed("n", 1)), {"url": "https://a", "expires_at": -1}, {"url": "https://a"}, ["n", "expires_at"]),
        (TASK, {"task_id": "7", "status": 5}, {"id": "7"}, ["status"]),
        (
            TASK,
            {"task_id": "7", "generated": ["https://a", None, "https://b"]},
            {"id": "7", "images": ({"url": "https://a"}, {"url": "https://b"})},
            ["generated[1]"],
        ),
        (MAGNIFIC.accepted, {"data": {"task_id": "7", "status": 5}}, {"id": "7"}, ["data.status"]),
        (MAGNIFIC.accepted, {"task_id": "7", "status": 5}, {"id": "7"}, ["status"]),
        (
            APIMART.polled,
            {"data": {"result": {"images": [{"url": ["https://a"]}, {"url": [5]}, {"url": "https://b"}]}}},
            {"images": ({"url": "https://a"}, {"url": "https://b"})},
            ["data.result.images[1].url[0]"],
        ),
    ],
)
def test_what_does_not_fit_costs_nothing_beside_it(codec: Codec, said: Json, found: Any, places: list[str]) -> None:
    with pytest.raises(Unfit) as refusal:
        codec.read(said)
    assert found == refusal.value.found
    assert places == [problem.place for problem in refusal.value.problems]


# Alternatives

WRAPPED = At("data", TASK)


@pytest.mark.parametrize("codec", [Either(WRAPPED, TASK), Either(TASK, WRAPPED)], ids=["wrapped first", "bare first"])
@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({"data": {"task_id": "7"}}, {"id": "7"}),
        ({"task_id": "7"}, {"id": "7"}),
        ({"data": {"task_id": "7", "status": 5}}, {"id": "7"}),
        ({"task_id": "7", "status": 5}, {"id": "7"}),
        ({"task_id": "7", "data": 5}, {"id": "7"}),
        ({"task_id": "7", "data": {}}, {"id": "7"}),
        ({}, {}),
        ({"data": {}}, {}),
    ],
)
def test_alternative_that_finds_more_is_read(codec: Either, said: Json, found: Any) -> None:
    try:
        read = codec.read(said)
    except Unfit as error:
        read = error.found
    assert found == read


def test_alternatives_that_find_the_same_are_read_in_their_order() -> None:
    codec = Either(At("a", Text()), At("b", Text()))
    assert "first" == codec.read({"a": "first", "b": "second"})
    assert "second" == codec.read({"b": "second"})
    assert "second" == codec.read({"a": 5, "b": "second"})
    assert MISSING is codec.read({})
    assert () == Either(At("a", Each(Text())), At("b", Each(Text()))).read({"a": []})
    assert {} == Either(At("a", Text()), IMAGE).read({"a": 5})


def test_alternative_that_would_be_read_as_something_else_is_not_written() -> None:
    assert {"text": "5"} == Either(At("it", Quoted(Whole())), At("text", Text())).write("5")
    with pytest.raises(Unfit):
        Either(Quoted(Whole()), Text()).write("5")


def test_half_a_pair_says_nothing() -> None:
    assert {"prompt": "a"} == Form({"prompt": At("prompt", Text()), "size": Pair(RATIO, RESOLUTION)}).read(
        {"prompt": "a", "resolution": "2k"}
    )


# In words


@pytest.mark.parametrize(
    ("codec", "allowed"),
    [
        (Whole(), "a whole number"),
        (Real(0.5, 1), "a number from 0.5 to 1"),
        (Words({"1K": "1k", "2K": "2k"}), "1K, 2K"),
        (Quoted(Whole(1)), "a whole number of at least 1"),
        (Base64(["png", "jpeg"]), "an image (png, jpeg)"),
        (At("a", First(Only(Text()))), "exactly one, text"),
        (With(Each(Link(), most=4), Fixed("a", 1)), "a list of at most 4, each an http(s) address"),
        (Slots(["a", "b"], Flag()), "at most 2, each true or false"),
        (Pair(Implied(1), Flag()), "(1) with (true or false)"),
        (Either(Text(), Flag()), "text, or true or false"),
        (Either(Text(), At("a", Text())), "text"),
        (IMAGE, "an object with url, expires_at"),
    ],
)
def test_domain_is_told_in_words(codec: Codec, allowed: str) -> None:
    assert allowed == codec.allowed


# Places


@pytest.mark.parametrize(
    ("codec", "places"),
    [
        (Text(), [()]),
        (At("a.b", Text()), [("a", "b")]),
        (At("a", Implied(1)), [("a",)]),
        (At("a", Sides()), [("a", "width"), ("a", "height")]),
        (Header("X-Key", Text()), [("@headers", "x-key")]),
        (Implied(1), []),
        (Pair(RATIO, Implied(1)), [("aspect_ratio",)]),
        (Slots(["x.y", "z"], At("a", Text())), [("x.y",), ("z",)]),
        (Each(At("a", Text())), [()]),
        (First(At("a", Text())), [()]),
        (Only(At("a", Text())), [("a",)]),
        (Either(At("a", Text()), Text()), [("a",), ()]),
        (With(At("a", Text()), Fixed("b.c", 1)), [("a",), ("b", "c")]),
        (Tagged(At("a", Text()), At("b", Text())), [("a",), ("b",)]),
        (IMAGE, [("url",), ("expires_at",)]),
    ],
)
def test_places_are_known(codec: Codec, places: list[tuple[str, ...]]) -> None:
    assert places == list(codec.places())


# Making codecs


@pytest.mark.parametrize("table", [{"a": "x", "b": "x"}, {"a": ("x", "y"), "b": "y"}, {"a": ("x", "x")}, {"a": ()}])
def test_words_that_cannot_be_told_apart_cannot_be_made(table: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="cannot be told apart, or not be said"):
        Words(table)


def test_form_cannot_need_what_it_does_not_have() -> None:
    with pytest.raises(ValueError, match="a form of url, expires_at cannot need uri, urn"):
        Form(dict(IMAGE.fields), need=["urn", "url", "uri"])


def test_forms_are_joined_and_the_second_counts() -> None:
    joined = Form({"a": At("x", Text()), "b": At("b", Text())}, need=["a"]) | Form({"a": At("y", Flag())}, need=["a"])
    assert ["a", "b"] == [name for name, _ in joined.fields]
    assert {"y": True} == joined.write({"a": True})
    assert frozenset({"a"}) == joined.needed
    assert At("y", Flag()) == joined.get("a")
    assert joined.get("c") is None


def test_codecs_are_values() -> None:
    assert Words({"a": "b"}) == Words([("a", ("b",))])
    assert Money() == Money("1.0")
    assert attrs.evolve(KLEIN.request) == KLEIN.request
    assert len({At("a", Text()), At("a", Text()), At("b", Text())}) == 2
    assert attrs.evolve(At("a.b", Text()), path="c").write("d") == {"c": "d"}


# Trimming

FACTS = {"url": "https://a", "expires_at": 5, "width": 8}


@pytest.mark.parametrize(
    ("codec", "facts", "trimmed"),
    [
        (Text(), "a", "a"),
        (IMAGE, FACTS, {"url": "https://a", "expires_at": 5}),
        (At("a", IMAGE), FACTS, {"url": "https://a", "expires_at": 5}),
        (First(IMAGE), FACTS, {"url": "https://a", "expires_at": 5}),
        (With(IMAGE, Fixed("a", 1)), FACTS, {"url": "https://a", "expires_at": 5}),
        (Either(At("a", IMAGE), IMAGE), FACTS, {"url": "https://a", "expires_at": 5}),
        (Each(Form({"url": At("", Link())})), (FACTS, FACTS), ({"url": "https://a"}, {"url": "https://a"})),
        (Slots(["x"], IMAGE), (FACTS,), ({"url": "https://a", "expires_at": 5},)),
        (Only(IMAGE), (FACTS,), ({"url": "https://a", "expires_at": 5},)),
        (Pair(At("a", IMAGE), Implied(1)), (FACTS, 1), ({"url": "https://a", "expires_at": 5}, 1)),
        (Pair(RATIO, RESOLUTION), "no pair", "no pair"),
        (Either(At("a", Form({"url": At("url", Link())}, need=["url"])), IMAGE), {"expires_at": 5}, {"expires_at": 5}),
        (Either(At("a", IMAGE), Text()), "b", "b"),
        (Only(IMAGE), (FACTS, {}), ({"url": "https://a", "expires_at": 5},)),
        (IMAGE, "no form", "no form"),
        (Each(IMAGE), "no tuple", "no tuple"),
    ],
)
def test_facts_are_trimmed_to_what_the_codec_has_a_place_for(codec: Codec, facts: Any, trimmed: Any) -> None:
    assert trimmed == trim(codec, facts)


def test_an_image_is_not_written_where_its_text_would_be_read_as_something_else() -> None:
    image = Reference(content=b"\x89PNG\r\n\x1a\n")
    ambiguous = Either(Trail("body"), Each(Base64(["png"])))
    with pytest.raises(Unfit):
        ambiguous.write((image,))
    told_apart = Either(Hosted(), Base64(["png"]))
    assert told_apart.write(image) == "iVBORw0KGgo="
    assert Either(Base64(["png"]), Text()).write(image) == "iVBORw0KGgo="
