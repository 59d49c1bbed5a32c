"""What switching a model would change: every field has its row, nothing is hidden, and the value is plain."""

import json
import os
import pickle
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st
from shapes.fal import FAL
from shapes.replicate import REPLICATE

import fluxkit
from fluxkit import Request, strategies
from fluxkit._contract.amount import Amount
from fluxkit._wire.carriage import Ways, nobody
from fluxkit._wire.compare import compare
from fluxkit._wire.diff import LEAST_WIDTH, Change, Diff, DiffRow
from fluxkit._wire.draft import FITS, WISHES
from fluxkit._wire.plan import attempt, make_plan
from fluxkit._wire.price import PerMegapixel
from fluxkit.errors import SettingsError, Unsupported
from fluxkit.provider import (
    At,
    Base64,
    Canvas,
    Each,
    Form,
    Hosted,
    Model,
    Only,
    Provider,
    Real,
    Slots,
    Text,
    Upload,
    Whole,
)
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.bfl import BFL
from fluxkit_providers.magnific import FREEPIK, MAGNIFIC

KLEIN, PRO, FLEX = "magnific:flux-2-klein", "magnific:flux-2-pro", "apimart:flux-2-flex"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
URL = "https://images.example/a.png"
PROMPT = Form({"prompt": At("prompt", Text())}, need=["prompt"])

MODELS = [
    (provider, row.name) for provider in (MAGNIFIC, FREEPIK, APIMART, BFL, FAL, REPLICATE) for row in provider.models
]
SIDES = st.sampled_from(MODELS)
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "fit": st.sampled_from(FITS),
        "unsupported": st.dictionaries(st.sampled_from(WISHES), st.sampled_from(["drop", "refuse"])),
    },
)
REQUESTS = strategies.requests() | st.one_of(
    [strategies.requests_for(provider, name) for provider, name in dict.fromkeys(MODELS)]
)


def differing(request: Request, a: tuple[Provider, str], b: tuple[Provider, str], **settings: Any) -> Diff:
    hosts = frozenset(settings.pop("allow_hosts", ()))
    drafts = (attempt(*each, request, **settings, ways=Ways(None, each[0].upload, nobody, hosts)) for each in (a, b))
    return compare(*drafts)


def row(diff: Diff, field: str) -> DiffRow:
    (found,) = [row for row in diff.rows if row.field == field]
    return found


def filled(request: Request) -> set[str]:
    held = {field.name: getattr(request, field.name) for field in attrs.fields(Request) if field.init}
    options = held.pop("options")
    return {name for name, value in held.items() if value not in (None, ())} | {f"options.{name}" for name in options}


# Laws


@given(REQUESTS, SIDES, SETTINGS)
def test_nothing_changes_from_a_model_to_itself(
    request: Request, side: tuple[Provider, str], settings: dict[str, Any]
) -> None:
    diff = differing(request, side, side, **settings)
    assert () == diff.changes
    assert diff.lossless == diff.switchable
    assert diff.a == diff.b
    assert (diff.verdict == "Nothing would change.") == diff.switchable


@given(REQUESTS, SIDES, SIDES, SETTINGS)
@example(Request("a", n=3), MODELS[0], MODELS[-1], {})
def test_a_diff_holds_every_field_and_says_what_a_plan_says(
    request: Request, a: tuple[Provider, str], b: tuple[Provider, str], settings: dict[str, Any]
) -> None:
    diff = differing(request, a, b, **settings)
    fields = [row.field for row in diff.rows]
    assert filled(request) <= set(fields)
    assert len(set(fields)) == len(fields)
    for side, (provider, name) in ((diff.a, a), (diff.b, b)):
        try:
            made = make_plan(provider, name, request, **settings)
        except Unsupported as error:
            event("refused")
            message: str | None = error.message
        else:
            event("planned")
            message = None
            assert ((), (), ()) == (side.refused, side.firm, side.settings)
            assert (made.price, made.pixels) == (side.price, side.pixels or (None, None))
        assert (message, message is not None) == (side.refusal, bool(side.refused))
        assert set(side.firm) <= set(side.refused) <= set(fields)
    assert diff.switchable == (not diff.b.refused)
    assert diff.lossless <= diff.switchable
    assert {row.field for row in diff.rows if row.change is Change.REFUSED} <= set(diff.b.refused)


