"""Requests and references: what no service could serve is refused at once, with field, given and allowed."""

import copy
import pickle
from collections.abc import Mapping
from typing import Any

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fluxkit._contract.reference import Reference, is_address
from fluxkit._contract.report import Outcome, Report, Verdict, shorten
from fluxkit._contract.request import Request
from fluxkit._contract.size import Aspect, Want
from fluxkit._contract.source import ALLOWED
from fluxkit.errors import FluxError, ReferenceUnusable, Unsupported

PNG = b"\x89PNG\r\n\x1a\n" + b"p" * 20
JPEG = b"\xff\xd8\xff\xe0" + b"j" * 20
WEBP = b"RIFF\x24\0\0\0WEBP" + b"w" * 20
GIF = b"GIF89a" + b"g" * 20
URL = "https://images.example/cat.png?sig=a~b=="

HUGE = 10**5_000  # Python refuses to write a number of so many digits
NAN = float("nan")


class Word(str):
    """A text of a type of its own, as enumerations and template engines have them."""

    __slots__ = ()


class Number(int):
    """A number of a type of its own."""

    __slots__ = ()


class Mute:
    """A value that cannot be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("nothing to show")


def endless() -> list[Any]:
    """A list that holds itself."""
    loop: list[Any] = []
    loop.append(loop)
    return loop


def deep() -> list[Any]:
    """A list that no recursion reaches the end of."""
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    return value


class Mapped(Mapping[str, Any]):
    """A mapping that is no dict."""

    def __getitem__(self, name: str) -> Any:
        return {"guidance": 3.0}[name]

    def __iter__(self) -> Any:
        return iter(["guidance"])

    def __len__(self) -> int:
        return 1


# What is refused

RATIO = 'WIDTH:HEIGHT, such as "16:9"'
PIXELS = 'WIDTHxHEIGHT in pixels, such as "1344x768"'
BITS = "a whole number of at most 64 bits"
NO_TEXTS = (None, 17, True, 1.5, b"a cat", ["a cat"], {}, HUGE, object(), Mute())
NO_WHOLES = (True, False, 1.0, NAN, float("inf"), "1", b"1", [1], {}, 2**64, -(2**63) - 1, HUGE, -HUGE, 1j, Mute())
SIZES_OF_A_WRONG_FORM = (
    "",
    "1344",
    "1344x",
    "x768",
    "1344x768x1",
    "1344 x 768",
    "1344*768",
    "-1x1",
    "0x768",
    "1344x0",
    "100000x1",
    "1e3x1",
    "１３４４x768",  # noqa: RUF001 - digits, but not those of JSON
    "16:9",
    "1K",
    b"1344x768",
)
REFUSED: dict[str, tuple[tuple[Any, ...], str]] = {
    "prompt": (("", " ", "\n\t\u3000", "half a pair: \ud83d", "\udc08", *NO_TEXTS), "a text that is not blank"),
    "aspect": (
        (
            *(
                "",
                "16",
                "16:",
                ":9",
                "16:9:1",
                "16/9",
                "16x9",
                "16.0:9",
                "-16:9",
                "0:1",
                "1:0",
                "10000:1",
                " 16:9",
                "16:9\n",
            ),
            *("１６:９", "٣:٢", "\ud83d:1", "square", b"16:9", 16 / 9, (16, 9), ["16:9"], *NO_TEXTS[1:]),  # noqa: RUF001
        ),
        RATIO,
    ),
    "resolution": (
        ("", "1", "3K", "4K", "1K ", "1 K", "1\u212a", "hd", 1, 1024, b"1K", ["1K"], *NO_TEXTS[1:]),
        "1K or 2K",
    ),
    "size": (
        (
            *SIZES_OF_A_WRONG_FORM,
            *((1344,), (1, 2, 3), (), (0, 1), (1, -1), (100_000, 1), (HUGE, 1), (1.0, 1), (True, True), ("1", "2")),
            *([], [1], {1, 2}, {1: 2}, iter([1, 2]), range(1, 3), *NO_TEXTS[1:]),
        ),
        PIXELS,
    ),
    "n": ((0, -1, 101, 10**30, None, *NO_WHOLES), "a whole number from 1 to 100"),
    "seed": (NO_WHOLES, BITS),
    "safety_tolerance": (NO_WHOLES, BITS),
    "enhance_prompt": ((0, 1, 1.0, "true", "", [], HUGE, Mute()), "true or false"),
    "output_format": (
        ("", " ", "\ud83d", 17, True, b"png", ["png"], HUGE, Mute()),
        "png, jpeg or another format's name",
    ),
    "webhook_url": (
        (
            *(
                "",
                "hook",
                "/hook",
                "ftp://a.example",
                "//a.example",
                "HTTPS://a.example",
                "https:a.example",
                "https://",
            ),
            *(
                "https:///hook",
                "https://?a",
                "https://#a",
                "http://:80/",
                "https://a.example/a b",
                "https://a.example/\n",
            ),
            *(
                "https://a.example/\u202e",
                "https://a.example/\ud83d",
                "https://[",
                "https://[::1",
                "https://a.example:x/",
            ),
            *("https://a.example:99999/", "https://a.example:0/", 17, True, b"https://a.example", [], HUGE, Mute()),
        ),
        "an http(s) address with a host",
    ),
    "references": (
        (
            *(
                PNG,
                bytearray(PNG),
                memoryview(PNG),
                URL,
                Reference(content=PNG),
                {},
                {URL: 1},
                set(),
                {URL},
                frozenset({URL}),
            ),
            *(17, True, 1.5, HUGE, object(), Mute(), list, Ellipsis),
        ),
        "a list of images, also if it is only one",
    ),
}

REFUSED_OPTIONS: tuple[tuple[Any, str], ...] = (
    *(
        (options, "a mapping of names to values, such as {'guidance': 3.0}")
        for options in (None, 17, "guidance", [], [("guidance", 3)], {1: 2}, {None: 1}, {b"a": 1}, HUGE, Mute())
    ),
    *(
        ({"guidance": value}, "values that can be sent as JSON")
        for value in (NAN, float("-inf"), "\ud83d", HUGE, [[NAN]], {"a": "\ud83d"}, endless(), deep(), {(1, 2): 3})
    ),
    ({"\ud83d": 1}, "values that can be sent as JSON"),
    ({"seed": 1}, "what only one service has; seed stands beside the options"),
    (
        {"guidance": 3, "size": "1x1", "prompt": "a dog"},
        "what only one service has; prompt, size stands beside the options",
    ),
)


def shown(value: Any) -> str:
    """An id for a test, the same in every process: not every value here has a repr, and some name their address."""
    text = shorten(value, 30)
    return type(value).__name__ if text.startswith("<") else text


def refusal(**fields: Any) -> Unsupported:
    """What is said of a request of these fields."""
    with pytest.raises(Unsupported) as caught:
        Request(**{"prompt": "a cat"} | fields)
    return caught.value


@pytest.mark.parametrize(
    ("field", "given", "allowed"),
    [
        pytest.param(field, value, allowed, id=f"{field}-{shown(value)}")
        for field, (values, allowed) in REFUSED.items()
        for value in values
    ]
    + [pytest.param("options", value, allowed, id=f"options-{shown(value)}") for value, allowed in REFUSED_OPTIONS],
)
def test_bad_input_is_refused_with_field_given_and_allowed(field: str, given: Any, allowed: str) -> None:
    error = refusal(**{field: given})
    assert (field, allowed) == (error.field, error.allowed)
    assert error.asked is given or error.asked == given
    assert f"{field} is {shorten(given)}. Allowed: {allowed}." == str(error)
    assert (False, False, None, ()) == (bool(error.charged), error.retry, error.setting, error.verdicts)
    assert len(str(error)) < 250
    assert str(error).isprintable()


def test_every_field_has_its_bad_inputs_above() -> None:
    assert {field.name for field in attrs.fields(Request) if field.init} == {*REFUSED, "options"}


@pytest.mark.parametrize("beside", [{"aspect": "1:1"}, {"resolution": "1K"}, {"aspect": "1:1", "resolution": "2K"}])
def test_size_stands_alone(beside: dict[str, str]) -> None:
    error = refusal(size="1344x768", **beside)
    assert ("size", "1344x768") == (error.field, error.asked)
    assert "size is '1344x768'. Allowed: size alone, or aspect and resolution without it." == str(error)


def test_model_is_no_part_of_a_request() -> None:
    with pytest.raises(TypeError, match="model"):
        Request("a cat", model="flux-2-klein")  # type: ignore[call-arg]


def test_everything_but_the_prompt_is_given_by_name() -> None:
    with pytest.raises(TypeError, match="positional"):
        Request("a cat", "16:9")  # type: ignore[misc]
    assert ["prompt"] == [field.name for field in attrs.fields(Request) if field.init and not field.kw_only]


# What is taken


def test_nothing_but_the_prompt_is_needed() -> None:
    request = Request("a cat")
    assert Want() == request.want
    assert ("a cat", 1, (), {}) == (request.prompt, request.n, request.references, request.options)
    unsaid = (
        "aspect",
        "resolution",
        "size",
        "seed",
        "enhance_prompt",
        "safety_tolerance",
        "output_format",
        "webhook_url",
    )
    assert {None} == {getattr(request, field) for field in unsaid}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("prompt", value) for value in ("x", " x ", "\x00", "猫", "🐈", "a\nb", "x" * 100_000, Word("a cat"))),
        *(("n", value) for value in (1, 2, 100, Number(5))),
        *(("seed", value) for value in (0, -1, 2**64 - 1, -(2**63), Number(7))),
        *(("safety_tolerance", value) for value in (0, -1, 6, Number(7))),
        *(("enhance_prompt", value) for value in (None, True, False)),
        *(("output_format", value) for value in (None, "png", "JPG", ".jpeg", "image/webp", "avif", Word("png"))),
        *(("webhook_url", value) for value in (None, "https://a.example", "http://[::1]:8080/a?b=~c==", "https://ä.org")),
        *(("options", value) for value in ({}, {"guidance": 3.0}, {"a": [None, "ü"]}, {"mask": PNG}, {"want": 1})),
    ],
    ids=shown,
)  # fmt: skip
def test_good_input_is_kept_as_it_is(field: str, value: Any) -> None:
    assert value == getattr(Request(**{"prompt": "a cat", field: value}), field)


@pytest.mark.parametrize(
    ("fields", "want"),
    [
        ({"aspect": "16:9"}, Want(aspect=Aspect(16, 9))),
        ({"aspect": "32:18"}, Want(aspect=Aspect(16, 9))),
        ({"aspect": "9999:1"}, Want(aspect=Aspect(9999, 1))),
        ({"aspect": Word("4:5")}, Want(aspect=Aspect(4, 5))),
        ({"resolution": "1K"}, Want(resolution="1K")),
        ({"resolution": "1k"}, Want(resolution="1K")),
        ({"resolution": "2k"}, Want(resolution="2K")),
        ({"resolution": Word("2K")}, Want(resolution="2K")),
        ({"aspect": "21:9", "resolution": "2K"}, Want(aspect=Aspect(21, 9), resolution="2K")),
        ({"size": "1344x768"}, Want(pixels=(1344, 768))),
        ({"size": "1344X768"}, Want(pixels=(1344, 768))),
        ({"size": "1344×768"}, Want(pixels=(1344, 768))),
        ({"size": (1344, 768)}, Want(pixels=(1344, 768))),
        ({"size": [1344, 768]}, Want(pixels=(1344, 768))),
        ({"size": (Number(1344), 768)}, Want(pixels=(1344, 768))),
        ({"size": (99_999, 1)}, Want(pixels=(99_999, 1))),
    ],
    ids=shown,
)
def test_size_is_read(fields: dict[str, Any], want: Want) -> None:
    assert want == Request("a cat", **fields).want


def test_spelling_of_a_resolution_is_kept_though_it_means_the_same() -> None:
    small, large = Request("a cat", resolution="1k"), Request("a cat", resolution="1K")
    assert ("1k", "1K") == (small.resolution, large.resolution)
    assert small.want == large.want


def test_pair_given_as_a_list_is_the_pair() -> None:
    assert Request("a cat", size=(1344, 768)) == Request("a cat", size=[1344, 768])  # type: ignore[arg-type]


def test_options_are_copied() -> None:
    options = {"guidance": 3.0}
    request = Request("a cat", options=options)
    options["steps"] = 4
    assert {"guidance": 3.0} == request.options
    assert {"guidance": 3.0} == Request("a cat", options=Mapped()).options


# A request is a value

WHOLE = Request(
    "a cat",
    size=(1344, 768),
    n=2,
    seed=7,
    references=[PNG, URL],
    enhance_prompt=False,
    safety_tolerance=2,
    output_format="png",
    webhook_url="https://a.example",
    options={"guidance": 3.0, "loras": [{"id": 1}]},
)


def test_equal_requests_are_one_in_a_set() -> None:
    assert 1 == len({WHOLE, attrs.evolve(WHOLE), Request(**attrs.asdict(WHOLE, recurse=False, filter=_is_given))})
    assert 2 == len({WHOLE, attrs.evolve(WHOLE, seed=8)})


def _is_given(field: "attrs.Attribute[Any]", _: Any) -> bool:
    return field.init


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
def test_request_survives_copying_and_pickling(copied: Any) -> None:
    assert (WHOLE, WHOLE.want) == (copied(WHOLE), copied(WHOLE).want)


def test_repr_of_a_request_is_how_it_is_made() -> None:
    request = Request("a cat", aspect="16:9", seed=7, references=[URL])
    assert request == eval(repr(request), {"Request": Request, "Reference": Reference})


def test_changed_request_is_checked_again() -> None:
    changed = attrs.evolve(WHOLE, size=None, aspect="4:5")
    assert Want(aspect=Aspect(4, 5)) == changed.want
    with pytest.raises(Unsupported, match="size alone"):
        attrs.evolve(WHOLE, aspect="4:5")


def test_request_cannot_be_changed_in_place() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        WHOLE.seed = 8  # type: ignore[misc]


# References


@pytest.mark.parametrize(("content", "expected"), [(PNG, "png"), (JPEG, "jpeg"), (WEBP, "webp"), (GIF, "gif")])
@pytest.mark.parametrize("container", [bytes, bytearray, memoryview])
def test_reference_is_known_by_its_bytes(content: bytes, expected: str, container: Any) -> None:
    reference = Reference.of(container(content))
    assert (content, bytes, None, expected) == (
        reference.content,
        type(reference.content),
        reference.url,
        reference.format,
    )


def test_reference_by_address_is_kept_byte_for_byte() -> None:
    reference = Reference.of(URL)
    assert (None, URL, None) == (reference.content, reference.url, reference.format)
    assert f"Reference(url={URL!r})" == repr(reference)


@pytest.mark.parametrize(
    "kind",
    [list, tuple, iter, lambda images: (image for image in images)],
)
def test_references_come_in_any_ordered_form(kind: Any) -> None:
    request = Request("a cat", references=kind([PNG, URL, Reference(content=JPEG)]))
    assert (Reference(content=PNG), Reference(url=URL), Reference(content=JPEG)) == request.references


@pytest.mark.parametrize("nothing", [None, [], (), iter([])], ids=shown)
def test_no_references_are_none(nothing: Any) -> None:
    assert () == Request("a cat", references=nothing).references


def test_repr_of_a_reference_shows_no_pixels() -> None:
    assert "Reference(png, 28 bytes, sha256 678f8692ea45)" == repr(Reference.of(PNG))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (b"", "A reference of 0 bytes is no image."),
        (b"%PDF-1.7", "A reference of 8 bytes is no image."),
        (b"\x89PNG", "A reference of 4 bytes is no image."),
        (memoryview(b"abcdefgh").cast("I"), "A reference of 8 bytes is no image."),
        ("cat.png", "A reference is 'cat.png', and there is no such file."),
        ("", "A reference is '', and there is no such file."),
        ("https://", "A reference is 'https://', and there is no such file; an address begins with http"),
        ("https://a.example/\ud83d", "A reference is 'https://a.example/\\ud83d', which cannot be read: no file has"),
        ("ftp://a.example/a.png", "A reference is 'ftp://a.example/a.png', and there is no such file; an address"),
        ("~/cat.png", "A reference is '~/cat.png', and there is no such file; ~ is not expanded"),
        ("nul\0", "A reference is 'nul\\x00', which cannot be read: no file has such a name."),
        ("data:image/png;base64,aGVsbG8=", "A reference of 5 bytes is no image."),
        ("data:image/png;base64,?", "A reference is 'data:image/png;base64',... and is no base64."),
        ("DATA:image/png", "A reference is 'DATA:image/png', a data: URI without a comma."),
        (None, "A reference is None."),
        (17, "A reference is 17."),
        (HUGE, "A reference is <int>."),
        (Mute(), "A reference is <Mute>."),
        ([PNG], "A reference is [b'\\x89PNG"),
        (Reference(content=b"%PDF-1.7"), "A reference of 8 bytes is no image."),
        (Reference(content="cat.png"), "A reference is 'cat.png', and"),  # type: ignore[arg-type]
        (Reference(url="cat.png"), "A reference is 'cat.png', and"),
        (Reference(url=17), "A reference is 17."),  # type: ignore[arg-type]
    ],
    ids=shown,
)
def test_what_is_no_image_is_unusable(source: Any, said: str) -> None:
    with pytest.raises(ReferenceUnusable) as caught:
        Request("a cat", references=[PNG, source])
    assert str(caught.value).startswith(said)
    assert str(caught.value).endswith(f". Allowed: {ALLOWED}.")
    assert len(str(caught.value)) < 350


@pytest.mark.parametrize("both", [{}, {"content": PNG, "url": URL}])
def test_reference_has_content_or_an_address(both: dict[str, Any]) -> None:
    with pytest.raises(ReferenceUnusable, match=r"^A reference has either content, url or file\.$"):
        Reference(**both)


def test_reference_made_by_hand_is_as_good_as_any() -> None:
    assert Reference.of(PNG) == Reference.of(Reference(content=PNG)) == Reference(content=PNG)
    assert 1 == len({Reference.of(PNG), Reference.of(bytearray(PNG))})


@given(st.text() | st.text(st.characters()).map("https://a.example/{}".format) | st.from_regex(r"https?://\S*"))
@example("https://a.example/\ud83d")
def test_address_can_be_sent(text: str) -> None:
    if is_address(text):
        assert text.startswith(("http://", "https://"))
        assert text.encode().decode() == text
        assert not any(character.isspace() for character in text)


# Anything at all

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.binary()
    | st.complex_numbers()
    | st.sampled_from(["16:9", "1k", "2K", "1344x768", "png", "JPG", URL, PNG, JPEG, list, Ellipsis])
    | st.integers(5_000, 6_000).map(lambda digits: 10**digits)
    | st.builds(Mute)
    | st.builds(Word, st.text())
    | st.builds(Number, st.integers())
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=2)
    ),
    max_leaves=6,
)
LIKELY = {
    "aspect": st.from_regex(r"[0-9]{1,5}:[0-9]{1,5}", fullmatch=True),
    "resolution": st.sampled_from(["1K", "1k", "2K", "4K"]),
    "size": st.from_regex(r"[0-9]{1,6}[xX×][0-9]{1,6}", fullmatch=True)
    | st.tuples(st.integers(), st.integers())
    | st.lists(st.integers(1, 5_000), min_size=1, max_size=3),
    "n": st.integers(-1, 101),
    "seed": st.integers(),
    "references": st.lists(st.sampled_from([PNG, JPEG, WEBP, GIF, URL, b"", "cat.png"]), max_size=3),
    "enhance_prompt": st.booleans(),
    "safety_tolerance": st.integers(-1, 7),
    "output_format": st.sampled_from(["png", "jpeg", "JPG", "webp", "image/gif"]),
    "webhook_url": st.from_regex(r"https?://[a-z.\[\]]{0,9}(:\d{0,6})?/\S{0,9}"),
    "options": st.dictionaries(st.text(max_size=3) | st.sampled_from(["seed", "guidance"]), ANYTHING, max_size=2),
}


@given(
    prompt=st.text(min_size=1) | ANYTHING,
    fields=st.fixed_dictionaries({}, optional={name: likely | ANYTHING for name, likely in LIKELY.items()}),
)
def test_anything_is_refused_by_an_error_of_ours_or_kept_as_given(prompt: Any, fields: dict[str, Any]) -> None:
    try:
        request = Request(prompt, **fields)
    except FluxError as error:
        refused: FluxError | None = error
    else:
        refused = None
    if refused is not None:
        assert isinstance(refused, Unsupported | ReferenceUnusable)
        assert getattr(refused, "field", "references") in {"prompt", *fields}
        return
    given = {"prompt": prompt, **fields}
    for name in given.keys() - {"size", "references"}:
        assert given[name] == getattr(request, name)
    size = given.get("size")
    assert (tuple(size) if isinstance(size, list) else size) == request.size
    assert tuple(map(Reference.of, given.get("references") or ())) == request.references
    assert (size is not None) is (request.want.pixels is not None)
    assert 1 == len({request, attrs.evolve(request)})


# What a plan tells of a request


def test_outcomes_are_words_of_a_table() -> None:
    assert ["as asked", "approximated", "dropped", "refused"] == [str(outcome) for outcome in Outcome]


def test_report_is_read_by_field_and_by_outcome() -> None:
    seed = Verdict("seed", Outcome.DROPPED, 7, note="allowed: nothing")
    prompt = Verdict("prompt", Outcome.AS_ASKED, "a cat", "a cat")
    report = Report((prompt, seed))
    assert [prompt, seed] == list(report)
    assert (seed, (seed,), ()) == (report["seed"], report.of(Outcome.DROPPED), report.of(Outcome.REFUSED))
    assert "prompt: as asked\nseed: dropped (allowed: nothing)" == str(report)
    with pytest.raises(KeyError, match="'n'"):
        report["n"]


@pytest.mark.parametrize(
    ("value", "most", "expected"),
    [
        ("a cat", 60, "'a cat'"),
        ("x" * 58, 60, "'" + "x" * 58 + "'"),
        ("x" * 59, 60, "'" + "x" * 47 + "...xxxxxxx'"),
        ("x" * 10_000_000, 60, "'" + "x" * 47 + "...xxxxxxx'"),
        (b"x" * 100, 30, "b'" + "x" * 16 + "...xxxxxxx'"),
        (list(range(100)), 30, "[0, 1, 2, 3, 4, 5,... 98, 99]"),
        (HUGE, 60, "<int>"),
        (Mute(), 60, "<Mute>"),
        (deep(), 60, "<list>"),
    ],
    ids=["short", "just short enough", "long", "huge", "bytes", "list", "many digits", "mute", "deep"],
)
def test_value_is_shown_in_a_line(value: Any, most: int, expected: str) -> None:
    assert expected == shorten(value, most)
    assert most >= len(expected)
    assert most != 60 or expected == shorten(value)
