"""The clients' door: what is wrong is refused by name before anything is sent, and what is bought comes home."""

import os
import pickle
import traceback
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anyio
import attrs
import httpx
import pytest

import fluxkit
from fluxkit import AsyncClient, Client, DeliveryWarning, FluxError, Image, SettingsError, Task, Unsupported
from fluxkit._binding import plan_of
from fluxkit._contract.event import Event
from fluxkit._contract.request import Request
from fluxkit._contract.task import State
from fluxkit._service import MOCK
from fluxkit.errors import Charged, ContractError, PluginError, SubmissionUnknown, Unauthorized
from fluxkit_mockserver import MockService
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.magnific import FREEPIK, MAGNIFIC

KLEIN = "magnific:flux-2-klein"
KEY = "mg-4f1c9e77abce0"


@pytest.fixture(autouse=True)
def no_keys_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("FLUXKIT_") and not name.startswith("FLUXKIT_HYP")]:
        monkeypatch.delenv(name)


@pytest.fixture
def mock() -> MockService:
    return MockService([MAGNIFIC, FREEPIK, APIMART])


def refusal(run: Callable[[], Any]) -> FluxError:
    with pytest.raises(FluxError) as caught:
        run()
    return caught.value


# What is refused before anything is sent

WRONG: Mapping[str, tuple[Any, dict[str, Any], tuple[str, ...]]] = {
    "no provider": (None, {}, ("provider:model", "magnific")),
    "a blank provider": ("", {}, ("provider:model",)),
    "a provider that is no text": (7, {}, ("provider is 7",)),
    "no model": ("magnific", {}, ("No model of magnific", KLEIN)),
    "a blank model": ("magnific:", {}, ("No model of magnific", KLEIN)),
    "an unknown provider": ("magnifik:flux-2-klein", {}, ("'magnifik'", "magnific")),
    "an unknown model": ("magnific:flux-9", {}, ("'flux-9'", KLEIN)),
    "too many names": ("magnific:flux-2-klein:x", {}, ("'flux-2-klein:x'",)),
    "no key": (KLEIN, {}, ("magnific", "FLUXKIT_MAGNIFIC_KEY", "mock=True")),
    "a blank key": (KLEIN, {"key": ""}, ("magnific", "FLUXKIT_MAGNIFIC_KEY")),
    "a key of spaces": (KLEIN, {"key": "   "}, ("key",)),
    "a key with a line break": (KLEIN, {"key": f"{KEY}\n"}, ("key", "line breaks")),
    "a key that is no ASCII": (KLEIN, {"key": f"{KEY}é"}, ("key", "ASCII")),
    "a base_url that is no text": (KLEIN, {"key": KEY, "base_url": 7}, ("base_url is 7",)),
    "a blank base_url": (KLEIN, {"key": KEY, "base_url": ""}, ("base_url is ''", "https://")),
    "a base_url without a scheme": (KLEIN, {"key": KEY, "base_url": "api.example"}, ("'api.example'", "https://")),
    "a base_url of another scheme": (KLEIN, {"key": KEY, "base_url": "ftp://api.example"}, ("'ftp://", "https://")),
    "a base_url in the clear": (KLEIN, {"key": KEY, "base_url": "http://api.example"}, ("'http://", "in the clear")),
    "a private base_url in the clear": (KLEIN, {"key": KEY, "base_url": "http://10.0.0.1"}, ("in the clear",)),
    "a base_url with a query": (KLEIN, {"key": KEY, "base_url": "https://a.example/?x=1"}, ("without a query",)),
    "a base_url with a fragment": (KLEIN, {"key": KEY, "base_url": "https://a.example/#x"}, ("fragment",)),
    "a base_url with a user": (KLEIN, {"key": KEY, "base_url": "https://u:p4ss@a.example"}, ("user name",)),
    "a timeout of nothing": (KLEIN, {"mock": True, "timeout": 0}, ("timeout is 0",)),
    "a negative timeout": (KLEIN, {"mock": True, "timeout": -1.0}, ("timeout is -1.0",)),
    "a timeout that is no number": (KLEIN, {"mock": True, "timeout": float("nan")}, ("timeout is nan",)),
    "an endless timeout": (KLEIN, {"mock": True, "timeout": float("inf")}, ("timeout is inf",)),
    "a true timeout": (KLEIN, {"mock": True, "timeout": True}, ("timeout is True",)),
    "a timeout as text": (KLEIN, {"mock": True, "timeout": "3"}, ("timeout is '3'",)),
    "no timeout": (KLEIN, {"mock": True, "timeout": None}, ("timeout is None",)),
    "a patience of nothing": (KLEIN, {"mock": True, "patience": 0.0}, ("patience is 0.0",)),
    "a list of what is unsupported": (KLEIN, {"mock": True, "unsupported": ["seed"]}, ("unsupported is ['seed']",)),
    "an unsupported text": (KLEIN, {"mock": True, "unsupported": "seed"}, ("unsupported is 'seed'",)),
    "an unknown wish": (KLEIN, {"mock": True, "unsupported": {"prompt": "drop"}}, ("'prompt'", "seed")),
    "an unknown remedy": (KLEIN, {"mock": True, "unsupported": {"seed": "maybe"}}, ("'maybe'", "drop")),
    "an unknown fit": (KLEIN, {"mock": True, "fit": "loose"}, ("'loose'", "nearest")),
    "a fit that is no text": (KLEIN, {"mock": True, "fit": ["close"]}, ("['close']", "nearest")),
    "a mock that is none": (KLEIN, {"mock": "yes"}, ("mock is 'yes'", "MockService")),
    "a mock that went missing": (KLEIN, {"key": KEY, "mock": None}, ("mock is None",)),
    "a mock that is a number": (KLEIN, {"key": KEY, "mock": 0}, ("mock is 0",)),
    "a spool that is no path": (KLEIN, {"mock": True, "spool": 7}, ("spool is 7",)),
    "a proxy that is no text": (KLEIN, {"mock": True, "proxy": 7}, ("proxy is 7",)),
    "plain http that is no word": (KLEIN, {"mock": True, "insecure_http": 1}, ("insecure_http is 1", "True or False")),
    "defaults that are no mapping": (KLEIN, {"mock": True, "defaults": 7}, ("defaults is 7", "aspect")),
    "an unknown default": (KLEIN, {"mock": True, "defaults": {"colour": "red"}}, ("defaults has 'colour'", "seed")),
    "a default number of images": (KLEIN, {"mock": True, "defaults": {"n": 4}}, ("defaults has 'n'",)),
    "a wrong default": (KLEIN, {"mock": True, "defaults": {"aspect": "wide"}}, ("defaults: aspect is 'wide'", "16:9")),
    "a listener that cannot listen": (KLEIN, {"mock": True, "listener": "me"}, ("listener is 'me'",)),
}


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_setting_is_named(wrong: str, kind: Any) -> None:
    provider, settings, named = WRONG[wrong]
    error = refusal(lambda: kind(provider, **settings).plan("a lighthouse"))
    assert isinstance(error, SettingsError | PluginError)
    assert [] == [name for name in named if name not in error.message]
    assert Charged.NO is error.charged
    assert not any(secret in shown for shown in everything_of(error) for secret in (KEY, "p4ss"))


