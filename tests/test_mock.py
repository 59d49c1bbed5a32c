"""The mock as a user holds it: found by entry point, armed with faults, counted, reset."""

import re
from collections.abc import Callable
from types import SimpleNamespace

import anyio
import httpx
import pytest

import fluxkit
import fluxkit_mockserver
from fluxkit import _mock
from fluxkit._plugins import installed
from fluxkit.provider import Provider
from fluxkit_mockserver import MockService, WallClock
from fluxkit_mockserver.casts import say_completed
from fluxkit_mockserver.clock import VirtualClock
from fluxkit_mockserver.dialects import dialect_of
from fluxkit_mockserver.ids import USUAL, fresh, shape_of
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.bfl import BFL
from fluxkit_providers.magnific import FREEPIK, MAGNIFIC


@pytest.fixture
def mock() -> MockService:
    return MockService([installed().provider("magnific")])


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets a test say which mocks are installed; the providers stay what they are."""
    return lambda *mocks: monkeypatch.setattr(_mock, "points", lambda: {"fluxkit.mock": mocks})


def point(load: object) -> SimpleNamespace:
    return SimpleNamespace(name="mine", value="mine:mock", load=load)


def make() -> fluxkit.Client:
    return fluxkit.Client("magnific:flux-2-klein", mock=True)


def test_without_a_mock_an_error_says_how_to_install_one(found: Callable[..., None]) -> None:
    found()
    with pytest.raises(fluxkit.SettingsError, match=r"No mock server is installed.*fluxkit-py\[mock\]"):
        make()


def test_a_mock_that_lacks_a_package_names_it(found: Callable[..., None]) -> None:
    def load() -> object:
        raise ModuleNotFoundError("No module named 'PIL'", name="pillow")

    found(point(load))
    with pytest.raises(fluxkit.SettingsError, match="needs pillow, which is not installed"):
        make()


def test_a_mock_without_its_door_is_a_plugin_error(found: Callable[..., None]) -> None:
    found(point(SimpleNamespace))
    with pytest.raises(fluxkit.PluginError, match=r"has no mock_of\(providers\)"):
        make()


def test_without_pillow_the_mock_says_so_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ModuleNotFoundError, match="PIL"):
        fluxkit_mockserver.mock_of([])


@pytest.mark.parametrize("name", fluxkit_mockserver.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(fluxkit_mockserver, name) is not None


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'imagine'"):
        _ = fluxkit_mockserver.imagine


def test_a_fault_that_is_unknown_names_those_there_are(mock: MockService) -> None:
    with pytest.raises(ValueError, match=r"no fault 'flood'\. Allowed: .*503, .*accepted-then-dropped"):
        mock.fault("flood")


@pytest.mark.parametrize("wrong", [{"rate": 0.0}, {"rate": 1.1}, {"times": 0}])
def test_a_fault_with_an_impossible_rate_is_refused(mock: MockService, wrong: dict[str, float]) -> None:
    [name] = wrong
    with pytest.raises(ValueError, match=rf"{name} is {wrong[name]}\. Allowed: a (whole )?number "):
        mock.fault("503", **wrong)  # type: ignore[arg-type]


def test_a_reset_mock_has_forgotten_bills_exchanges_and_faults(mock: MockService) -> None:
    with fluxkit.Client("magnific:flux-2-klein", mock=mock) as client:
        client.generate("a cat")
        mock.fault("503")
        mock.reset()
        assert (0, 0) == (mock.billed, len(mock.exchanges))
        client.generate("a cat")
    assert 1 == mock.billed


def test_a_rate_strikes_about_so_often_and_alike_for_one_seed() -> None:
    def unknown(seed: int) -> list[bool]:
        mock = MockService([installed().provider("magnific")], seed=seed)
        mock.fault("accepted-then-dropped", rate=0.3)
        struck = []
        with fluxkit.Client("magnific:flux-2-klein", mock=mock) as client:
            for _ in range(60):
                try:
                    client.submit("a cat")
                except fluxkit.SubmissionUnknown:
                    struck.append(True)
                else:
                    struck.append(False)
        assert 60 == mock.billed
        return struck

    assert unknown(1) == unknown(1)
    assert unknown(1) != unknown(2)
    assert 8 <= sum(unknown(1)) <= 28


def test_virtual_time_never_goes_back() -> None:
    clock = VirtualClock()
    before = clock.now()
    clock.sleep(-5)
    assert before == clock.now()


def test_a_wall_clock_runs_as_fast_as_it_is_told() -> None:
    clock = WallClock(speed=1_000_000)
    before = clock.now()
    clock.sleep(1_000)  # a millisecond
    assert clock.now() - before >= 1_000


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_wall_clock_is_as_fast_for_those_who_wait_asynchronously(backend: str) -> None:
    clock = WallClock(speed=1_000_000)
    before = clock.now()
    anyio.run(clock.sleep_async, 1_000, backend=backend)
    assert clock.now() - before >= 1_000


def test_a_wall_clock_does_not_stand_still() -> None:
    with pytest.raises(ValueError, match="speed"):
        WallClock(speed=0)


@pytest.mark.parametrize("provider", [MAGNIFIC, FREEPIK, APIMART, BFL], ids=lambda each: each.name)
def test_an_answer_that_is_stamped_is_the_one_that_would_be_written(provider: Provider) -> None:
    dialect = dialect_of(provider)
    of = "polled" if provider.resulted is None else "resulted"
    for number, url in enumerate(
        ("http://127.0.0.1/a.png?token=exp=1~x", 'http://"\\é/b.jpg', "https://cast.invalid/0")
    ):
        facts = {
            **dialect.facts(of, dialect.life.last, id=f"id {number}", base_url="http://a", model="m"),
            "seed": number,
        }
        picture = {"url": url, "expires_at": number, "width": 8, "height": 9, "media_type": "image/png"}
        written = dialect.say(of, {**facts, "images": (picture,)})
        stamped = say_completed(dialect, of, facts, picture, base_url="http://a", model="m")
        assert (written.status, written.body, written.headers) == (stamped.status, stamped.body, stamped.headers)


@pytest.mark.parametrize(
    ("shown", "pattern"),
    [
        ("046b6c7f-0b8a-43b9-b35d-6489e6daee91", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
        ("task_01KAx-é", r"task_\d\d[0-9A-HJKMNP-TV-Z]{2}[a-z]-é"),
        (f"gen_{'1a' * 40}", r"gen_[0-9a-f]{80}"),  # longer than what it is drawn from
    ],
)
def test_a_fresh_id_has_the_shape_of_the_one_that_is_shown(shown: str, pattern: str) -> None:
    ids = [fresh(shape_of(shown), str(number)) for number in range(20)]
    assert [] == [each for each in ids if re.fullmatch(pattern, each) is None]
    assert 20 == len({*ids})


def test_an_id_is_what_it_was_in_earlier_versions() -> None:
    assert "94fc314e-6dbf-0880-3e92-da5bf7fe71a8" == fresh(shape_of(USUAL), "0:magnific:1")


def test_a_model_that_is_spelt_otherwise_in_an_address_is_bought_all_the_same(mock: MockService) -> None:
    with httpx.Client(transport=mock.transport(), headers={"x-magnific-api-key": "test"}) as client:
        address = mock.base_url("magnific") + "/v1/ai/text-to-image/flux%2D2-klein"
        assert 200 == client.post(address, json={"prompt": "a cat"}).status_code
    assert ["flux-2-klein"] == [task.model.name for task in mock.tasks]
