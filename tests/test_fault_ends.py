"""How each fault ends for a user: what the client raises, what was bought, and what a second wait brings.

For both clients, in process and over a socket, by the one table of ``support/ends.py``.
"""

import contextlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import attrs
import httpx
import pytest
from shapes.fal import FAL
from shapes.openai import TOGETHER
from shapes.replicate import REPLICATE
from support.ends import CASES, ENDS, FINE, LASTING, MISDELIVERED, SERVICES, End, end_of
from support.receiving import listening

import fluxkit
import fluxkit.webhooks
import fluxkit_providers
from fluxkit._wire.plan import Plan
from fluxkit.provider import Provider
from fluxkit.testing.bench import any_plan, buy, driver
from fluxkit_mockserver import FAULTS, MockService, to_app
from fluxkit_mockserver.server import Server
from fluxkit_providers.bfl import BFL
from fluxkit_providers.magnific import MAGNIFIC

#: Those that keep a client waiting for its whole patience, when it submits and when it polls.
SILENT_SUBMITS, SILENT_POLLS = ("accepted-then-hang",), ("dripping", "hang")

#: How many real seconds a client waits where no answer comes; elsewhere it waits for a minute, on the slowest machine.
HURRY = 0.02

#: How many real seconds one of a slow answer takes where somebody waits for it.
QUICK = 0.0001


@attrs.frozen
class OnAPort:
    """A mock on a port as a client takes one in process: on its time, but by real sockets."""

    server: Server

    @property
    def key(self) -> str:
        return self.server.service.key

    @property
    def clock(self) -> Any:
        return self.server.service.clock

    def base_url(self, provider: str, /) -> str:
        return self.server.base_url(provider)

    def transport(self) -> None:
        """No stand-in: the network itself."""

    async_transport = transport


@contextlib.contextmanager
def opposite(where: str, mock: MockService, *, silent: bool) -> Iterator[Any]:
    """Whom a client speaks to."""
    if where == "in process":
        yield mock
        return
    with Server(mock, drip_scale=1.0 if silent else QUICK) as server:
        yield OnAPort(server)


async def came(answer: Any) -> Any:
    return await answer if inspect.isawaitable(answer) else answer


async def outcome(call: Any) -> tuple[str, fluxkit.FluxError | None]:
    try:
        (image,) = (await came(call())).images
    except fluxkit.FluxError as error:
        return type(error).__name__, error
    assert image.pixels
    return "", None


async def lives(client: Any, hurried: Any, mock: MockService, name: str) -> End:
    """How buying and waiting end while a fault lasts, and a wait for the task once that has passed."""
    if hurried is not client and name in SILENT_POLLS:  # nobody hurries where an answer comes
        task = await came(client.submit("a cat"))
        raised, error = await outcome(lambda: hurried.wait(task, timeout=120))
    else:
        raised, error = await outcome(lambda: hurried.generate("a cat", timeout=120))
    ended = End(raised, mock.billed)
    if error is not None:
        ended = attrs.evolve(ended, charged=str(error.charged), calls=len(mock.exchanges))
    if error is not None and error.task is not None:
        mock.unfault()
        again, _ = await outcome(lambda: client.wait(error.task, timeout=600))
        assert ended.billed == mock.billed
        ended = attrs.evolve(ended, again=again)
    return ended


def test_every_fault_of_a_call_has_its_end_here() -> None:
    assert [name for name, fault in FAULTS.items() if fault.moment != "webhook"] == list(ENDS)


def test_every_bundled_service_is_among_them() -> None:
    assert [*fluxkit_providers.fluxkit_providers()] == [each.name for each in SERVICES.values()]


@pytest.mark.parametrize(
    "where", ["in process", pytest.param("on a port", marks=[pytest.mark.slow, pytest.mark.no_cover])]
)
@pytest.mark.parametrize(("name", "model"), CASES)
def test_a_fault_that_lasts_ends_as_it_must(name: str, model: str, where: str) -> None:
    expected = end_of(name, SERVICES[model])
    mock = MockService([SERVICES[model]], durations=lambda _: 30.0)
    silent = where == "on a port" and name in (*SILENT_SUBMITS, *SILENT_POLLS)

    async def both(there: Any) -> list[End]:
        ends = []
        with fluxkit.Client(model, mock=there) as client, fluxkit.Client(model, mock=there, patience=HURRY) as hurried:
            armed = mock.fault(name)
            ends.append(await lives(client, hurried if silent else client, mock, name))
            assert armed.struck > 0
        mock.reset()
        async with (
            fluxkit.AsyncClient(model, mock=there) as client,
            fluxkit.AsyncClient(model, mock=there, patience=HURRY) as hurried,
        ):
            mock.fault(name)
            ends.append(await lives(client, hurried if silent else client, mock, name))
        return ends

    with opposite(where, mock, silent=silent) as there:
        ends = anyio.run(both, there)
    if expected.calls is None:
        ends = [attrs.evolve(each, calls=None) for each in ends]
    assert [expected, expected] == ends


@pytest.mark.parametrize(("name", "model"), CASES)
def test_a_fault_that_passes_costs_time_and_no_second_image(name: str, model: str) -> None:
    mock, end = MockService([SERVICES[model]], durations=lambda _: 20.0), end_of(name, SERVICES[model])
    mock.fault(name, times=1)
    with fluxkit.Client(model, mock=mock) as client:
        raised, _ = anyio.run(outcome, lambda: client.generate("a cat", timeout=600))
    lasts = name in LASTING or end.raises == "SubmissionUnknown"
    assert ((end.raises, end.billed) if lasts else ("", 1)) == (raised, mock.billed)


