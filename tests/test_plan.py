"""Plans: what each service would be told, and what is refused, dropped or approximated, before anything is sent.

The expectations are written out from the services' own pages, field by field, and not computed from the declarations.
"""

import base64
import json
import socket
import tomllib
from collections.abc import Mapping
from typing import Any

import attrs
import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st

from fluxkit._contract.amount import Amount
from fluxkit._contract.reference import Reference
from fluxkit._contract.report import Outcome, Verdict
from fluxkit._contract.request import Request
from fluxkit._wire.body import json_body
from fluxkit._wire.draft import FIELDS, FITS, SIZE_FIELDS, WISHES
from fluxkit._wire.pending import Pending
from fluxkit._wire.plan import Plan, make_plan
from fluxkit.errors import Charged, SettingsError, Unsupported
from fluxkit.provider import (
    Anything,
    At,
    Canvas,
    Codec,
    Colour,
    Each,
    Either,
    First,
    Fixed,
    Form,
    Grid,
    Header,
    Hosted,
    Implied,
    Model,
    Only,
    Pair,
    PerMegapixel,
    Provider,
    Query,
    Quoted,
    Ratios,
    Real,
    Route,
    Slots,
    Text,
    Times,
    Whole,
    With,
    Words,
)
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.magnific import FREEPIK, MAGNIFIC

KLEIN, PRO, FLEX = "flux-2-klein", "flux-2-pro", "flux-2-flex"
FACES = pytest.mark.parametrize("face", [MAGNIFIC, FREEPIK], ids=lambda face: face.name)
URL_MODELS = pytest.mark.parametrize("model", [FLEX, PRO])

PNG = b"\x89PNG\r\n\x1a\n" + b"p" * 20
JPEG = b"\xff\xd8\xff\xe0" + b"j" * 20
WEBP = b"RIFF\x24\0\0\0WEBP" + b"w" * 20
GIF = b"GIF89a" + b"g" * 20
WITHOUT = attrs.evolve(APIMART, upload=None)  # it takes addresses, and helps nobody to one
URL = "https://images.example/cat.png?sig=a~b=="
HOOK = "https://hooks.example/flux"

KLEIN_SIZES = "1:1, 4:3, 3:4, 16:9, 9:16, 3:2, 2:3, 2:1, 1:2, 4:5 at 1K or 2K"
PRO_SIZES = "width 256 to 1440, height 256 to 1440"
URL_SIZES = "1:1, 4:3, 3:4, 16:9, 9:16, 3:2, 2:3 at 1K or 2K"


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("a plan has reached for the network")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def plan(provider: Provider, model: str, /, *, fit: Any = "close", unsupported: Any = None, **fields: Any) -> Plan:
    """The plan of a request for a cat."""
    return make_plan(provider, model, Request(**{"prompt": "a cat"} | fields), fit=fit, unsupported=unsupported)


def refusal(provider: Provider, model: str, /, **fields: Any) -> Unsupported:
    """Why there is no plan for that request."""
    with pytest.raises(Unsupported) as caught:
        plan(provider, model, **fields)
    return caught.value


def label(value: Any) -> str | None:
    """An id for a test: a provider by its name, fields as they are given, the rest as pytest has it."""
    if isinstance(value, Provider):
        return value.name
    return str(value) if isinstance(value, dict | Whole | Real) else None


def told(verdict: Verdict) -> tuple[str, Any, str]:
    """The outcome, the value asked for and the note."""
    return verdict.outcome, verdict.asked, verdict.note


def reason(allowed: str) -> str:
    """Why a field is not sent, as a note says it of what the error allows."""
    return allowed.removeprefix("nothing, ") if allowed.startswith("nothing, ") else f"allowed: {allowed}"


def b64(content: bytes) -> str:
    """Base64 as the services want it."""
    return base64.b64encode(content).decode()


# The bodies, field by field

KLEIN_1K = {
    "1:1": ("square_1_1", (1024, 1024)),
    "4:3": ("classic_4_3", (1280, 960)),
    "3:4": ("traditional_3_4", (960, 1280)),
    "16:9": ("widescreen_16_9", (1344, 768)),
    "9:16": ("social_story_9_16", (768, 1344)),
    "3:2": ("standard_3_2", (1216, 832)),
    "2:3": ("portrait_2_3", (832, 1216)),
    "2:1": ("horizontal_2_1", (1408, 704)),
    "1:2": ("vertical_1_2", (704, 1408)),
    "4:5": ("social_post_4_5", (896, 1152)),
}
# Doubled, scaled to fit 2048, aligned to 16; where the direction of the alignment matters, both may come.
KLEIN_2K = {
    "1:1": ((2048, 2048),),
    "4:3": ((2048, 1536),),
    "3:4": ((1536, 2048),),
    "16:9": ((2048, 1168),),
    "9:16": ((1168, 2048),),
    "3:2": ((2048, 1392), (2048, 1408)),
    "2:3": ((1392, 2048), (1408, 2048)),
    "2:1": ((2048, 1024),),
    "1:2": ((1024, 2048),),
    "4:5": ((1584, 2048), (1600, 2048)),
}
URL_PIXELS = {
    "1:1": ((1440, 1440), (1536, 1536)),
    "4:3": ((1664, 1248), (1824, 1368)),
    "3:4": ((1248, 1664), (1368, 1824)),
    "16:9": ((1920, 1080), (2048, 1152)),
    "9:16": ((1080, 1920), (1152, 2048)),
    "3:2": ((1728, 1152), (1872, 1248)),
    "2:3": ((1152, 1728), (1248, 1872)),
}


@FACES
def test_klein_is_told_no_more_than_prompt_and_default_size(face: Provider) -> None:
    made = plan(face, KLEIN)
    assert {"prompt": "a cat", "aspect_ratio": "square_1_1", "resolution": "1k"} == made.body
    assert ((1024, 1024), ((1024, 1024),), None) == (made.pixels, made.expected, made.output_format)


@FACES
def test_klein_is_told_every_field_that_it_has(face: Provider) -> None:
    made = plan(
        face,
        KLEIN,
        aspect="16:9",
        resolution="2K",
        seed=4294967295,
        references=[PNG, JPEG, PNG, JPEG],
        safety_tolerance=5,
        output_format="jpeg",
        webhook_url=HOOK,
    )
    assert {
        "prompt": "a cat",
        "aspect_ratio": "widescreen_16_9",
        "resolution": "2k",
        "seed": 4294967295,
        "input_image": b64(PNG),
        "input_image_2": b64(JPEG),
        "input_image_3": b64(PNG),
        "input_image_4": b64(JPEG),
        "safety_tolerance": 5,
        "output_format": "jpeg",
        "webhook_url": HOOK,
    } == made.body
    assert ((2048, 1168), "jpeg") == (made.pixels, made.output_format)


@FACES
def test_pro_is_told_no_more_than_prompt_and_default_size(face: Provider) -> None:
    made = plan(face, PRO)
    assert {"prompt": "a cat", "width": 1024, "height": 768} == made.body
    assert ((1024, 768), ((1024, 768),), None) == (made.pixels, made.expected, made.output_format)


@FACES
def test_pro_is_told_every_field_that_it_has(face: Provider) -> None:
    made = plan(face, PRO, size="1440x256", seed=0, references=[PNG, JPEG, WEBP], enhance_prompt=True, webhook_url=HOOK)
    assert {
        "prompt": "a cat",
        "width": 1440,
        "height": 256,
        "seed": 0,
        "input_image": b64(PNG),
        "input_image_2": b64(JPEG),
        "input_image_3": b64(WEBP),
        "prompt_upsampling": True,
        "webhook_url": HOOK,
    } == made.body


@URL_MODELS
def test_url_service_is_told_no_more_than_prompt_and_default_size(model: str) -> None:
    made = plan(APIMART, model)
    assert {"model": model, "prompt": "a cat", "size": "1:1", "resolution": "1K"} == made.body
    assert ((1440, 1440), ((1440, 1440),), None) == (made.pixels, made.expected, made.output_format)


@URL_MODELS
def test_url_service_is_told_every_field_that_it_has(model: str) -> None:
    made = plan(APIMART, model, aspect="3:2", resolution="2k", references=[URL, HOOK])
    assert {
        "model": model,
        "prompt": "a cat",
        "size": "3:2",
        "resolution": "2K",
        "image_urls": [URL, HOOK],
    } == made.body
    assert (1872, 1248) == made.pixels


@FACES
@pytest.mark.parametrize("aspect", KLEIN_1K)
def test_klein_presets(face: Provider, aspect: str) -> None:
    word, pixels = KLEIN_1K[aspect]
    small, large = plan(face, KLEIN, aspect=aspect), plan(face, KLEIN, aspect=aspect, resolution="2K")
    assert {"prompt": "a cat", "aspect_ratio": word, "resolution": "1k"} == small.body
    assert {"prompt": "a cat", "aspect_ratio": word, "resolution": "2k"} == large.body
    assert ((pixels,), KLEIN_2K[aspect]) == (small.expected, large.expected)
    assert small.body == plan(face, KLEIN, aspect=aspect, resolution="1K").body
    assert small.body == plan(face, KLEIN, size=pixels).body