@given(REQUESTS, SIDES, SIDES, SETTINGS)
def test_turning_it_round_turns_the_columns_round(
    request: Request, a: tuple[Provider, str], b: tuple[Provider, str], settings: dict[str, Any]
) -> None:
    there, back = differing(request, a, b, **settings), differing(request, b, a, **settings)
    assert [(row.field, row.b, row.a) for row in there.rows] == [(row.field, row.a, row.b) for row in back.rows]
    assert [row.field for row in there.changes] == [row.field for row in back.changes]
    assert (there.a, there.b) == (back.b, back.a)
    opposite = {Change.GAINED, Change.LOST, Change.APPROXIMATED, Change.DROPPED, Change.REFUSED}
    for one, other in zip(there.rows, back.rows, strict=True):
        if one.change is Change.GAINED:
            assert other.change in opposite - {Change.GAINED}


@given(REQUESTS, SIDES, SIDES, SETTINGS, st.integers(0, 200))
def test_a_diff_is_a_plain_value_that_fits_its_width(
    request: Request, a: tuple[Provider, str], b: tuple[Provider, str], settings: dict[str, Any], width: int
) -> None:
    diff = differing(request, a, b, **settings)
    assert diff == pickle.loads(pickle.dumps(diff))
    assert diff.to_dict() == json.loads(json.dumps(diff.to_dict(), allow_nan=False))
    lines = diff.table(width).splitlines()
    assert max(map(len, lines)) <= max(width, LEAST_WIDTH)
    assert all(line.isprintable() for line in lines)
    text = "".join("".join(lines).split())
    assert [] == [word for row in diff.rows for word in row.change.split() if word not in text]


@given(REQUESTS, SIDES, SIDES)
def test_with_the_settings_of_a_diff_only_what_is_firm_is_refused(
    request: Request, a: tuple[Provider, str], b: tuple[Provider, str]
) -> None:
    import tomllib

    refused = differing(request, a, b).b
    mended = differing(request, a, b, **tomllib.loads("\n".join(refused.settings))).b
    # Whether references fit in number is seen once their hosts are let pass.
    assert refused.firm == tuple(each for each in mended.refused if each in refused.firm or each != "references")


# What it says


def test_the_door_compares_two_models_by_name() -> None:
    request = Request("a fox", aspect="4:5", seed=7)
    diff = fluxkit.diff(request, KLEIN, FLEX)
    assert (False, False) == (diff.switchable, diff.lossless)
    assert (KLEIN, FLEX, ("aspect", "seed")) == (diff.a.name, diff.b.name, diff.b.refused)
    assert ('fit = "nearest"', 'unsupported = { seed = "drop" }') == diff.b.settings
    assert """\
                  from                       to
provider          magnific                   apimart                     differs
model             flux-2-klein               flux-2-flex                 differs
prompt            as asked                   as asked                    same
aspect            as asked (ratio 2.9% off)  refused (the nearest is     refused
                                             3:4 (1248x1664, ratio 6.7%
                                             off))
n                 1 image                    1 image                     same
seed              as asked                   refused (the model has no   refused
                                             seed)
safety_tolerance  not asked, 2               has none                    differs
pixels            896x1152                   none                        differs
format            jpeg                       png                         differs
price             unknown                    unknown                     same
link life         1 h                        24 h                        differs
duration          1 s                        19 s                        differs

apimart:flux-2-flex cannot serve this request: it refuses aspect and seed.""" == str(diff)


def test_what_is_given_up_and_approximated_is_a_loss_but_no_obstacle() -> None:
    diff = fluxkit.diff(
        Request("a fox", aspect="4:5", seed=7), KLEIN, FLEX, fit="nearest", unsupported={"seed": "drop"}
    )
    assert (True, False) == (diff.switchable, diff.lossless)
    assert (Change.APPROXIMATED, Change.DROPPED) == (row(diff, "aspect").change, row(diff, "seed").change)
    assert f"{FLEX} can serve this request, with losses: aspect is approximated and seed is dropped." == diff.verdict
    assert DiffRow("pixels", "896x1152", "1248x1664", Change.DIFFERS, "2.01 times the area, ratio 3.7% off") == row(
        diff, "pixels"
    )


def test_what_only_the_other_model_serves_is_gained() -> None:
    diff = fluxkit.diff("a fox", FLEX, KLEIN)
    assert diff.lossless
    assert f"{KLEIN} can serve every field of this request as well." == diff.verdict
    diff = fluxkit.diff(Request("a fox", seed=7, resolution="2K"), FLEX, KLEIN)
    assert DiffRow("seed", "refused (the model has no seed)", "as asked", Change.GAINED) == row(diff, "seed")
    assert f"{KLEIN} can serve every field of this request as well. {FLEX} refuses seed." == diff.verdict


