"""The promise in one script: the provider's name changes, and nothing else.

Every provider, blocking, on asyncio and on trio, in process and on a port.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import pytest
from PIL import Image

import fluxkit
from fluxkit._plugins import installed
from fluxkit.provider import Provider
from fluxkit_mockserver import MockService
from fluxkit_mockserver.clock import WallClock
from fluxkit_mockserver.server import Server

#: The models of both faces of Magnific, and the pixels of 16:9 at 1K; None where nobody knows them.
FAMILY = {
    "flux-2-klein": (1344, 768),
    "flux-2-pro": (1360, 765),
    "flux-2-turbo": (1360, 765),
    "flux-kontext-pro": None,
    "flux-pro-v1-1": None,
    "flux-dev": None,
    "hyperflux": None,
}
MODELS = {
    **{f"{face}:{name}": pixels for face in ("magnific", "freepik") for name, pixels in FAMILY.items()},
    "apimart:flux-2-flex": (1920, 1080),
    "apimart:flux-2-pro": (1920, 1080),
    **{f"bfl:flux-2-{name}": (1280, 720) for name in ("pro", "max", "flex", "klein-4b", "klein-9b")},
    **{f"bfl:flux-kontext-{name}": None for name in ("pro", "max")},
}
DRIVERS = ("blocking", "asyncio", "trio")


def blocking(name: str, to: Path, **settings: object) -> fluxkit.Result:
    with fluxkit.Client(name, **settings) as client:  # type: ignore[arg-type]
        return client.generate("a lighthouse at dusk", aspect="16:9", resolution="1K", to=to)


def asynchronous(name: str, to: Path, **settings: object) -> Callable[[], object]:
    async def make() -> fluxkit.Result:
        async with fluxkit.AsyncClient(name, **settings) as client:  # type: ignore[arg-type]
            return await client.generate("a lighthouse at dusk", aspect="16:9", resolution="1K", to=to)

    return make


def make(driver: str, name: str, to: Path, **settings: object) -> fluxkit.Result:
    if driver == "blocking":
        return blocking(name, to, **settings)
    return anyio.run(asynchronous(name, to, **settings), backend=driver)  # type: ignore[arg-type, return-value]


def providers() -> list[Provider]:
    return [installed().provider(name) for name in ("magnific", "freepik", "apimart", "bfl")]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    # A task of half a minute passes in a few hundredths of a second.
    with Server(MockService(providers(), clock=WallClock(speed=1000))) as running:
        yield running


def checked(result: fluxkit.Result, pixels: tuple[int, int] | None) -> None:
    (image,) = result.images
    assert image.pixels is not None
    width, height = image.pixels
    assert (width, height) == pixels if pixels else 16 * height == 9 * width
    assert () == image.mismatch
    with Image.open(image.path) as opened:
        opened.load()
        assert (width, height) == opened.size


def test_every_bundled_model_is_tried() -> None:
    assert MODELS.keys() == {f"{provider.name}:{model.name}" for provider in providers() for model in provider.models}


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("name", MODELS)
def test_an_image_is_made_in_process(name: str, driver: str, tmp_path: Path) -> None:
    mock = MockService(providers())
    result = make(driver, name, tmp_path / "image", mock=mock)
    assert result.mocked
    assert 1 == mock.billed
    checked(result, MODELS[name])


@pytest.mark.slow
@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("name", MODELS)
def test_an_image_is_made_on_a_port(name: str, driver: str, tmp_path: Path, server: Server) -> None:
    billed = server.service.billed
    base_url = f"{server.url}/{name.partition(':')[0]}"
    result = make(driver, name, tmp_path / "image", base_url=base_url, key=server.service.key)
    assert billed + 1 == server.service.billed
    checked(result, MODELS[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_the_same_images_come_in_process_and_on_a_port(name: str, tmp_path: Path) -> None:
    """The mock's pictures follow from its seed, so a difference would be the transport's."""
    here = MockService(providers(), seed=7)
    inside = make("blocking", name, tmp_path / "inside", mock=here)
    with Server(MockService(providers(), seed=7, clock=WallClock(speed=1000))) as there:
        settings = {"base_url": f"{there.url}/{name.partition(':')[0]}", "key": there.service.key}
        outside = make("blocking", name, tmp_path / "outside", **settings)
    assert [image.sha256 for image in inside.images] == [image.sha256 for image in outside.images]
    assert [task.id for task in inside.tasks] == [task.id for task in outside.tasks]