@URL_MODELS
@pytest.mark.parametrize("aspect", URL_PIXELS)
def test_url_service_presets(model: str, aspect: str) -> None:
    for resolution, pixels in zip(("1K", "2K"), URL_PIXELS[aspect], strict=True):
        made = plan(APIMART, model, aspect=aspect, resolution=resolution)
        assert {"model": model, "prompt": "a cat", "size": aspect, "resolution": resolution} == made.body
        assert (pixels,) == made.expected
        assert {Outcome.AS_ASKED} == {verdict.outcome for verdict in made.report}
        assert made.body == plan(APIMART, model, size=pixels).body


def test_both_faces_differ_in_their_address_only() -> None:
    assert "https://api.magnific.com" == plan(MAGNIFIC, KLEIN).base_url
    assert "https://api.freepik.com" == plan(FREEPIK, KLEIN).base_url
    assert plan(MAGNIFIC, KLEIN, seed=1).body == plan(FREEPIK, KLEIN, seed=1).body


# Bounds

SEED = "a whole number from 0 to 4294967295"
IMAGES = "at most 4, each an image (jpeg, png)"
WITH_WEBP = "at most 4, each an image (jpeg, png, webp)"
LINKS = "a list of at most 8, each a public http(s) address"


@pytest.mark.parametrize(
    ("provider", "model", "field", "value", "place", "expected"),
    [
        *((MAGNIFIC, model, "seed", seed, "seed", seed) for model in (KLEIN, PRO) for seed in (0, 1, 4294967295)),
        *((MAGNIFIC, KLEIN, "safety_tolerance", number, "safety_tolerance", number) for number in range(6)),
        *((MAGNIFIC, PRO, "enhance_prompt", flag, "prompt_upsampling", flag) for flag in (True, False)),
        *((MAGNIFIC, KLEIN, "output_format", name, "output_format", "png") for name in ("png", ".PNG", "image/png")),
        *((MAGNIFIC, KLEIN, "output_format", name, "output_format", "jpeg") for name in ("jpeg", "JPG", "image/jpeg")),
        (MAGNIFIC, KLEIN, "references", [PNG] * 4, "input_image_4", b64(PNG)),
        (MAGNIFIC, KLEIN, "references", [JPEG] * 4, "input_image_4", b64(JPEG)),
        (MAGNIFIC, PRO, "references", [PNG, JPEG, PNG, WEBP], "input_image_4", b64(WEBP)),
        (APIMART, PRO, "references", [URL] * 8, "image_urls", [URL] * 8),
        (APIMART, FLEX, "references", [URL], "image_urls", [URL]),
        *((MAGNIFIC, PRO, "size", f"{side}x1000", "width", side) for side in (256, 1440)),
        *((MAGNIFIC, PRO, "size", f"1000x{side}", "height", side) for side in (256, 1440)),
    ],
    ids=label,
)  # fmt: skip
def test_value_at_a_bound_is_sent(
    provider: Provider, model: str, field: str, value: Any, place: str, expected: Any
) -> None:
    made = plan(provider, model, **{field: value})
    assert expected == made.body[place]
    assert Outcome.AS_ASKED == made.report[field].outcome


@pytest.mark.parametrize(
    ("provider", "model", "field", "value", "allowed"),
    [
        *((MAGNIFIC, model, "seed", seed, SEED) for model in (KLEIN, PRO) for seed in (-1, 4294967296)),
        *((MAGNIFIC, KLEIN, "safety_tolerance", number, "a whole number from 0 to 5") for number in (-1, 6)),
        *((MAGNIFIC, KLEIN, "output_format", name, "png, jpeg") for name in ("webp", "gif", "image/gif", "avif")),
        *((MAGNIFIC, KLEIN, "references", images, IMAGES) for images in ([PNG] * 5, [WEBP], [PNG, GIF], [URL] * 5)),
        *((MAGNIFIC, PRO, "references", images, WITH_WEBP) for images in ([WEBP] * 5, [GIF], [URL, GIF])),
        *((APIMART, model, "references", [URL] * 9, LINKS) for model in (FLEX, PRO)),
        *((WITHOUT, model, "references", [URL, PNG], LINKS) for model in (FLEX, PRO)),
    ],
    ids=label,
)  # fmt: skip
def test_value_outside_a_bound_is_refused(provider: Provider, model: str, field: str, value: Any, allowed: str) -> None:
    error = refusal(provider, model, **{field: value})
    asked = tuple(map(Reference.of, value)) if field == "references" else value
    setting = f'unsupported = {{ {field} = "drop" }}' if field != "references" else None
    assert (field, asked, allowed, setting) == (error.field, error.asked, error.allowed, error.setting)
    assert (provider.name, model) == (error.provider, error.model)
    assert (Charged.NO, False) == (error.charged, error.retry)
    assert [(Outcome.AS_ASKED, "a cat", ""), (Outcome.REFUSED, asked, f"allowed: {allowed}")] == [
        *map(told, error.verdicts)
    ]


@pytest.mark.parametrize(
    ("provider", "model", "lacks"),
    [
        (MAGNIFIC, KLEIN, {"enhance_prompt": True}),
        (MAGNIFIC, PRO, {"safety_tolerance": 2, "output_format": "png"}),
        *(
            (
                APIMART,
                model,
                {
                    "seed": 7,
                    "enhance_prompt": False,
                    "safety_tolerance": 0,
                    "output_format": "JPG",
                },
            )
            for model in (FLEX, PRO)
        ),
    ],
    ids=label,
)
def test_field_that_a_model_lacks_is_refused(provider: Provider, model: str, lacks: Mapping[str, Any]) -> None:
    for field, value in lacks.items():
        error = refusal(provider, model, **{field: value})
        allowed = f"nothing, the model has no {field}"
        setting = f'unsupported = {{ {field} = "drop" }}' if field in WISHES else None
        assert (field, value, allowed, setting) == (error.field, error.asked, error.allowed, error.setting)
    assert [*lacks] == [
        verdict.field for verdict in refusal(provider, model, **lacks).verdicts if verdict.outcome is Outcome.REFUSED
    ]


# What a message says


def test_message_names_every_refused_field_with_what_is_allowed_and_what_to_do() -> None:
    error = refusal(
        MAGNIFIC,
        KLEIN,
        aspect="5:1",
        n=2,
        seed=-1,
        references=[PNG, WEBP],
        enhance_prompt=True,
        safety_tolerance=6,
        output_format="webp",
        options={"guidance": 3.0},
    )
    assert """\
magnific:flux-2-klein cannot serve aspect = '5:1': the nearest is 2:1 (1408x704, ratio 150.0% off), \
then 16:9 (185.7% off) and 3:2 (242.1% off).
  Allowed: 1:1, 4:3, 3:4, 16:9, 9:16, 3:2, 2:3, 2:1, 1:2, 4:5 at 1K or 2K.
  To take the nearest: fit = "nearest"
magnific:flux-2-klein cannot serve seed = -1.
  Allowed: a whole number from 0 to 4294967295.
magnific:flux-2-klein cannot serve references = Reference(webp, 32 bytes, sha256 af092d889fe2).
  Allowed: at most 4, each an image (jpeg, png).
magnific:flux-2-klein cannot serve enhance_prompt = True.
  Allowed: nothing, the model has no enhance_prompt.
magnific:flux-2-klein cannot serve safety_tolerance = 6.
  Allowed: a whole number from 0 to 5.
magnific:flux-2-klein cannot serve output_format = 'webp'.
  Allowed: png, jpeg.
  To send the request without them: \
unsupported = { seed = "drop", enhance_prompt = "drop", safety_tolerance = "drop", output_format = "drop" }
magnific:flux-2-klein cannot serve guidance = 3.0.
  Allowed: nothing, the model has no options.""" == str(error)
    assert ("aspect", "5:1", KLEIN_SIZES, 'fit = "nearest"') == (error.field, error.asked, error.allowed, error.setting)
    assert [
        ("prompt", "as asked"),
        ("aspect", "refused"),
        ("n", "as asked"),
        ("seed", "refused"),
        ("references", "refused"),
        ("enhance_prompt", "refused"),
        ("safety_tolerance", "refused"),
        ("output_format", "refused"),
        ("guidance", "refused"),
    ] == [(verdict.field, verdict.outcome) for verdict in error.verdicts]


@pytest.mark.parametrize(
    ("provider", "model", "references", "what"),
    [
        (MAGNIFIC, KLEIN, [PNG] * 5, "5 references"),
        (APIMART, PRO, [URL] * 9, "9 references"),
        (WITHOUT, PRO, [URL, PNG], "references = Reference(png, 28 bytes, sha256 678f8692ea45)"),
        (MAGNIFIC, PRO, [PNG, GIF], "references = Reference(gif, 26 bytes, sha256 8a73368a8dc6)"),
    ],
)
def test_message_shows_the_reference_that_does_not_fit(
    provider: Provider, model: str, references: list[Any], what: str
) -> None:
    first, *_ = str(refusal(provider, model, references=references)).splitlines()
    assert f"{provider.name}:{model} cannot serve {what}." == first