@pytest.mark.parametrize(
    "where", ["in process", pytest.param("on a port", marks=[pytest.mark.slow, pytest.mark.no_cover])]
)
@pytest.mark.parametrize(("name", "model"), MISDELIVERED)
def test_a_webhook_that_is_misdelivered_costs_no_image(name: str, model: str, where: str) -> None:
    """Whether a poll or the webhook tells first is a matter of the machine's load; the end is the same."""
    mock = MockService([SERVICES[model]], durations=lambda _: 30.0)

    async def both(there: Any) -> list[End]:
        ends = []
        with (
            fluxkit.Client(model, mock=there, webhook_secret=mock.webhook_secret) as client,
            told(client, there) as url,
        ):
            armed = mock.fault(name)
            ends.append(await hears(client, mock, url))
            assert armed.struck > 0
        mock.reset()
        async with fluxkit.AsyncClient(model, mock=there, webhook_secret=mock.webhook_secret) as client:
            with told(client, there) as url:
                mock.fault(name)
                ends.append(await hears(client, mock, url))
        return ends

    with opposite(where, mock, silent=False) as there:
        assert [FINE, FINE] == anyio.run(both, there)


async def hears(client: Any, mock: MockService, url: str) -> End:
    """How a ``generate`` ends that is told by webhooks as well."""
    raised, _ = await outcome(lambda: client.generate("a cat", webhook_url=url, timeout=120))
    return End(raised, mock.billed)


@contextlib.contextmanager
def told(client: Any, there: Any) -> Iterator[str]:
    """The address at which a client is told by webhooks: in process its app, on a port a server before it."""
    deliver = to_app(fluxkit.webhooks.receiver(client))
    if isinstance(there, MockService):
        there.webhooks.connect(deliver)
        yield "https://app.example/hooks/"
        return
    with listening(lambda delivery: anyio.run(deliver, delivery)) as url:
        yield url


def test_an_image_of_another_type_is_named_so_and_said_to_be_unlike(tmp_path: Path) -> None:
    mock = MockService([MAGNIFIC])
    mock.fault("wrong-type-image")
    with fluxkit.Client("magnific:flux-2-klein", mock=mock) as client, pytest.warns(fluxkit.DeliveryWarning):
        result = client.generate("a cat", output_format="png", to=tmp_path / "cat.png")
    assert "image/jpeg" == result.images[0].media_type
    assert result.images[0].mismatch


def test_two_links_of_one_image_are_one_image() -> None:
    mock = MockService([MAGNIFIC], progression="at once")
    mock.fault("two-links")
    with fluxkit.Client("magnific:flux-2-klein", mock=mock) as client:
        task = client.submit("a cat")
        headers = {"x-magnific-api-key": mock.key}
        url = f"{mock.base_url('magnific')}/v1/ai/text-to-image/flux-2-klein/{task.id}"
        with httpx.Client(transport=mock.transport(), headers=headers) as raw:
            links = raw.get(url).json()["data"]["generated"]
            one, other = (raw.get(link, headers={}).content for link in links)
        assert one == other
        assert 1 == len(client.wait(task).images)


def test_a_refusal_of_the_mock_asks_to_wait_and_the_client_does() -> None:
    mock = MockService([MAGNIFIC])
    mock.fault("429", times=1)
    began = mock.clock.now()
    with fluxkit.Client("magnific:flux-2-klein", mock=mock) as client:
        client.submit("a cat")
    assert mock.clock.now() - began >= 10.0


def test_a_failed_task_says_why_in_the_form_of_the_service() -> None:
    for name, words in (("fail", "Generation failed"), ("moderated", "The prompt was refused by moderation")):
        for model, provider in SERVICES.items():
            mock = MockService([provider], progression="at once")
            mock.fault(name)
            with fluxkit.Client(model, mock=mock) as client, pytest.raises(fluxkit.TaskError, match=words):
                client.generate("a cat")


def plan_of(provider: Provider, mock: MockService) -> Plan:
    return attrs.evolve(any_plan(provider), base_url=mock.base_url(provider.name), mocked=True)


def test_a_moderated_task_is_refused_where_the_service_has_a_word_for_it() -> None:
    for provider in (BFL, FAL):
        mock = MockService([provider], progression="at once")
        mock.fault("moderated")
        with pytest.raises(fluxkit.Refused):
            buy(driver(provider, mock), plan_of(provider, mock))


SHAPES = [BFL, FAL, REPLICATE, TOGETHER]


@pytest.mark.parametrize("provider", SHAPES, ids=[each.name for each in SHAPES])
@pytest.mark.parametrize("name", list(ENDS))
def test_a_fault_strikes_services_of_every_shape_or_says_why_not(
    name: str, provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where images of an answer are put
    mock = MockService([provider])
    if obstacle := FAULTS[name].obstacle(provider):
        with pytest.raises(ValueError, match="does not apply to") as caught:
            mock.fault(name)
        assert obstacle in str(caught.value)
        return
    armed = mock.fault(name)
    charged = True
    try:
        buy(driver(provider, mock), plan_of(provider, mock))
    except fluxkit.FluxError as error:
        charged = bool(error.charged)
    assert charged or not mock.billed
    assert armed.struck > 0 or FAULTS[name].moment == "image"
    assert mock.billed <= 1
