"""The defaults of a client: they hold where a call says nothing, and nowhere else."""

from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxkit import Client, Request, SettingsError, Unsupported
from fluxkit._asked import DEFAULTABLE, FIELDS, RIVALS, defaults_of, requested
from fluxkit._binding import plan_of

KLEIN = "magnific:flux-2-klein"

SIZES = st.one_of(
    st.fixed_dictionaries({"size": st.sampled_from(["64x64", "128x96"])}),
    st.fixed_dictionaries(
        {}, optional={"aspect": st.sampled_from(["1:1", "16:9"]), "resolution": st.sampled_from(["1K", "2K"])}
    ),
)
OPTIONS = st.dictionaries(st.sampled_from(["guidance", "steps"]), st.integers(0, 9))
OTHERS = st.fixed_dictionaries(
    {},
    optional={
        "seed": st.integers(0, 9),
        "enhance_prompt": st.booleans(),
        "safety_tolerance": st.integers(0, 5),
        "output_format": st.sampled_from(["png", "jpeg"]),
        "webhook_url": st.just("https://hooks.example/x"),
        "options": OPTIONS,
    },
)
GIVEN = st.builds(lambda sizes, others: {**sizes, **others}, SIZES, OTHERS)


def test_every_field_has_a_default_but_those_of_one_request() -> None:
    assert {"prompt", "references", "n"} == set(FIELDS) - set(DEFAULTABLE)


@given(defaults=GIVEN, fields=GIVEN, whole=st.booleans())
def test_a_field_is_the_calls_or_the_default_or_displaced_by_the_call(
    defaults: dict[str, Any], fields: dict[str, Any], whole: bool
) -> None:
    """However the call says its fields, and never is a request refused for a default that it has displaced."""
    held = defaults_of(defaults)
    if whole:
        request = requested(Request("a", **fields), {}, held)
    else:
        request = requested("a", fields, held)
    for field in DEFAULTABLE:
        displaced = any(field in RIVALS.get(said, ()) for said in fields)
        expected = None if displaced else defaults.get(field)
        if field == "options":
            expected = {**defaults.get(field, {}), **fields.get(field, {})}
        elif field in fields:
            expected = fields[field]
        assert expected == getattr(request, field)


@given(defaults=GIVEN, fields=GIVEN, more=GIVEN)
def test_what_stands_beside_a_request_is_over_the_request_and_its_defaults(
    defaults: dict[str, Any], fields: dict[str, Any], more: dict[str, Any]
) -> None:
    if any(rival in fields for said in more for rival in RIVALS.get(said, ())):
        return  # the request and what stands beside it exclude each other, defaults or not
    request = requested(Request("a", **fields), more, defaults)
    assert requested("a", {**fields, **more}, defaults) == request


@given(defaults=GIVEN, field=st.sampled_from([field for field in DEFAULTABLE if field != "options"]))
def test_none_takes_a_default_back_and_no_other(defaults: dict[str, Any], field: str) -> None:
    request = requested("a", {field: None}, defaults)
    expected = Request("a", **{name: value for name, value in defaults.items() if name != field})
    assert expected == request


def test_a_request_keeps_its_number_of_images() -> None:
    assert 1 == requested(Request("a"), {}, {"seed": 1}).n
    assert 3 == requested(Request("a", n=3), {}, {"seed": 1}).n


def test_options_that_are_none_are_refused_beside_defaults() -> None:
    for wrong in (None, 7):
        with pytest.raises(Unsupported, match="options is"):
            requested("a", {"options": wrong}, {"options": {"steps": 1}})


def test_a_client_uses_its_defaults_in_whatever_it_makes() -> None:
    with Client(KLEIN, mock=True, defaults={"resolution": "2K", "seed": 7}) as client:
        body = client.plan("a", aspect="16:9").body
        assert ("2k", 7) == (body["resolution"], body["seed"])
        assert 7 == client.generate("a", fetch=False).images[0].seed
        assert "2K" == client._order(client._asked(None, "a", {})).request.resolution
    with pytest.raises(SettingsError, match="defaults has 'references'"):
        Client(KLEIN, mock=True, defaults={"references": ["x"]})


def _directory(path: Path) -> Path:
    path.mkdir()
    return path


def test_a_file_name_says_more_than_a_default_format_and_less_than_the_call(tmp_path: Path) -> None:
    defaults = {"output_format": "jpeg"}
    with Client(KLEIN, mock=True, defaults=defaults) as client:
        assert "png" == client._asked("x.png", "a", {}).output_format
        for other in None, "x", ".png", "x.", "x.tiff":
            assert "jpeg" == client._asked(other, "a", {}).output_format
    given = {"to": tmp_path / "x.png", "defaults": defaults}
    assert "png" == plan_of(KLEIN, Request("a"), **given).output_format
    assert "jpeg" == plan_of(KLEIN, Request("a", output_format="jpeg"), **given).output_format
    assert "jpeg" == plan_of(KLEIN, Request("a"), **given | {"to": _directory(tmp_path / "y.png")}).output_format


def test_defaults_are_kept_as_they_were_given() -> None:
    given: dict[str, Any] = {"seed": 7}
    client = Client(KLEIN, mock=True, defaults=given)
    given["seed"] = 8
    assert 7 == client.plan("a").body["seed"]
    assert attrs.evolve(Request("a"), seed=7) == requested("a", {}, client._defaults)