def test_message_shows_a_format_that_nobody_knows_as_it_was_given() -> None:
    assert str(refusal(MAGNIFIC, KLEIN, output_format="avif")).startswith(
        "magnific:flux-2-klein cannot serve output_format = 'avif'.\n"
    )


@pytest.mark.parametrize(("references", "what"), [([URL], "1 reference"), ([URL, PNG], "2 references")])
def test_message_counts_references_that_a_model_does_not_take(references: list[Any], what: str) -> None:
    error = refusal(declared(model({})), "one", references=references)
    assert f"odd:one cannot serve {what}.\n  Allowed: nothing, the model has no references." == str(error)


def test_long_values_are_cut_short_in_messages() -> None:
    error = refusal(MAGNIFIC, KLEIN, options={"mask": "x" * 1_000_000}, output_format="y" * 1_000_000)
    assert max(map(len, str(error).splitlines())) < 160
    assert "y" * 1_000_000 == error.asked


@pytest.mark.parametrize("fields", [{}, {"seed": 7, "n": 3}, {"seed": 70, "n": 3}, {"aspect": "1:1"}], ids=label)
def test_every_field_has_a_verdict_also_where_the_form_misses_one(fields: dict[str, Any]) -> None:
    form = {"references": At("image", Only(Hosted())), "seed": At("seed", Whole(0, 9))}
    whole = Form({"prompt": At("prompt", Text()), **form}, need=["prompt", "references"])
    provider = declared(Model(name="one", request=whole, sizes=SQUARE))
    error = refusal(provider, "one", **fields)
    assert [*filled(Request("a cat", **fields)), "references"] == sorted(
        (verdict.field for verdict in error.verdicts), key=lambda field: field == "references"
    )
    assert "odd:one cannot do without references.\n  Allowed: exactly one, a public http(s) address." in str(error)


# Wishes may be dropped, substance never


@pytest.mark.parametrize(
    ("provider", "model", "field", "value", "allowed"),
    [
        (MAGNIFIC, KLEIN, "seed", -1, SEED),
        (MAGNIFIC, KLEIN, "enhance_prompt", True, "nothing, the model has no enhance_prompt"),
        (MAGNIFIC, KLEIN, "safety_tolerance", 6, "a whole number from 0 to 5"),
        (MAGNIFIC, KLEIN, "output_format", "WebP", "png, jpeg"),
        (MAGNIFIC, PRO, "output_format", "png", "nothing, the model has no output_format"),
        (MAGNIFIC, PRO, "safety_tolerance", 2, "nothing, the model has no safety_tolerance"),
        (APIMART, PRO, "seed", 7, "nothing, the model has no seed"),
        (APIMART, FLEX, "enhance_prompt", False, "nothing, the model has no enhance_prompt"),
        (APIMART, FLEX, "output_format", "JPG", "nothing, the model has no output_format"),
    ],
)
def test_wish_is_dropped_where_that_is_set_and_reported(
    provider: Provider, model: str, field: str, value: Any, allowed: str
) -> None:
    made = plan(provider, model, **{field: value}, unsupported={field: "drop"})
    assert plan(provider, model).documents == made.documents
    assert (Outcome.DROPPED, value, reason(allowed)) == told(made.report[field])
    assert made.report[field].sent is None
    refusal(provider, model, **{field: value}, unsupported={field: "refuse"})


@pytest.mark.parametrize("field", ["seed", "safety_tolerance", "output_format"])
def test_wish_that_can_be_served_is_not_dropped(field: str) -> None:
    value = "png" if field == "output_format" else 3
    made = plan(MAGNIFIC, KLEIN, **{field: value}, unsupported=dict.fromkeys(WISHES, "drop"))
    assert value == made.body[field]
    assert Outcome.AS_ASKED == made.report[field].outcome


def test_dropped_seed_is_given_to_no_image() -> None:
    made = plan(APIMART, PRO, n=3, seed=7, unsupported={"seed": "drop"})
    assert [{"model": PRO, "prompt": "a cat", "size": "1:1", "resolution": "1K"}] * 3 == [*made.documents]


def test_dropping_one_field_does_not_excuse_another() -> None:
    error = refusal(MAGNIFIC, KLEIN, seed=-1, safety_tolerance=6, unsupported={"seed": "drop"})
    assert "safety_tolerance" == error.field
    assert {"seed": Outcome.DROPPED, "safety_tolerance": Outcome.REFUSED} == {
        verdict.field: verdict.outcome for verdict in error.verdicts if verdict.field != "prompt"
    }


ALLOWED = (
    'Allowed: "refuse", or a mapping such as {"seed": "drop"} of '
    'seed, enhance_prompt, safety_tolerance, output_format, each "drop" or "refuse".'
)


@pytest.mark.parametrize(
    ("field", "way_out"),
    [
        ("prompt", ""),
        ("aspect", '; the nearest size is taken with fit = "nearest"'),
        ("resolution", '; the nearest size is taken with fit = "nearest"'),
        ("size", '; the nearest size is taken with fit = "nearest"'),
        ("n", "; leave it out of the request"),
        ("references", "; leave it out of the request"),
        ("webhook_url", "; leave it out of the request"),
        ("options", "; leave it out of the request"),
    ],
)
@pytest.mark.parametrize("what", ["drop", "refuse"])
def test_substance_cannot_be_dropped_and_the_error_says_why(field: str, way_out: str, what: str) -> None:
    with pytest.raises(SettingsError) as caught:
        plan(MAGNIFIC, KLEIN, unsupported={"seed": "drop", field: what})
    assert (
        f"unsupported has {field!r}: {what!r}, and {field} is substance: without it the image would be another one "
        f"than was asked for, so it is never dropped{way_out}. {ALLOWED}" == str(caught.value)
    )


@pytest.mark.parametrize("field", ["guidance", "", 7])
def test_what_no_request_has_cannot_be_dropped(field: Any) -> None:
    with pytest.raises(SettingsError) as caught:
        plan(MAGNIFIC, KLEIN, unsupported={field: "drop"})
    assert f"unsupported has {field!r}: 'drop'. {ALLOWED}" == str(caught.value)


@pytest.mark.parametrize("whole", ["drop", "", "seed", ["seed"], True])
def test_one_word_can_only_refuse(whole: Any) -> None:
    with pytest.raises(SettingsError) as caught:
        plan(MAGNIFIC, KLEIN, unsupported=whole)
    assert f"unsupported is {whole!r}. {ALLOWED}" == str(caught.value)


def test_the_word_refuse_gives_up_nothing() -> None:
    with pytest.raises(Unsupported) as caught:
        plan(APIMART, PRO, seed=7, unsupported="refuse")
    assert "seed" == caught.value.field
    assert plan(APIMART, PRO).body == plan(APIMART, PRO, unsupported="refuse").body


@pytest.mark.parametrize("what", ["ignore", "", True, None])
def test_wish_can_only_be_dropped_or_refused(what: Any) -> None:
    with pytest.raises(SettingsError, match="unsupported has 'seed'"):
        plan(MAGNIFIC, KLEIN, unsupported={"seed": what})


# Sizes and fits

AS_ASKED, APPROXIMATED = Outcome.AS_ASKED, Outcome.APPROXIMATED