def test_a_size_that_is_approximated_on_both_sides_is_lost_only_where_it_is_farther_off() -> None:
    request = Request("a fox", size="1300x768")  # klein: 1344x768, a canvas: itself, the table: 1728x1152 or so
    one, other = ((MAGNIFIC, "flux-2-klein"), (APIMART, "flux-2-flex"))
    there, back = (differing(request, *pair, fit="nearest") for pair in ((one, other), (other, one)))
    assert {Change.APPROXIMATED, Change.DIFFERS} == {row(there, "size").change, row(back, "size").change}
    assert there.lossless is not back.lossless


def test_a_scale_is_shown_beside_a_number_that_each_service_means_in_its_own_way() -> None:
    wide = attrs.evolve(
        MAGNIFIC.models[0],
        request=Form({"prompt": At("prompt", Text()), "safety_tolerance": At("safety_tolerance", Whole(0, 6))}),
    )
    other = attrs.evolve(MAGNIFIC, name="wide", models=[wide])
    diff = differing(Request("a fox", safety_tolerance=2), (MAGNIFIC, "flux-2-klein"), (other, "flux-2-klein"))
    assert DiffRow(
        "safety_tolerance",
        "as asked (a whole number from 0 to 5)",
        "as asked (a whole number from 0 to 6)",
        Change.DIFFERS,
    ) == row(diff, "safety_tolerance")
    assert diff.lossless


def test_defaults_of_what_is_not_asked_are_told_where_one_of_them_is_known() -> None:
    diff = fluxkit.diff("a fox", KLEIN, PRO)
    assert ("not asked, 2", "has none") == (row(diff, "safety_tolerance").a, row(diff, "safety_tolerance").b)
    assert ("has none", "not asked, false") == (row(diff, "enhance_prompt").a, row(diff, "enhance_prompt").b)
    assert "seed" not in [row.field for row in diff.rows]  # which seed it takes then, no service says
    asked = fluxkit.diff(Request("a fox", enhance_prompt=True), KLEIN, PRO)
    assert "as asked" == row(asked, "enhance_prompt").b


def test_options_have_rows_of_their_own_which_nothing_else_is_taken_for() -> None:
    guided = Model(
        name="one",
        request=PROMPT | Form({"price": At("guidance", Real(1, 10), default=3.5), "steps": At("steps", Whole(1, 9))}),
        sizes=Canvas(range(8, 99), range(8, 99), default=(64, 64)),
    )
    provider = attrs.evolve(MAGNIFIC, name="odd", models=[guided])
    diff = differing(Request("a", options={"price": 2.0}), (provider, "one"), (APIMART, "flux-2-flex"))
    assert Change.REFUSED == row(diff, "options.price").change
    assert (("options.price",), ("options.price",)) == (diff.b.refused, diff.b.firm)
    assert "unknown" == row(diff, "price").a
    unasked = differing(Request("a"), (provider, "one"), (APIMART, "flux-2-flex"))
    assert ("not asked, 3.5", "has none") == (row(unasked, "options.price").a, row(unasked, "options.price").b)
    assert "options.steps" not in [row.field for row in unasked.rows]


def with_references(codec: Any, **provider: Any) -> tuple[Provider, str]:
    model = Model(
        name="one",
        request=PROMPT | Form({"references": At("images", codec)}),
        sizes=Canvas(range(8, 99), range(8, 99), default=(64, 64)),
    )
    return attrs.evolve(MAGNIFIC, name="odd", models=[model], **provider), "one"


UPLOAD = Upload(route=MAGNIFIC.submit, answer=Text(), formats=["png"], field="file", life=259200.0)


@pytest.mark.parametrize(
    ("codec", "references", "expected"),
    [
        (Each(Base64(["png"])), [PNG, PNG], "sent as base64"),
        (Each(Base64(["png"]), most=3), [PNG], "sent as base64; at most 3"),
        (Slots(["one", "two"], Base64(["png"])), [PNG], "sent as base64; at most 2"),
        (At("here", Only(Hosted())), [URL], "sent as an address; at most 1"),
        (Each(Base64(["png"])), [URL, PNG], "1 fetched first, then sent as base64; 2 sent as base64"),
        (Each(Hosted()), [PNG], "uploaded first, the address lives 72 h"),
    ],
)
def test_references_are_told_with_how_they_travel_and_how_many_may(
    codec: Any, references: list[Any], expected: str
) -> None:
    side = with_references(codec, upload=UPLOAD)
    told = row(differing(Request("a", references=references), side, side), "references")
    assert f"as asked ({expected})" == told.a