def everything_of(error: BaseException) -> list[str]:
    """All that an error may be seen by."""
    return [str(error), repr(error), *traceback.format_exception(error), repr(vars(error)), repr(pickle.dumps(error))]


WRONG_REQUESTS: Mapping[str, tuple[Any, dict[str, Any], type[FluxError], str]] = {
    "no text": (7, {}, Unsupported, "prompt"),
    "blank": ("  ", {}, Unsupported, "prompt"),
    "two prompts": ("a", {"prompt": "b"}, Unsupported, "prompt"),
    "an unknown field": ("a", {"colour": "red"}, Unsupported, "colour"),
    "a private field": ("a", {"want": None}, Unsupported, "want"),
    "a ratio that is not served": ("a", {"aspect": "99:1"}, Unsupported, "aspect"),
    "a wish that is not served": ("a", {"enhance_prompt": True}, Unsupported, "enhance_prompt"),
    "no images": ("a", {"n": 0}, Unsupported, "n"),
}


@pytest.mark.parametrize("method", ["generate", "submit"])
@pytest.mark.parametrize("wrong", WRONG_REQUESTS)
def test_a_wrong_request_is_named_and_nothing_is_sent(wrong: str, method: str, mock: MockService) -> None:
    request, fields, kind, field = WRONG_REQUESTS[wrong]
    with Client(KLEIN, mock=mock) as client:
        error = refusal(lambda: getattr(client, method)(request, **fields))
    assert (kind, field, Charged.NO, 0) == (type(error), error.field, error.charged, len(mock.exchanges))