@pytest.mark.parametrize(
    ("provider", "model", "fields", "pixels", "outcomes"),
    [
        # A named ratio is as asked, with the deviation of its pixels.
        (MAGNIFIC, KLEIN, {"aspect": "1:1"}, (1024, 1024), {"aspect": (AS_ASKED, "1024x1024")}),
        (MAGNIFIC, KLEIN, {"aspect": "2:3"}, (832, 1216), {"aspect": (AS_ASKED, "832x1216, ratio 2.6% off")}),
        (MAGNIFIC, KLEIN, {"aspect": "16:9"}, (1344, 768), {"aspect": (AS_ASKED, "1344x768, ratio 1.6% off")}),
        (MAGNIFIC, KLEIN, {"aspect": "32:18"}, (1344, 768), {"aspect": (AS_ASKED, "1344x768, ratio 1.6% off")}),
        # So is a named resolution, whatever its area; pixels that nobody documents are said to be so.
        (
            MAGNIFIC,
            KLEIN,
            {"aspect": "4:5", "resolution": "2K"},
            (1584, 2048),
            {
                "aspect": (AS_ASKED, "1584x2048, ratio 3.4% off, pixels not documented"),
                "resolution": (AS_ASKED, "1584x2048, pixels not documented"),
            },
        ),
        (MAGNIFIC, KLEIN, {"resolution": "2k"}, (2048, 2048), {"resolution": (AS_ASKED, "2048x2048")}),
        (APIMART, PRO, {"resolution": "1K"}, (1440, 1440), {"resolution": (AS_ASKED, "1440x1440")}),
        # A ratio without a name is as asked if the pixels have it, and approximated within two per cent.
        (MAGNIFIC, KLEIN, {"aspect": "7:4"}, (1344, 768), {"aspect": (AS_ASKED, "1344x768")}),
        (MAGNIFIC, KLEIN, {"aspect": "44:25"}, (1344, 768), {"aspect": (APPROXIMATED, "1344x768, ratio 0.6% off")}),
        (MAGNIFIC, KLEIN, {"aspect": "51:50"}, (1024, 1024), {"aspect": (APPROXIMATED, "1024x1024, ratio 2.0% off")}),
        (APIMART, PRO, {"aspect": "25:14"}, (1920, 1080), {"aspect": (APPROXIMATED, "1920x1080, ratio 0.4% off")}),
        (MAGNIFIC, PRO, {"aspect": "16:9"}, (1360, 765), {"aspect": (AS_ASKED, "1360x765")}),
        (MAGNIFIC, PRO, {"aspect": "997:991"}, (1027, 1021), {"aspect": (APPROXIMATED, "1027x1021")}),
        # A cap is approximated, with its factor; the ratio is not to blame.
        (
            MAGNIFIC,
            PRO,
            {"aspect": "16:9", "resolution": "2K"},
            (1440, 810),
            {"aspect": (AS_ASKED, "1440x810"), "resolution": (APPROXIMATED, "1440x810, 0.28 times the area")},
        ),
        (
            MAGNIFIC,
            PRO,
            {"resolution": "2K"},
            (1440, 1080),
            {"resolution": (APPROXIMATED, "1440x1080, 0.37 times the area")},
        ),
        (
            MAGNIFIC,
            PRO,
            {"aspect": "16:9", "resolution": "1K"},
            (1360, 765),
            {"aspect": (AS_ASKED, "1360x765"), "resolution": (AS_ASKED, "1360x765")},
        ),
        # Pixels: the ratio within two per cent, the area as near as can be.
        (MAGNIFIC, PRO, {"size": "1000x700"}, (1000, 700), {"size": (AS_ASKED, "1000x700")}),
        (MAGNIFIC, PRO, {"size": "255x255"}, (256, 256), {"size": (APPROXIMATED, "256x256")}),
        (MAGNIFIC, PRO, {"size": "1441x1441"}, (1440, 1440), {"size": (APPROXIMATED, "1440x1440")}),
        (MAGNIFIC, PRO, {"size": "1441x256"}, (1440, 256), {"size": (APPROXIMATED, "1440x256, ratio 0.1% off")}),
        (MAGNIFIC, PRO, {"size": (2880, 1440)}, (1440, 720), {"size": (APPROXIMATED, "1440x720, 0.25 times the area")}),
        (MAGNIFIC, KLEIN, {"size": "1344x768"}, (1344, 768), {"size": (AS_ASKED, "1344x768")}),
        (MAGNIFIC, KLEIN, {"size": "1024x1023"}, (1024, 1024), {"size": (APPROXIMATED, "1024x1024, ratio 0.1% off")}),
        (
            MAGNIFIC,
            KLEIN,
            {"size": "1408x2048"},
            (1392, 2048),
            {"size": (APPROXIMATED, "1392x2048, ratio 1.1% off, pixels not documented")},
        ),
        (APIMART, FLEX, {"size": "720x720"}, (1440, 1440), {"size": (APPROXIMATED, "1440x1440, 4.00 times the area")}),
    ],
    ids=label,
)  # fmt: skip
def test_close_fit(
    provider: Provider, model: str, fields: Any, pixels: Any, outcomes: Mapping[str, tuple[Outcome, str]]
) -> None:
    made = plan(provider, model, **fields)
    assert pixels == made.pixels
    assert outcomes == {
        verdict.field: (verdict.outcome, verdict.note) for verdict in made.report if verdict.field != "prompt"
    }
    assert fields == {verdict.field: verdict.asked for verdict in made.report if verdict.field != "prompt"}
    assert {made.point.choice} == {verdict.sent for verdict in made.report if verdict.field != "prompt"}


@pytest.mark.parametrize(
    ("provider", "model", "fields", "field", "nearest", "name", "others", "allowed"),
    [
        (
            MAGNIFIC,
            KLEIN,
            {"aspect": "5:4"},
            "aspect",
            "1280x960, ratio 6.7% off",
            "4:3",
            "3:2 (16.9% off) and 1:1 (25.0% off)",
            KLEIN_SIZES,
        ),
        (
            MAGNIFIC,
            KLEIN,
            {"aspect": "1021:1000"},
            "aspect",
            "1024x1024, ratio 2.1% off",
            "1:1",
            "4:3 (30.6% off) and 4:5 (31.3% off)",
            KLEIN_SIZES,
        ),
        (
            MAGNIFIC,
            KLEIN,
            {"aspect": "21:9"},
            "aspect",
            "1408x704, ratio 16.7% off",
            "2:1",
            "16:9 (33.3% off) and 3:2 (59.6% off)",
            KLEIN_SIZES,
        ),
        (
            MAGNIFIC,
            KLEIN,
            {"aspect": "17:10"},
            "aspect",
            "1344x768, ratio 2.9% off",
            "16:9",
            "3:2 (16.3% off) and 2:1 (17.6% off)",
            KLEIN_SIZES,
        ),
        (
            MAGNIFIC,
            KLEIN,
            {"aspect": "5:4", "resolution": "2K"},
            "aspect",
            "2048x1536, ratio 6.7% off",
            "4:3",
            "3:2 (17.7% off) and 1:1 (25.0% off)",
            KLEIN_SIZES,
        ),
        (
            MAGNIFIC,
            KLEIN,
            {"size": "1280x1024"},
            "size",
            "1280x960, ratio 6.7% off, 0.94 times the area",
            "4:3",
            "3:2 (16.9% off) and 1:1 (25.0% off)",
            KLEIN_SIZES,
        ),
        (MAGNIFIC, PRO, {"aspect": "6:1"}, "aspect", "1440x256, ratio 6.7% off", None, "", PRO_SIZES),
        (
            MAGNIFIC,
            PRO,
            {"size": "2048x256"},
            "size",
            "1440x256, ratio 42.2% off, 0.70 times the area",
            None,
            "",
            PRO_SIZES,
        ),
        (
            APIMART,
            PRO,
            {"aspect": "4:5"},
            "aspect",
            "1248x1664, ratio 6.7% off",
            "3:4",
            "2:3 (20.0% off) and 1:1 (25.0% off)",
            URL_SIZES,
        ),
        (
            APIMART,
            FLEX,
            {"aspect": "2:1"},
            "aspect",
            "1920x1080, ratio 12.5% off",
            "16:9",
            "3:2 (33.3% off) and 4:3 (50.0% off)",
            URL_SIZES,
        ),
    ],
    ids=label,
)
def test_close_fit_refuses_a_foreign_ratio_and_shows_the_nearest(
    provider: Provider, model: str, fields: Any, field: str, nearest: str, name: str | None, others: str, allowed: str
) -> None:
    error = refusal(provider, model, **fields)
    assert (field, fields[field], allowed, 'fit = "nearest"') == (
        error.field,
        error.asked,
        error.allowed,
        error.setting,
    )
    found = f"{name} ({nearest}), then {others}" if name else nearest
    assert (
        f"{provider.name}:{model} cannot serve {field} = {fields[field]!r}: the nearest is {found}.\n"
        f'  Allowed: {allowed}.\n  To take the nearest: fit = "nearest"' == str(error)
    )
    assert [field] == [verdict.field for verdict in error.verdicts if verdict.outcome is Outcome.REFUSED]
    made = plan(provider, model, **fields, fit="nearest")
    assert (APPROXIMATED, fields[field], nearest) == told(made.report[field])


@pytest.mark.parametrize(
    ("provider", "model", "fields"),
    [
        (MAGNIFIC, KLEIN, {}),
        (MAGNIFIC, KLEIN, {"aspect": "1:1"}),
        (MAGNIFIC, KLEIN, {"aspect": "4:3", "resolution": "2K"}),
        (MAGNIFIC, KLEIN, {"aspect": "7:4"}),
        (MAGNIFIC, KLEIN, {"size": "1344x768"}),
        (MAGNIFIC, PRO, {"aspect": "16:9"}),
        (MAGNIFIC, PRO, {"aspect": "1:1", "resolution": "1K"}),
        (MAGNIFIC, PRO, {"size": "1439x257"}),
        (APIMART, PRO, {"aspect": "16:9", "resolution": "2K"}),
    ],
    ids=label,
)
def test_exact_fit_takes_what_is_exact(provider: Provider, model: str, fields: Any) -> None:
    made = plan(provider, model, **fields, fit="exact")
    assert plan(provider, model, **fields).documents == made.documents
    assert {AS_ASKED} == {verdict.outcome for verdict in made.report}