def test_a_field_that_a_model_misses_has_a_row_and_the_others_keep_theirs() -> None:
    model = Model(
        name="edit",
        request=Form({"prompt": At("prompt", Text()), "references": At("image", Only(Hosted()))}, need=["references"]),
        sizes=Canvas(range(8, 99), range(8, 99), default=(64, 64)),
    )
    edit = attrs.evolve(MAGNIFIC, name="odd", models=[model])
    diff = differing(Request("a fox"), (APIMART, "flux-2-flex"), (edit, "edit"))
    assert Change.REFUSED == row(diff, "references").change
    assert ("not asked", "refused (allowed: exactly one, a public http(s) address)") == (
        row(diff, "references").a,
        row(diff, "references").b,
    )
    assert Change.SAME == row(diff, "prompt").change
    assert (("references",), ()) == (diff.b.firm, diff.b.settings)


def test_prices_are_compared_where_both_are_known_in_one_currency() -> None:
    priced = attrs.evolve(APIMART, models=[attrs.evolve(APIMART.models[0], price=PerMegapixel("0.03", "0.015"))])
    drafts = [attempt(provider, "flux-2-flex", Request("a", n=2)) for provider in (priced, APIMART)]
    assert DiffRow("price", "0.090 USD", "unknown", Change.LOST) == row(compare(*drafts), "price")
    stated = compare(*drafts, prices=(None, Amount.parse("0.09 USD")))
    assert DiffRow("price", "0.090 USD", "0.18 USD", Change.DIFFERS, "2.00 times") == row(stated, "price")
    others = [("1 EUR", "differs", ""), ("0.045 USD", "same", ""), ("0 USD", "differs", "0.00 times")]
    for price, change, note in others:
        found = row(compare(*drafts, prices=(None, Amount.parse(price))), "price")
        assert (change, note) == (found.change, found.note), price
    free = compare(*drafts, prices=(Amount.parse("0 USD"), Amount.parse("1 USD")))
    assert "" == row(free, "price").note


def test_a_refused_size_has_no_pixels_and_no_price() -> None:
    draft = attempt(APIMART, "flux-2-flex", Request("a", aspect="4:5"))
    diff = compare(draft, draft, prices=(Amount.parse("1 USD"), Amount.parse("1 USD")))
    assert (None, None) == (diff.b.pixels, diff.b.price)
    assert ("none", "unknown") == (row(diff, "pixels").b, row(diff, "price").b)


def test_pixels_that_nobody_documents_are_said_to_be_so_and_those_that_nobody_knows_are_unknown() -> None:
    diff = fluxkit.diff(Request("a", aspect="4:5", resolution="2K"), KLEIN, "freepik:flux-2-klein")
    assert "1584x2048 or 1600x2048, not documented" == row(diff, "pixels").a
    silent = attrs.evolve(MAGNIFIC.models[1], sizes=Canvas(range(8, 99), range(8, 99)))
    unknown = differing(Request("a"), (attrs.evolve(MAGNIFIC, models=[silent]), "flux-2-pro"), MODELS[0])
    assert ("unknown", None, Change.GAINED) == (
        row(unknown, "pixels").a,
        unknown.a.pixels,
        row(unknown, "pixels").change,
    )


def test_the_format_is_the_one_asked_for_or_the_one_that_comes_by_itself() -> None:
    formats = [
        row(
            fluxkit.diff(Request("a", output_format=asked), KLEIN, FLEX, unsupported={"output_format": "drop"}),
            "format",
        )
        for asked in (None, "JPG", "png")
    ]
    assert [("jpeg", "png"), ("jpeg", "png"), ("png", "png")] == [(each.a, each.b) for each in formats]


@pytest.mark.parametrize(
    ("seconds", "expected"), [(1.0, "1 s"), (90.0, "1.5 min"), (600.0, "10 min"), (86400.0, "24 h"), (None, "unknown")]
)
def test_a_time_is_said_in_the_unit_in_which_one_says_it(seconds: float | None, expected: str) -> None:
    provider = attrs.evolve(MAGNIFIC, link_life=seconds)
    assert expected == row(differing(Request("a"), (provider, "flux-2-pro"), MODELS[0]), "link life").a


def test_the_format_that_comes_unasked_is_the_one_that_the_service_says_it_takes_then() -> None:
    diff = fluxkit.diff("a fox", "magnific:flux-2-turbo", FLEX)
    assert ("png", "png", Change.SAME) == attrs.astuple(row(diff, "format"))[1:4]
    asked = fluxkit.diff(Request("a fox", output_format="jpeg"), "magnific:flux-2-turbo", FLEX)
    assert ("jpeg", "png") == attrs.astuple(row(asked, "format"))[1:3]