def test_a_fit_is_checked_before_anything_is_asked_for() -> None:
    with pytest.raises(SettingsError, match=r"fit is 'loose'. Allowed: close, exact, nearest"):
        Client(KLEIN, mock=True, fit="loose")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("how", "named"),
    [
        ({"timeout": 0}, "timeout is 0"),
        ({"timeout": float("nan")}, "timeout is nan"),
        ({"timeout": True}, "timeout is True"),
        ({"timeout": "3"}, "timeout is '3'"),
        ({"to": 7}, "to is 7"),
        ({"to": b"x.png"}, "to is b'x.png'"),
        ({"to": f"{__file__}/x.png"}, "Nothing can be written"),
    ],
)
def test_a_wrong_argument_of_a_call_is_named_and_nothing_is_sent(how: Any, named: str, mock: MockService) -> None:
    with Client(KLEIN, mock=mock) as client:
        task = attrs.evolve(A_TASK, base_url=client.base_url)
        for error in (refusal(lambda: client.generate("a", **how)), refusal(lambda: client.wait(task, **how))):
            assert isinstance(error, SettingsError)
            assert named in error.message
    assert 0 == len(mock.exchanges)


def test_submit_makes_one_task(mock: MockService) -> None:
    with Client(KLEIN, mock=mock) as client:
        error = refusal(lambda: client.submit("a", n=2))
    assert (Unsupported, "n", 2, "1", 0) == (type(error), error.field, error.asked, error.allowed, len(mock.exchanges))