@pytest.mark.parametrize(
    ("provider", "model", "fields", "field", "nearest", "setting"),
    [
        (MAGNIFIC, KLEIN, {"aspect": "16:9"}, "aspect", "1344x768, ratio 1.6% off", "close"),
        (MAGNIFIC, KLEIN, {"aspect": "2:3"}, "aspect", "832x1216, ratio 2.6% off", "close"),
        (
            MAGNIFIC,
            KLEIN,
            {"aspect": "5:4"},
            "aspect",
            "4:3 (1280x960, ratio 6.7% off), then 3:2 (16.9% off) and 1:1 (25.0% off)",
            "nearest",
        ),
        (MAGNIFIC, KLEIN, {"size": "1344x769"}, "size", "1344x768, ratio 0.1% off", "close"),
        (MAGNIFIC, KLEIN, {"size": "1000x1000"}, "size", "1024x1024, 1.05 times the area", "close"),
        # These pixels may come, or others: nobody documents which.
        (MAGNIFIC, KLEIN, {"size": "2048x1392"}, "size", "2048x1392, pixels not documented", "close"),
        (MAGNIFIC, PRO, {"aspect": "997:991"}, "aspect", "1027x1021", "close"),
        # The ratio is exact, the area is not: only that is refused.
        (MAGNIFIC, PRO, {"aspect": "16:9", "resolution": "1K"}, "resolution", "1360x765", "close"),
        (MAGNIFIC, PRO, {"resolution": "2K"}, "resolution", "1440x1080, 0.37 times the area", "close"),
        (MAGNIFIC, PRO, {"size": "255x255"}, "size", "256x256", "close"),
        (APIMART, PRO, {"size": "1024x1024"}, "size", "1440x1440, 1.98 times the area", "close"),
    ],
    ids=label,
)
def test_exact_fit_refuses_any_deviation(
    provider: Provider, model: str, fields: Any, field: str, nearest: str, setting: str
) -> None:
    error = refusal(provider, model, **fields, fit="exact")
    first, *_ = str(error).splitlines()
    assert (
        f"{provider.name}:{model} cannot serve {field} = {fields[field]!r} exactly: the nearest is {nearest}." == first
    )
    assert (field, fields[field], f'fit = "{setting}"') == (error.field, error.asked, error.setting)
    assert [field] == [verdict.field for verdict in error.verdicts if verdict.outcome is Outcome.REFUSED]
    plan(provider, model, **fields, fit=setting)


def test_exact_fit_refuses_both_parts_of_a_size_that_stray() -> None:
    error = refusal(MAGNIFIC, PRO, aspect="997:991", resolution="2K", fit="exact")
    assert ["aspect", "resolution"] == [each.field for each in error.verdicts if each.outcome is Outcome.REFUSED]


@pytest.mark.parametrize("fit", FITS)
def test_no_size_is_no_deviation(fit: str) -> None:
    assert ["prompt"] == [verdict.field for verdict in plan(MAGNIFIC, PRO, fit=fit).report]


@pytest.mark.parametrize("fit", ["", "CLOSE", "closest", None, True, ["close"]])
def test_unknown_fit_is_a_wrong_setting(fit: Any) -> None:
    with pytest.raises(SettingsError) as caught:
        plan(MAGNIFIC, KLEIN, fit=fit)
    assert f"fit is {fit!r}. Allowed: close, exact, nearest." == str(caught.value)


@pytest.mark.parametrize("model", ["", "flux-2-klein ", "FLUX-2-KLEIN", "flux-2-flex", "x" * 1_000])
def test_unknown_model_is_a_wrong_setting(model: str) -> None:
    with pytest.raises(
        SettingsError,
        match=r"^magnific has no model '.*'\. Allowed: flux-2-klein, flux-2-pro, flux-2-turbo, flux-kontext-pro, "
        r"flux-pro-v1-1, flux-dev, hyperflux\.$",
    ) as caught:
        plan(MAGNIFIC, model)
    assert "magnific" == caught.value.provider


# Several images


def test_each_image_of_n_has_its_own_seed() -> None:
    made = plan(MAGNIFIC, KLEIN, n=4, seed=7, references=[PNG])
    assert [7, 8, 9, 10] == [document["seed"] for document in made.documents]
    assert [7, 8, 9, 10] == [values["seed"] for values in made.values]
    assert {
        "prompt": "a cat",
        "aspect_ratio": "square_1_1",
        "resolution": "1k",
        "seed": 7,
        "input_image": b64(PNG),
    } == made.body
    assert (Outcome.AS_ASKED, 7, "7 to 10, one for each image") == told(made.report["seed"])
    assert ((7, 8, 9, 10), 4) == (made.report["seed"].sent, made.report["n"].sent)
    assert (Outcome.AS_ASKED, 4, "a task for each") == told(made.report["n"])


def test_seeds_go_on_at_the_lowest_after_the_highest() -> None:
    made = plan(MAGNIFIC, PRO, n=3, seed=4294967294)
    assert [4294967294, 4294967295, 0] == [document["seed"] for document in made.documents]
    assert "4294967294 to 0, one for each image" == made.report["seed"].note


@pytest.mark.parametrize("seed", [-1, 4294967296])
def test_seed_outside_the_range_does_not_wrap_into_it(seed: int) -> None:
    assert ("seed", seed) == (refusal(MAGNIFIC, KLEIN, n=3, seed=seed).field, seed)


def test_images_without_a_seed_are_asked_for_alike() -> None:
    made = plan(APIMART, PRO, n=100)
    assert [plan(APIMART, PRO).body] * 100 == [*made.documents]
    assert 100 == len(made.values)


def test_images_of_one_plan_share_their_references() -> None:
    documents = plan(MAGNIFIC, KLEIN, n=100, seed=7, references=[PNG + bytes(1_000_000)] * 4).documents
    assert 1 == len({id(document["input_image_4"]) for document in documents})


def test_single_image_is_no_field_of_the_report() -> None:
    made = plan(MAGNIFIC, KLEIN, seed=7)
    assert ["prompt", "seed"] == [verdict.field for verdict in made.report]
    assert (Outcome.AS_ASKED, 7, "") == told(made.report["seed"])


# The report


def test_report_has_every_filled_field_once_in_the_order_of_a_request() -> None:
    fields = {
        "output_format": "JPG",
        "webhook_url": HOOK,
        "references": [PNG],
        "safety_tolerance": 2,
        "enhance_prompt": True,
        "seed": 7,
        "n": 2,
        "resolution": "1k",
        "aspect": "16:9",
    }
    made = plan(MAGNIFIC, KLEIN, **fields, unsupported={"enhance_prompt": "drop"})
    assert [
        ("prompt", "as asked", "a cat", "a cat"),
        ("aspect", "as asked", "16:9", ("16:9", "1K")),
        ("resolution", "as asked", "1k", ("16:9", "1K")),
        ("n", "as asked", 2, 2),
        ("seed", "as asked", 7, (7, 8)),
        ("references", "as asked", (Reference(content=PNG),), (Reference(content=PNG),)),
        ("enhance_prompt", "dropped", True, None),
        ("safety_tolerance", "as asked", 2, 2),
        ("output_format", "as asked", "JPG", "jpeg"),
        ("webhook_url", "as asked", HOOK, HOOK),
    ] == [(verdict.field, verdict.outcome, verdict.asked, verdict.sent) for verdict in made.report]
    again = plan(MAGNIFIC, KLEIN, **dict(reversed(fields.items())), unsupported={"enhance_prompt": "drop"})
    assert str(made) == str(again)


def test_plan_reads_as_what_would_happen() -> None:
    made = plan(MAGNIFIC, KLEIN, aspect="16:9", n=2, enhance_prompt=True, unsupported={"enhance_prompt": "drop"})
    assert """\
magnific:flux-2-klein, 2 x 1344x768 px
  prompt: as asked
  aspect: as asked (1344x768, ratio 1.6% off)
  n: as asked (a task for each)
  enhance_prompt: dropped (the model has no enhance_prompt)
  price: unknown""" == str(made)


def test_plan_knows_where_it_would_go() -> None:
    request = Request("a cat")
    made = make_plan(APIMART, PRO, request, base_url="https://reseller.example", mocked=True)
    assert ("https://reseller.example", True) == (made.base_url, made.mocked)
    assert (APIMART, PRO, request) == (made.provider, made.model.name, made.request)
    assert ("https://api.apimart.ai", False) == (plan(APIMART, PRO).base_url, plan(APIMART, PRO).mocked)


# What the first services do not have: options, prices, forms in forms, several models of one name

SQUARE = Grid({"1K": {"1:1": (1024, 1024)}}, default=("1:1", "1K"))
CANVAS = Canvas(width=range(64, 1025, 64), height=range(64, 1025, 64), default=(512, 512))
PRICE = PerMegapixel("0.03", "0.015")


def declared(*models: Model) -> Provider:
    """A service of these models."""
    task = Form({"id": At("id", Text()), "status": At("status", Text())})
    submit = Route("POST", "/v1/{model}")
    return Provider(name="odd", base_url="https://odd.example", models=models, submit=submit, accepted=task)


def model(fields: Mapping[str, Codec], name: str = "one", need: tuple[str, ...] = ("prompt",), **facts: Any) -> Model:
    """A model whose form has a prompt and these fields."""
    form = Form({"prompt": At("prompt", Text()), **fields}, need=need)
    return Model(**{"name": name, "request": form, "sizes": SQUARE} | facts)