def test_profiles_are_compared_with_what_they_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLUXKIT_CONFIG", os.devnull)
    (tmp_path / "fluxkit.toml").write_text(f"""
        [profiles.hero]
        provider = "{KLEIN}"
        key = "env:FLUXKIT_HERO_KEY"
        defaults = {{ resolution = "2K" }}
        [profiles.draft]
        provider = "{FLEX}"
        fit = "nearest"
        unsupported = {{ seed = "drop" }}
        price = {{ "1K" = "0.03 USD" }}
    """)
    diff = fluxkit.diff(Request("a fox", aspect="4:5", seed=7), "hero", "draft")
    assert (KLEIN, FLEX, True) == (diff.a.name, diff.b.name, diff.switchable)
    assert ((1584, 2048), (1248, 1664)) == (diff.a.pixels, diff.b.pixels)
    assert (None, Amount.parse("0.03 USD")) == (diff.a.price, diff.b.price)
    assert Change.DROPPED is row(diff, "seed").change
    assert not fluxkit.diff(Request("a fox", seed=7), KLEIN, "draft", unsupported="refuse").switchable
    with pytest.raises(SettingsError, match=r"'heroo'.* perhaps meant as 'hero'"):
        fluxkit.diff("a fox", "heroo", FLEX)


def test_an_argument_is_said_beside_a_profile_and_takes_nothing_else_of_it_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLUXKIT_CONFIG", os.devnull)
    (tmp_path / "fluxkit.toml").write_text(f"""
        [profiles.draft]
        provider = "{FLEX}"
        unsupported = {{ enhance_prompt = "drop" }}
    """)
    request = Request("a fox", seed=7, enhance_prompt=True)
    diff = fluxkit.diff(request, KLEIN, "draft", unsupported={"seed": "drop"})
    assert [Change.DROPPED, True] == [row(diff, "seed").change, diff.switchable]
    assert () == diff.b.refused


def test_hosts_that_are_given_once_hold_for_both_sides() -> None:
    request = Request("a fox", references=["http://10.0.0.5/a.png"])
    diff = fluxkit.diff(request, KLEIN, KLEIN, allow_hosts=iter(["10.0.0.5"]))
    assert ((), ()) == (diff.a.refused, diff.b.refused)


@pytest.mark.parametrize(
    ("line", "url"),
    [
        ("mock = true", "http://127.0.0.1/a.png"),
        ('base_url = "http://127.0.0.1:4010/magnific"', "http://127.0.0.1:4010/a.png"),
    ],
)
def test_a_profile_is_compared_where_it_is(
    line: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLUXKIT_CONFIG", os.devnull)
    (tmp_path / "fluxkit.toml").write_text(f'[profiles.near]\nprovider = "{KLEIN}"\n{line}\n')
    request = Request("a fox", references=[url])
    assert () == fluxkit.diff(request, KLEIN, "near").b.refused
    assert ("references",) == fluxkit.diff(request, "near", KLEIN).b.refused


def test_a_model_is_compared_where_the_environment_says_that_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUXKIT_MAGNIFIC_BASE_URL", "http://127.0.0.1:4010/magnific")
    diff = fluxkit.diff(Request("a fox", references=["http://127.0.0.1:4010/a.png"]), FLEX, KLEIN)
    assert () == diff.b.refused


@pytest.mark.parametrize("names", [(KLEIN, "apimart"), ("nobody:x", KLEIN), (KLEIN, "magnific:x"), (None, KLEIN)])
def test_a_name_that_is_none_is_a_wrong_setting(names: tuple[Any, Any]) -> None:
    with pytest.raises(SettingsError):
        fluxkit.diff("a fox", *names)


def test_wrong_settings_are_named() -> None:
    with pytest.raises(SettingsError, match="fit is 'loose'"):
        fluxkit.diff("a fox", KLEIN, FLEX, fit="loose")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="prompt is substance"):
        fluxkit.diff("a fox", KLEIN, FLEX, unsupported={"prompt": "drop"})


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_table_uses_the_width_that_it_has(width: int) -> None:
    diff = fluxkit.diff(Request("a fox", aspect="4:5", seed=7, references=[PNG]), KLEIN, FLEX)
    tables = [diff.table(each).splitlines() for each in (width, width + 20)]
    assert max(map(len, tables[0])) <= width
    assert len(tables[1]) <= len(tables[0])


def test_the_name_of_an_option_cannot_steer_a_terminal() -> None:
    diff = fluxkit.diff(Request("a", options={"x\x1b[31m\ny": 1}), KLEIN, FLEX)
    assert "\x1b" not in str(diff)
    assert "options.x [31m y" in " ".join(str(diff).split())