def test_submit_refuses_a_service_whose_only_answer_is_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be bought, and thrown away: a task cannot hold it."""
    provider = attrs.evolve(MAGNIFIC, poll=None, samples=None)
    mock = MockService([provider])
    with Client(KLEIN, mock=mock) as client:
        client.provider = provider
        error = refusal(lambda: client.submit("a"))
    assert (Unsupported, 0) == (type(error), len(mock.exchanges))
    assert "generate" in error.message


A_TASK = Task("magnific", "flux-2-klein", "046b6c7f", "http://127.0.0.1/magnific", mocked=True)

FOREIGN: Mapping[str, tuple[Any, type[FluxError], str]] = {
    "of another provider": (attrs.evolve(A_TASK, provider="freepik"), SettingsError, "freepik"),
    "at another base_url": (attrs.evolve(A_TASK, base_url="https://evil.example"), SettingsError, "evil.example"),
    "at a longer base_url": (attrs.evolve(A_TASK, base_url=f"{A_TASK.base_url}/x"), SettingsError, "/x"),
    "of an unknown model": (attrs.evolve(A_TASK, model="flux-9"), SettingsError, "flux-9"),
    "without an id": (attrs.evolve(A_TASK, id=""), SettingsError, "id is ''"),
    "with a blank id": (attrs.evolve(A_TASK, id=" \n"), SettingsError, "id is ' "),
    "with an id that is no text": (attrs.evolve(A_TASK, id=7), SettingsError, "id is 7"),
    "that is none": ("046b6c7f", SettingsError, "task is '046b6c7f'"),
    "that leads elsewhere": (attrs.evolve(A_TASK, poll_url="https://evil.example/"), ContractError, "evil.example"),
    "that leads to another port": (attrs.evolve(A_TASK, poll_url="http://127.0.0.1:8/"), ContractError, ":8"),
}


@pytest.mark.parametrize("foreign", FOREIGN)
def test_a_foreign_task_is_asked_for_nowhere(foreign: str, mock: MockService) -> None:
    task, kind, named = FOREIGN[foreign]
    with Client(KLEIN, mock=mock) as client:
        error = refusal(lambda: client.wait(task))
    assert (kind, 0) == (type(error), len(mock.exchanges))
    assert named in error.message

    async def main() -> FluxError:
        async with AsyncClient(KLEIN, mock=mock) as client:
            with pytest.raises(FluxError) as caught:
                await client.wait(task)
            return caught.value

    assert (kind, error.message, 0) == (type(other := anyio.run(main)), other.message, len(mock.exchanges))


@pytest.mark.parametrize("value", ["1", "yes", "true"])
def test_offline_nothing_real_is_bought(value: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FLUXKIT_OFFLINE", value)
    with Client(KLEIN, key=KEY, base_url="https://nobody.invalid") as client:
        for error in (refusal(lambda: client.generate("a")), refusal(lambda: client.submit("a"))):
            assert isinstance(error, SettingsError)
            assert "FLUXKIT_OFFLINE" in error.message

    async def main() -> None:
        async with AsyncClient(KLEIN, key=KEY) as other:
            for call in (other.generate, other.submit):
                with pytest.raises(SettingsError, match="FLUXKIT_OFFLINE"):
                    await call("a")

    anyio.run(main)
    with Client(KLEIN, mock=True) as client:
        assert client.generate("a", to=tmp_path).mocked


@pytest.mark.parametrize("value", ["", "0"])
def test_offline_is_off_if_it_says_so(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUXKIT_OFFLINE", value)
    refused = Canned(lambda _: httpx.Response(401, json={"message": "Invalid API key"}))
    with Client(KLEIN, mock=refused) as client:
        client.mocked = False
        assert isinstance(refusal(lambda: client.submit("a")), Unauthorized)


# Keys and addresses


def test_the_key_comes_from_the_environment_unless_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUXKIT_MAGNIFIC_KEY", KEY)
    assert KEY in sent_by(Client(KLEIN)).headers.values()
    assert "another" in sent_by(Client(KLEIN, key="another")).headers.values()
    monkeypatch.setenv("FLUXKIT_MAGNIFIC_KEY", "")
    assert "FLUXKIT_MAGNIFIC_KEY" in refusal(lambda: Client(KLEIN)).message


class Canned:
    """A mock that answers as it is told."""

    key = KEY

    def __init__(self, answer: Callable[[httpx.Request], httpx.Response]) -> None:
        self.clock = MockService([MAGNIFIC]).clock
        self.answer = answer
        self.asked: list[httpx.Request] = []

    def base_url(self, provider: str, /) -> str:
        return f"http://127.0.0.1/{provider}"

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return self.answer(request)

    def transport(self) -> httpx.BaseTransport:
        return httpx.MockTransport(self._answer)

    def async_transport(self) -> httpx.AsyncBaseTransport:
        return httpx.MockTransport(self._answer)


def sent_by(client: Client) -> httpx.Request:
    """The submit of a client, which goes nowhere."""
    canned = Canned(lambda _: httpx.Response(401, json={"message": "Invalid API key"}))
    client._mock = canned
    refusal(lambda: client.submit("a"))
    return canned.asked[0]


def test_a_mock_is_whatever_does_what_a_mock_does(mock: MockService) -> None:
    assert all(hasattr(each, name) for name in MOCK for each in (mock, Canned(lambda _: httpx.Response(500))))


@pytest.mark.parametrize(
    ("base_url", "kept", "local"),
    [
        ("https://gateway.example/flux/", "https://gateway.example/flux", False),
        ("https://gateway.example//", "https://gateway.example", False),
        ("http://127.0.0.1:8100/magnific", "http://127.0.0.1:8100/magnific", True),
        ("http://localhost:8100", "http://localhost:8100", True),
        ("http://[::1]:8100/", "http://[::1]:8100", True),
        ("https://10.0.0.1", "https://10.0.0.1", True),
        ("http://mock:4010/magnific", "http://mock:4010/magnific", True),
    ],
)
def test_a_base_url_keeps_its_path(base_url: str, kept: str, local: bool) -> None:
    client = Client(KLEIN, key=KEY, base_url=base_url, insecure_http="mock" in base_url)
    assert (kept, local) == (client.base_url, client._manner().local)
    assert any(here in base_url for here in ("127.0.0.1", "localhost", "[::1]")) is client._rules["loopback"]
    assert f"{kept}/v1/ai/text-to-image/flux-2-klein" == str(sent_by(client).url)
    assert kept == client.plan("a").base_url


def test_nothing_of_a_client_shows_its_key(mock: MockService) -> None:
    for client in (Client(KLEIN, key=KEY), AsyncClient(KLEIN, key=KEY)):
        assert KEY not in repr(client)
        assert KEY not in str(client)
        assert KEY not in repr(vars(client))
    assert "Client(magnific:flux-2-klein, https://api.magnific.com, mocked=False)" == repr(Client(KLEIN, key=KEY))


ECHOES: Mapping[str, Callable[[httpx.Request], httpx.Response]] = {
    "in a message": lambda r: httpx.Response(
        401, json={"message": f"Invalid API key {r.headers['x-magnific-api-key']}"}
    ),
    "in a foreign body": lambda r: httpx.Response(502, text=f"<html>{r.headers['x-magnific-api-key']}</html>"),
    "in a success without an id": lambda r: httpx.Response(200, json={"key": r.headers["x-magnific-api-key"]}),
    "in a field": lambda r: httpx.Response(
        400, json={"message": "no", "invalid_params": [{"name": "key", "reason": r.headers["x-magnific-api-key"]}]}
    ),
}


@pytest.mark.parametrize("echo", ECHOES)
def test_a_service_that_echoes_the_key_does_not_bring_it_into_an_error(echo: str) -> None:
    notes: list[Event] = []
    with Client(KLEIN, mock=Canned(ECHOES[echo]), listener=notes.append) as client:
        error = refusal(lambda: client.generate("a"))
    assert [] == [shown for shown in everything_of(error) if KEY in shown]
    assert KEY not in repr([attrs.asdict(event) for event in notes])


# What comes home


def test_an_image_goes_to_the_file_that_is_named(mock: MockService, tmp_path: Path) -> None:
    to = tmp_path / "new" / "x.png"
    with Client(KLEIN, mock=mock) as client:
        [image] = client.generate("a", to=to).images
    assert (to, "image/png", ()) == (image.path, image.media_type, image.mismatch)
    assert image.bytes() == to.read_bytes()


@pytest.mark.parametrize("to", ["there", "there/", "new/"])
def test_an_image_goes_into_a_directory_under_the_name_of_its_task(to: str, mock: MockService, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with Client(KLEIN, mock=mock) as client:
        result = client.generate("a", to=f"{tmp_path}/{to}")
    [image], [task] = result.images, result.tasks
    assert tmp_path / to / f"magnific_{task.id}.jpg" == image.path


def test_a_name_without_a_suffix_gets_the_true_one(mock: MockService, tmp_path: Path) -> None:
    for model, suffix in ((KLEIN, ".jpg"), ("apimart:flux-2-flex", ".png")):
        with Client(model, mock=mock) as client:
            [image] = client.generate("a", to=tmp_path / "x").images
        assert tmp_path / f"x{suffix}" == image.path


def test_a_name_asks_for_its_format_where_the_model_has_it(mock: MockService, tmp_path: Path) -> None:
    (tmp_path / "dir.png").mkdir()
    with Client(KLEIN, mock=mock) as client:
        for name, media_type in (("x.png", "image/png"), ("x.jpg", "image/jpeg"), ("dir.png", "image/jpeg")):
            assert media_type == client.generate("a", to=tmp_path / name).images[0].media_type
        assert "image/png" == client.generate("a", to=tmp_path / "y", output_format="png").images[0].media_type


def test_a_name_whose_format_the_model_does_not_have_asks_for_none(mock: MockService, tmp_path: Path) -> None:
    client = Client(KLEIN, mock=mock)
    with pytest.warns(DeliveryWarning, match="image/jpeg instead of image/webp"):
        result = client.generate("a", to=tmp_path / "x.webp")
    assert (tmp_path / "x.webp", 1) == (result.images[0].path, mock.billed)


def test_a_plan_needs_no_key() -> None:
    plan = plan_of(KLEIN, Request("a", seed=1), to="x.png", base_url="https://gateway.example/")
    assert ("https://gateway.example", "png", 1) == (plan.base_url, plan.body["output_format"], plan.body["seed"])
    assert "https://api.magnific.com" == plan_of(KLEIN, Request("a")).base_url
    assert isinstance(refusal(lambda: plan_of(KLEIN, Request("a"), base_url="http://a.example")), SettingsError)


def test_a_name_that_says_another_format_is_written_and_warned_of(mock: MockService, tmp_path: Path) -> None:
    to = tmp_path / "x.jpg"
    client = Client("apimart:flux-2-flex", mock=mock)
    with pytest.warns(DeliveryWarning, match="x.jpg: image/png instead of image/jpeg") as caught:
        result = client.generate("a", to=to)
    [warning] = caught
    assert result is warning.message.result
    assert __file__ == warning.filename
    assert (to, ("image/png instead of image/jpeg",)) == (result.images[0].path, result.images[0].mismatch)


@pytest.mark.parametrize("method", ["generate", "wait"])
@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_where_warnings_are_errors_nothing_is_lost(kind: Any, method: str, mock: MockService, tmp_path: Path) -> None:
    async def main() -> Any:
        client = kind("apimart:flux-2-flex", mock=mock)
        wanted = await maybe(client.submit("a")) if method == "wait" else "a"
        try:
            return await maybe(getattr(client, method)(wanted, to=tmp_path / "x.jpg"))
        finally:
            await maybe(client.close())

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DeliveryWarning) as caught:
            anyio.run(main)
    [image] = caught.value.result.images
    assert (tmp_path / "x.jpg", 1) == (image.path, mock.billed)
    assert image.path.is_file()


async def maybe(value: Any) -> Any:
    return await value if hasattr(value, "__await__") else value


def test_images_that_are_not_fetched_are_links(mock: MockService, tmp_path: Path) -> None:
    with Client(KLEIN, mock=mock) as client:
        [image] = client.generate("a", fetch=False, to=tmp_path).images
    assert (None, [], 1) == (image.path, list(tmp_path.iterdir()), mock.billed)
    assert image.url.startswith("http://127.0.0.1/__mock__/images/")
    for use in (image.bytes, lambda: image.save(tmp_path)):
        with pytest.raises(FileNotFoundError, match="fetch=False"):
            use()


def test_images_without_a_place_go_to_the_spool(mock: MockService, tmp_path: Path) -> None:
    with Client(KLEIN, mock=mock, spool=tmp_path / "spool") as client:
        images = client.generate("a", n=2).images
    assert {tmp_path / "spool"} == {image.path.parent for image in images}
    assert 2 == len({image.path for image in images})


def test_the_spool_of_real_images_lasts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    real, mocked = Client(KLEIN, key=KEY), Client(KLEIN, mock=True)
    assert ("fluxkit", "images") == real._place(None).directory.parts[-2:]
    assert real._place(None).directory != mocked._place(None).directory
    assert mocked._place(None) == mocked._place(None) != Client(KLEIN, mock=True)._place(None)


def test_images_of_one_request_have_names_of_their_own(mock: MockService, tmp_path: Path) -> None:
    with Client(KLEIN, mock=mock) as client:
        named = client.generate("a", n=3, to=tmp_path / "x.png")
        unnamed = client.generate("a", n=3, to=tmp_path)
    assert ["x-1.png", "x-2.png", "x-3.png"] == [image.path.name for image in named.images]
    assert 6 == mock.billed == len(list(tmp_path.iterdir()))
    assert 3 == len({image.path for image in unnamed.images})


def test_a_request_may_be_a_value_and_fields_beside_it(mock: MockService) -> None:
    request = Request("a lighthouse", aspect="16:9", seed=1)
    with Client(KLEIN, mock=mock, unsupported={"enhance_prompt": "drop"}) as client:
        plan = client.plan(request, seed=2, enhance_prompt=True)
        assert (2, True, 1) == (plan.body["seed"], plan.mocked, request.seed)
        [image] = client.generate(request, prompt="a tower", fetch=False).images
    assert (1, True) == (image.seed, image.mocked)


def test_a_listener_hears_what_happens(mock: MockService) -> None:
    notes: list[Event] = []
    with Client(KLEIN, mock=mock, listener=notes.append) as client:
        client.generate("a", fetch=False)
    assert ["intent", "submit", "accepted"] == [event.kind for event in notes[:3]]
    assert (State.COMPLETED, "delivered") == (notes[-1].state, notes[-1].kind)


def test_a_client_can_be_used_after_it_was_closed(mock: MockService, tmp_path: Path) -> None:
    client = Client(KLEIN, mock=mock)
    client.close()
    client.generate("a", to=tmp_path)
    client.close()
    client.generate("a", to=tmp_path)
    client.close()
    assert 2 == mock.billed


def test_true_makes_a_mock_of_its_own() -> None:
    client, other = Client(KLEIN, mock=True), Client(KLEIN, mock=True)
    assert (True, "http://127.0.0.1/magnific") == (client.mocked, client.base_url)
    assert client._mock is not other._mock
    assert not Client(KLEIN, key=KEY).mocked


# Tasks that outlive a process


@pytest.mark.parametrize("model", [KLEIN, "freepik:flux-2-pro", "apimart:flux-2-flex"])
def test_a_task_is_brought_home_by_another_process(model: str, mock: MockService, tmp_path: Path) -> None:
    with Client(model, mock=mock) as client:
        text = client.submit("a lighthouse").to_json()
    assert '"mocked": true' in text
    with Client(model, mock=mock) as client:
        first = client.wait(Task.from_json(text), to=tmp_path / "first")

    async def main() -> fluxkit.Result:
        async with AsyncClient(model, mock=mock) as client:
            return await client.wait(Task.from_json(text), to=tmp_path / "second")

    second = anyio.run(main)
    assert (1, first.images[0].sha256) == (mock.billed, second.images[0].sha256)
    assert (tmp_path / "second").with_suffix(first.images[0].path.suffix) == second.images[0].path


def test_a_task_cannot_say_of_itself_that_it_is_real(mock: MockService, tmp_path: Path) -> None:
    with Client(KLEIN, mock=mock) as client:
        task = attrs.evolve(client.submit("a"), mocked=False)
        result = client.wait(task, to=tmp_path)
    assert (True, True) == (result.mocked, result.images[0].mocked)


def test_an_overdue_task_is_waited_for_again_and_bought_once(mock: MockService, tmp_path: Path) -> None:
    with Client("apimart:flux-2-flex", mock=mock) as client:
        error = refusal(lambda: client.generate("a", timeout=5.0))
        assert (fluxkit.Overdue, Charged.UNKNOWN) == (type(error), error.charged)
        result = client.wait(error.task, to=tmp_path)
    assert (1, 1) == (len(result.images), mock.billed)


def test_a_lost_answer_is_no_second_purchase(mock: MockService) -> None:
    mock.fault("accepted-then-dropped")
    with Client(KLEIN, mock=mock) as client:
        error = refusal(lambda: client.generate("a"))
    assert (SubmissionUnknown, Charged.UNKNOWN, 1) == (type(error), error.charged, mock.billed)


def test_a_busy_service_is_asked_again_and_bills_once(mock: MockService, tmp_path: Path) -> None:
    mock.fault("503", times=3)
    with Client(KLEIN, mock=mock) as client:
        client.generate("a", to=tmp_path)
    assert (1, [503, 503, 503, 200]) == (mock.billed, [each.status for each in mock.exchanges if each.method == "POST"])


def test_a_format_of_none_is_the_one_that_the_name_of_the_file_says(mock: MockService, tmp_path: Path) -> None:
    with fluxkit.Client("magnific:flux-2-turbo", mock=mock) as client:
        for name, media_type in (("fox.png", "image/png"), ("fox.jpg", "image/jpeg")):
            (image,) = client.generate("a fox", output_format=None, to=tmp_path / name).images
            assert media_type == image.media_type


def test_a_dead_link_is_replaced_and_bills_nothing(mock: MockService, tmp_path: Path) -> None:
    mock.fault("expired-link", times=1)
    with Client(KLEIN, mock=mock) as client:
        [image] = client.generate("a", to=tmp_path).images
    assert (1, True) == (mock.billed, image.path.is_file())


# Images as values


@pytest.fixture
def image(mock: MockService, tmp_path: Path) -> Image:
    with Client(KLEIN, mock=mock) as client:
        return client.generate("a", to=tmp_path / "source").images[0]


def test_an_image_is_saved_where_it_is_wanted(image: Image, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    saved = [image.save(tmp_path / "a.jpg"), image.save(str(tmp_path / "new" / "b")), image.save(tmp_path / "there")]
    assert [tmp_path / "a.jpg", tmp_path / "new" / "b.jpg", tmp_path / "there" / "source.jpg"] == saved
    assert {image.bytes()} == {path.read_bytes() for path in saved}


def test_an_image_that_is_saved_under_another_format_is_warned_of(image: Image, tmp_path: Path) -> None:
    with pytest.warns(DeliveryWarning, match="image/jpeg"):
        assert tmp_path / "x.png" == image.save(tmp_path / "x.png")
    assert image.bytes() == (tmp_path / "x.png").read_bytes()


def test_an_image_that_is_gone_says_so(image: Image) -> None:
    image.path.unlink()
    with pytest.raises(FileNotFoundError):
        image.bytes()