WITH_OPTIONS = declared(
    model(
        {
            "guidance": At("guidance", Real(1, 10)),
            "style": At("styling.style", Words({"photo": "photographic", "anime": "anime"})),
            "steps": At("steps", Whole(1, 50)),
        }
    )
)


def test_options_are_sent_and_reported_after_the_fields_in_their_own_order() -> None:
    made = plan(WITH_OPTIONS, "one", options={"style": "photo", "guidance": 3})
    assert {"prompt": "a cat", "guidance": 3, "styling": {"style": "photographic"}} == made.body
    assert [("prompt", "a cat"), ("style", "photo"), ("guidance", 3)] == [
        (each.field, each.asked) for each in made.report
    ]


def test_unknown_option_is_refused_with_the_names_of_those_there_are() -> None:
    error = refusal(WITH_OPTIONS, "one", options={"guidance": 3, "cfg": 7})
    assert ("cfg", 7, "the options guidance, style, steps", None) == (
        error.field,
        error.asked,
        error.allowed,
        error.setting,
    )
    assert "odd:one cannot serve cfg = 7.\n  Allowed: the options guidance, style, steps." == str(error)


def test_option_outside_its_domain_is_refused() -> None:
    error = refusal(WITH_OPTIONS, "one", options={"steps": 51, "guidance": "high", "style": "photographic"})
    assert [
        ("steps", 51, "allowed: a whole number from 1 to 50"),
        ("guidance", "high", "allowed: a number from 1 to 10"),
        ("style", "photographic", "allowed: photo, anime"),
    ] == [(each.field, each.asked, each.note) for each in error.verdicts if each.outcome is Outcome.REFUSED]


PAINT = Form({"colour": At("colour", Colour()), "weight": At("weight", Real(0, 1))}, need=["colour"])
STYLED = declared(
    model(
        {
            "styling": At(
                "style.of",  # not where the user has it
                Form({"effect": At("effect", Words(["glow"])), "paints": At("paints", Each(PAINT, most=2, fewest=1))}),
            ),
            "frame": Pair(At("top", Whole(0, 9)), At("left", Whole(0, 9))),
            "points": At("points", Either(Each(Pair(At("x", Real()), At("y", Real()))), Only(Text()))),
            "marks": Slots(["mark", "mark_2"], First(Whole(0, 9))),
            "notes": At("notes", Anything()),
        }
    )
)


def test_option_of_several_parts_is_refused_at_the_very_place() -> None:
    wrong = {"effect": "blur", "paints": [{"colour": "#FF0000"}, {"weight": 2}]}
    error = refusal(STYLED, "one", options={"styling": wrong, "notes": 1})
    assert [
        ("prompt", "a cat", ""),
        ("notes", 1, ""),
        ("styling.effect", "blur", "allowed: glow"),
        ("styling.paints[1].colour", None, f"allowed: {Colour.allowed}"),
        ("styling.paints[1].weight", 2, "allowed: a number from 0 to 1"),
    ] == [(each.field, each.asked, each.note) for each in error.verdicts]
    assert "odd:one cannot serve styling.effect = 'blur'.\n  Allowed: glow.\n" in f"{error}\n"
    assert f"odd:one cannot do without styling.paints[1].colour.\n  Allowed: {Colour.allowed}.\n" in f"{error}\n"


@pytest.mark.parametrize(
    ("options", "field", "asked"),
    [
        ({"styling": "glow"}, "styling", "glow"),
        ({"styling": {"paints": []}}, "styling.paints", ()),
        ({"styling": {"paints": [{"colour": "#000000"}] * 3}}, "styling.paints", ({"colour": "#000000"},) * 3),
        ({"styling": {"colour": "#000000"}}, "styling.colour", "#000000"),
        ({"frame": [1, 10]}, "frame.left", 10),
        ({"marks": [1, 10]}, "marks.mark_2[0]", 10),
    ],
)
def test_option_is_refused_where_it_does_not_fit(options: dict[str, Any], field: str, asked: object) -> None:
    error = refusal(STYLED, "one", options=options)
    assert (field, asked) == (error.field, error.asked)


@pytest.mark.parametrize("provider", [MAGNIFIC, FREEPIK, APIMART], ids=label)
def test_options_have_the_names_that_the_service_has_for_them(provider: Provider) -> None:
    for row in provider.models:
        for name, codec in row.form.fields:
            if name not in (*FIELDS, "size"):
                assert isinstance(codec, At)
                assert name == codec.path


STYLING = {"effects": {"color": "softhue"}, "colors": [{"color": "#FF0000", "weight": 0.5}]}


@FACES
@pytest.mark.parametrize("model", ["flux-dev", "hyperflux"])
def test_styling_is_sent_as_it_is_written(face: Provider, model: str) -> None:
    made = plan(face, model, aspect="16:9", options={"styling": STYLING})
    assert {"prompt": "a cat", "aspect_ratio": "widescreen_16_9", "styling": STYLING} == made.body


@pytest.mark.parametrize(
    ("styling", "field", "allowed"),
    [
        ({"effects": {"color": "sepia"}}, "styling.effects.color", "softhue, b&w, goldglow, vibrant, coldneon"),
        ({"colors": []}, "styling.colors", "a list of 1 to 5, each an object with color, weight"),
        ({"colors": [{"color": "red", "weight": 1}]}, "styling.colors[0].color", Colour.allowed),
        (
            {"colors": [STYLING["colors"][0], {"color": "#000000", "weight": 0}]},
            "styling.colors[1].weight",
            "a number from 0.05 to 1",
        ),
        ({"colours": []}, "styling.colours", "an object with effects, colors"),
    ],
)
def test_styling_that_does_not_fit_is_refused_at_the_very_place(styling: Any, field: str, allowed: str) -> None:
    error = refusal(MAGNIFIC, "flux-dev", options={"styling": styling})
    assert (field, allowed) == (error.field, error.allowed)
    assert f"magnific:flux-dev cannot serve {field} = " in str(error)


def test_an_option_of_another_model_is_refused_with_those_that_there_are() -> None:
    error = refusal(MAGNIFIC, "flux-2-turbo", options={"guidance": 3})
    assert ("guidance", "the options guidance_scale, enable_safety_checker") == (error.field, error.allowed)


def test_lists_in_options_will_do_where_codecs_take_tuples() -> None:
    options = {
        "styling": {"paints": [{"colour": "#FF0000", "weight": 0.5}]},
        "frame": [1, 2],
        "points": [[1, 2], [3, 4.5]],
        "marks": [5, 6],
        "notes": [["kept", ["as", "it", "is"]]],
    }
    assert {
        "prompt": "a cat",
        "style": {"of": {"paints": [{"colour": "#FF0000", "weight": 0.5}]}},
        "top": 1,
        "left": 2,
        "points": [{"x": 1, "y": 2}, {"x": 3, "y": 4.5}],
        "mark": [5],
        "mark_2": [6],
        "notes": [["kept", ["as", "it", "is"]]],
    } == plan(STYLED, "one", options=options).body
    assert "just one" == plan(STYLED, "one", options={"points": ["just one"]}).body["points"]


RATIOS = declared(
    attrs.evolve(
        model({"size": At("ratio", Words({"1:1": "square", "16:9": "wide"}), default="1:1")}),
        sizes=Ratios(["1:1", "16:9"], default="1:1"),
    )
)


def test_where_pixels_are_not_known_none_are_promised() -> None:
    made = plan(RATIOS, "one", aspect="16:9", resolution="1K")
    assert {"prompt": "a cat", "ratio": "wide"} == made.body
    assert ((), (None, None)) == (made.expected, made.pixels)
    assert str(made).startswith("odd:one, 1 x 16:9 of the service's size\n")
    assert Outcome.AS_ASKED is made.report["aspect"].outcome
    assert Outcome.APPROXIMATED is made.report["resolution"].outcome
    assert "16:9, pixels not known" == made.report["resolution"].note == made.report["aspect"].note
    literally = plan(RATIOS, "one", size="16x9")
    assert (Outcome.APPROXIMATED, "16:9, pixels not known") == (
        literally.report["size"].outcome,
        literally.report["size"].note,
    )
    for asked in ({"size": "16x9"}, {"resolution": "1K"}):
        with pytest.raises(Unsupported):
            plan(RATIOS, "one", fit="exact", **asked)


def test_the_price_of_unknown_pixels_is_unknown() -> None:
    (row,) = RATIOS.models
    priced = declared(attrs.evolve(row, price=PRICE))
    assert plan(priced, "one", aspect="16:9").price is None


@pytest.mark.parametrize("size", ["1360x765", "1344x768", "3840x2160"])
def test_pixels_that_are_asked_may_be_approximated_by_a_ratio_and_are_never_exact(size: str) -> None:
    assert "wide" == plan(RATIOS, "one", size=size).body["ratio"]
    assert "size" == refusal(RATIOS, "one", size=size, fit="exact").field


@pytest.mark.parametrize("resolution", ["1K", "2K"])
def test_a_resolution_of_unknown_pixels_is_never_exact(resolution: str) -> None:
    assert "resolution" == refusal(RATIOS, "one", resolution=resolution, fit="exact").field
    assert "wide" == plan(RATIOS, "one", aspect="16:9", fit="exact").body["ratio"]


def test_a_ratio_that_has_no_name_is_refused_where_pixels_are_not_known() -> None:
    error = refusal(RATIOS, "one", aspect="4:3")
    assert ("aspect", "1:1, 16:9; pixels not documented") == (error.field, error.allowed)
    assert "square" == plan(RATIOS, "one", aspect="5:4", fit="nearest").body["ratio"]


def test_first_model_of_a_name_that_can_serve_does() -> None:
    provider = declared(
        model({"references": At("image", Only(Hosted()))}, need=("prompt", "references"), path="edit"),
        model({"seed": At("seed", Whole(0, 9))}, path="draw"),
        model({"seed": At("seed", Whole(0, 99)), "steps": At("steps", Whole())}, path="draw-slowly"),
        model({"guidance": At("guidance", Real())}, name="other"),
    )
    assert "edit" == plan(provider, "one", references=[URL]).model.path
    assert "draw" == plan(provider, "one").model.path
    assert "draw" == plan(provider, "one", seed=9).model.path
    assert "draw-slowly" == plan(provider, "one", seed=10).model.path
    assert "draw-slowly" == plan(provider, "one", options={"steps": 4}).model.path
    with pytest.raises(SettingsError, match=r"Allowed: one, other\."):
        plan(provider, "two")


def test_where_no_model_of_a_name_can_serve_the_one_that_lacks_least_says_why() -> None:
    provider = declared(
        model({"seed": At("seed", Whole(0, 9))}),
        model({"seed": At("seed", Whole(0, 99)), "steps": At("steps", Whole(1, 4))}),
    )
    error = refusal(provider, "one", seed=10, options={"steps": 5})
    assert ["steps"] == [each.field for each in error.verdicts if each.outcome is Outcome.REFUSED]


def test_field_that_a_model_needs_is_refused_where_it_is_missing() -> None:
    provider = declared(
        model({"references": At("image", Only(Hosted())), "seed": At("seed", Whole())}, need=("prompt", "references"))
    )
    error = refusal(provider, "one", seed=1)
    assert ("references", (), "exactly one, a public http(s) address") == (error.field, error.asked, error.allowed)
    assert "odd:one cannot do without references.\n  Allowed: exactly one, a public http(s) address." == str(error)


def test_field_that_is_needed_and_does_not_fit_is_refused_for_what_it_is() -> None:
    provider = declared(
        model({"references": At("image", Only(Hosted())), "seed": At("seed", Whole())}, need=("prompt", "references"))
    )
    error = refusal(provider, "one", references=[PNG])
    assert "odd:one cannot serve references = Reference(png" in str(error)
    assert 1 == str(error).count("cannot")


def test_wish_that_a_model_needs_cannot_be_dropped() -> None:
    provider = declared(model({"seed": At("seed", Whole(0, 9))}, need=("prompt", "seed")))
    error = refusal(provider, "one", seed=10, unsupported={"seed": "drop"})
    assert ("seed", 10) == (error.field, error.asked)
    assert "odd:one cannot do without seed.\n  Allowed: a whole number from 0 to 9." == str(error)


def test_option_that_a_model_needs_is_named_where_it_is_missing() -> None:
    provider = declared(model({"loras": At("loras", Text())}, need=("prompt", "loras")))
    error = refusal(provider, "one")
    assert ("loras", None, "text") == (error.field, error.asked, error.allowed)


@pytest.mark.parametrize("fit", ["close", "nearest"])
def test_resolution_that_a_table_does_not_have_is_a_cap(fit: str) -> None:
    provider = declared(model({"size": Pair(At("size", Words(["1:1"])), Implied("1K"))}))
    made = plan(provider, "one", resolution="2K", fit=fit)
    assert (APPROXIMATED, "2K", "1024x1024, 0.25 times the area") == told(made.report["resolution"])
    assert "resolution" == refusal(provider, "one", resolution="2K", fit="exact").field


def test_model_that_cannot_be_told_a_size_makes_its_own() -> None:
    provider = declared(model({}, sizes=CANVAS))
    assert ({"prompt": "a cat"}, (512, 512)) == (plan(provider, "one").body, plan(provider, "one").pixels)
    assert AS_ASKED == plan(provider, "one", size="512x512").report["size"].outcome
    assert "size" == refusal(provider, "one", size="256x128").field
    assert "aspect" == refusal(provider, "one", aspect="2:1").field


def test_size_is_left_to_a_service_that_does_not_say_which_it_takes() -> None:
    silent = declared(model({"size": At("size", Times())}, sizes=attrs.evolve(CANVAS, default=None), price=PRICE))
    made = plan(silent, "one")
    assert ({"prompt": "a cat"}, None, (), (None, None), None) == (
        made.body,
        made.point,
        made.expected,
        made.pixels,
        made.price,
    )
    assert str(made).startswith("odd:one, 1 x of the service's size\n")
    asked = plan(silent, "one", size="512x256")
    assert ("512x256", ((512, 256),), Amount.parse("0.03 USD")) == (asked.body["size"], asked.expected, asked.price)


def test_size_is_refused_by_a_service_that_can_neither_be_told_nor_says_which_it_takes() -> None:
    mute = declared(model({}, sizes=attrs.evolve(CANVAS, default=None)))
    assert ({"prompt": "a cat"}, ()) == (plan(mute, "one").body, plan(mute, "one").expected)
    for field, value in {"size": "512x512", "aspect": "1:1", "resolution": "1K"}.items():
        error = refusal(mute, "one", fit="nearest", **{field: value})
        assert (field, "nothing, the service decides on the size", None) == (error.field, error.allowed, error.setting)


def test_body_has_no_headers_and_no_query() -> None:
    fields: dict[str, Codec] = {
        "steps": Header("x-steps", Quoted(Whole(1, 50))),
        "turbo": Query("turbo", Words(["on"])),
    }
    made = plan(declared(model(fields)), "one", options={"steps": 4, "turbo": "on"})
    assert {"prompt": "a cat"} == made.body
    assert ({"prompt": "a cat", "@headers": {"x-steps": "4"}, "@query": {"turbo": "on"}},) == made.documents


def test_seeds_are_written_wherever_the_form_lies() -> None:
    form = Form({"prompt": At("text", Text()), "seed": At("settings.seed", Quoted(Whole(1, 9)))}, need=["prompt"])
    provider = declared(Model(name="one", request=With(At("input", form), Fixed("version", "2")), sizes=SQUARE))
    made = plan(provider, "one", n=3, seed=8)
    assert [{"version": "2", "input": {"text": "a cat", "settings": {"seed": seed}}} for seed in ("8", "9", "1")] == [
        *made.documents
    ]


@pytest.mark.parametrize(
    ("codec", "first", "expected"),
    [
        (Whole(), 5, [5, 6, 7]),
        (Whole(0, None), 2**32 - 1, [2**32 - 1, 2**32, 2**32 + 1]),
        (Whole(1, 2), 2, [2, 1, 2]),
        (Whole(7, 7), 7, [7, 7, 7]),
        (Real(0, 100), 5, [5, 6, 7]),
    ],
    ids=label,
)
def test_seeds_stay_in_their_range(codec: Codec, first: int, expected: list[int]) -> None:
    made = plan(declared(model({"seed": At("seed", codec)})), "one", n=3, seed=first)
    assert expected == [document["seed"] for document in made.documents]


def test_seeds_that_would_leave_a_range_without_a_lowest_are_refused() -> None:
    provider = declared(model({"seed": At("seed", Whole(None, 9))}))
    assert [8, 9] == [document["seed"] for document in plan(provider, "one", n=2, seed=8).documents]
    error = refusal(provider, "one", n=3, seed=8)
    assert ("seed", 8, "a whole number of at most 9") == (error.field, error.asked, error.allowed)
    assert str(error).startswith("odd:one cannot serve seed = 10.")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [({}, "0.030 USD"), ({"n": 4}, "0.120 USD"), ({"n": 100}, "3.000 USD"), ({"references": [URL]}, None)],
    ids=label,
)
def test_price_is_that_of_all_images_and_unknown_where_it_is_unknown(fields: Any, expected: str | None) -> None:
    provider = declared(model({"references": At("image", Only(Hosted()))}, price=PRICE))
    made = plan(provider, "one", **fields)
    assert (expected and Amount.parse(expected)) == made.price
    assert str(made).endswith("price: unknown" if expected is None else f"price: {expected}")


@pytest.mark.parametrize(("provider", "name"), [(MAGNIFIC, KLEIN), (FREEPIK, PRO), (APIMART, PRO)])
def test_price_that_no_service_publishes_is_unknown_and_not_nothing(provider: Provider, name: str) -> None:
    assert plan(provider, name).price is None


# The law: whatever is asked, it is refused with a reason, or planned as the service will read it

ODD = declared(
    Model(
        name="one",
        request=With(
            At(
                "input",
                Form(
                    {
                        "prompt": At("text", Text()),
                        "size": At("size", Times()),
                        "seed": At("settings.seed", Quoted(Whole(1, 9))),
                        "references": At("image", Only(Hosted())),
                        "output_format": At("format", Words({"png": "PNG", "webp": "WEBP"})),
                        "guidance": At("settings.guidance", Real(1, 10)),
                    },
                    need=["prompt"],
                ),
            ),
            Fixed("version", "2"),
        ),
        sizes=CANVAS,
        price=PRICE,
    )
)
# What the services take where nothing is said, as their pages state it.
FAMILY: dict[str, dict[str, Any]] = {
    "flux-2-turbo": {"output_format": "png", "guidance_scale": 2.5, "enable_safety_checker": True},
    "flux-kontext-pro": {"enhance_prompt": False, "guidance": 3, "steps": 50, "safety_tolerance": 2},
    "flux-pro-v1-1": {"safety_tolerance": 2},
    "flux-dev": {},
    "hyperflux": {},
}
DEFAULTS: dict[tuple[str, str], dict[str, Any]] = {
    **{(face, name): values for face in ("magnific", "freepik") for name, values in FAMILY.items()},
    ("magnific", KLEIN): {"safety_tolerance": 2},
    ("magnific", PRO): {"enhance_prompt": False},
    ("freepik", KLEIN): {"safety_tolerance": 2},
    ("freepik", PRO): {"enhance_prompt": False},
    ("apimart", FLEX): {},
    ("apimart", PRO): {},
    ("odd", "one"): {},
}
MODELS = [(provider, row.name) for provider in (MAGNIFIC, FREEPIK, APIMART, ODD) for row in provider.models]

TERMS = st.sampled_from([1, 2, 3, 4, 5, 9, 16, 21]) | st.integers(1, 9999)
SIDES = st.sampled_from([255, 256, 257, 512, 768, 1024, 1344, 1440, 1441, 2048]) | st.integers(1, 99_999)
ASPECTS = st.sampled_from([*KLEIN_1K]) | st.builds("{}:{}".format, TERMS, TERMS)
SIZES = st.one_of(
    st.just({}),
    st.fixed_dictionaries({}, optional={"aspect": ASPECTS, "resolution": st.sampled_from(["1K", "1k", "2K"])}),
    st.fixed_dictionaries({"size": st.builds("{}x{}".format, SIDES, SIDES) | st.tuples(SIDES, SIDES)}),
)
PROMPTS = st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip)
OTHERS = st.fixed_dictionaries(
    {},
    optional={
        "n": st.integers(1, 5),
        "seed": st.sampled_from([-1, 0, 1, 9, 10, 4294967294, 4294967295, 4294967296]) | st.integers(0, 2**64 - 1),
        "references": st.lists(st.sampled_from([PNG, JPEG, PNG, JPEG, WEBP, GIF, URL]), max_size=5)
        | st.lists(st.just(URL), max_size=9),
        "enhance_prompt": st.booleans(),
        "safety_tolerance": st.integers(-1, 7),
        "output_format": st.sampled_from(["png", "JPG", ".jpeg", "image/webp", "gif", "avif"]),
        "webhook_url": st.just(HOOK),
        "options": st.dictionaries(st.sampled_from(["guidance", "steps", ""]), st.floats(0, 11), max_size=2),
    },
)
REQUESTS = st.builds(lambda prompt, size, others: Request(prompt, **size, **others), PROMPTS, SIZES, OTHERS)
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "fit": st.sampled_from(FITS),
        "unsupported": st.dictionaries(st.sampled_from(WISHES), st.sampled_from(["drop", "drop", "refuse"])),
    },
)


def filled(request: Request) -> list[str]:
    """The fields that a request fills, in its own order, and after them its options."""
    held = {field.name: getattr(request, field.name) for field in attrs.fields(Request) if field.init}
    options = held.pop("options")
    return [name for name, value in held.items() if value not in (None, ()) and (name, value) != ("n", 1)] + [*options]


@pytest.mark.parametrize(("provider", "name"), MODELS, ids=label)
@given(request=REQUESTS, settings=SETTINGS)
@example(request=Request("a cat"), settings={})
@example(request=Request("a cat", n=5, seed=4294967295), settings={"unsupported": dict.fromkeys(WISHES, "drop")})
@example(request=Request("a cat", n=5, seed=9, references=[URL], options={"guidance": 3.0}), settings={"fit": "exact"})
@example(request=Request("a cat", aspect="5:4", resolution="2K"), settings={"fit": "nearest"})
def test_request_is_refused_with_a_reason_or_planned_as_the_service_reads_it(
    provider: Provider, name: str, request: Request, settings: dict[str, Any]
) -> None:
    try:
        made: Plan | Unsupported = make_plan(provider, name, request, **settings)
    except Unsupported as error:
        made = error
    drops = {field for field, what in settings.get("unsupported", {}).items() if what == "drop"}
    if isinstance(made, Unsupported):
        event("refused")
        check_refusal(made, request, drops, settings.get("fit", "close"))
        check_remedy(made, provider, name, request, settings)
    else:
        event("planned")
        check_plan(made, request, drops)


def check_refusal(error: Unsupported, request: Request, drops: set[str], fit: str) -> None:
    """The refusal names at least one field, all of them in its message, and says something of every field."""
    assert filled(request) == [verdict.field for verdict in error.verdicts]
    refused = [verdict for verdict in error.verdicts if verdict.outcome is Outcome.REFUSED]
    assert refused
    first, lines = refused[0], str(error).splitlines()
    assert (first.field, first.asked) == (error.field, error.asked)
    assert first.note in (reason(str(error.allowed)), first.note if " the nearest is " in f" {first.note}" else "")
    assert len(refused) == sum(" cannot " in line for line in lines) == sum("Allowed: " in line for line in lines)
    assert len(lines) <= 3 * len(refused)
    assert all(verdict.field in str(error) for verdict in refused)
    assert max(map(len, lines)) < 250
    assert drops.isdisjoint(verdict.field for verdict in refused)
    assert {verdict.field for verdict in error.verdicts if verdict.outcome is Outcome.DROPPED} <= drops
    if fit == "nearest":
        assert {"aspect", "resolution", "size"}.isdisjoint(verdict.field for verdict in refused)


def check_remedy(
    error: Unsupported, provider: Provider, name: str, request: Request, settings: Mapping[str, Any]
) -> None:
    """The settings that the message prints are lines of TOML, and with them only substance is refused, or nothing."""
    lines = [line.partition(": ")[2] for line in str(error).splitlines() if line.startswith("  To ")]
    assert (error.setting in lines) == bool(error.setting)
    try:
        made: Plan | Unsupported = make_plan(provider, name, request, **{**settings, **tomllib.loads("\n".join(lines))})
    except Unsupported as again:
        made = again
    left = refused_in(made) if isinstance(made, Unsupported) else []
    assert left == [field for field in refused_in(error) if field not in SIZE_FIELDS + WISHES]


def refused_in(error: Unsupported) -> list[str]:
    return [verdict.field for verdict in error.verdicts if verdict.outcome is Outcome.REFUSED]


def ready_made(pending: Pending) -> Reference:
    """What might become of a reference that is fetched or uploaded first."""
    if pending.fetched:
        return Reference(content=PNG + str(pending.reference.url).encode())
    return Reference(url=f"https://upload.example/{pending.reference.sha256}")


def check_plan(made: Plan, request: Request, drops: set[str]) -> None:
    """The report covers what the request fills, and the service reads from each document what the plan says."""
    assert filled(request) == [verdict.field for verdict in made.report]
    references = request.references
    if made.pending:
        ready = {each: ready_made(each) for each in made.pending}
        references = tuple(ready.get(Pending(each), each) for each in references)
        made = made.settled(ready)
    assert () == made.report.of(Outcome.REFUSED)
    dropped = {verdict.field for verdict in made.report.of(Outcome.DROPPED)}
    assert dropped <= drops
    assert request.n == len(made.values) == len(made.documents)
    sent = set(filled(request)) - dropped - {"aspect", "resolution", "size", "n"}
    for turn, (values, document) in enumerate(zip(made.values, made.documents, strict=True)):
        assert document == json.loads(bytes(json_body(document)))
        read = made.model.request.read(document)
        assert DEFAULTS[made.provider.name, made.model.name] | values == read
        assert made.model.sizes.point(read["size"]).expected == made.expected
        assert sent | {"size"} == values.keys()
        for field in sent - {"seed", "output_format"}:
            asked = references if field == "references" else getattr(request, field, None)
            assert request.options.get(field, asked) == values[field]
        if "seed" in sent and request.seed is not None:
            assert (values["seed"] - request.seed - turn) % _seeds_of(made.model.form.get("seed")) == 0
    for verdict in made.report:
        assert request.options.get(verdict.field, getattr(request, verdict.field, None)) == verdict.asked
    if request.want.pixels is not None and made.expected and made.report["size"].outcome is Outcome.AS_ASKED:
        assert request.want.pixels == made.pixels


def _seeds_of(codec: Any) -> int:
    """How many seeds a codec takes."""
    while not isinstance(codec, Whole):
        codec = codec.inner
    assert codec.first is not None
    assert codec.last is not None
    return codec.last - codec.first + 1
