"""The mock in process and the mock on a port: the same calls with the same seed end alike, whatever goes wrong."""

import itertools
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import anyio
import attrs
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxkit._wire.samples import samples_of
from fluxkit.provider import At, Form, Link, Provider, Real, Text
from fluxkit.testing.bench import form_of
from fluxkit.testing.exhibits import SMALLEST
from fluxkit_mockserver.casts import say_briefly
from fluxkit_mockserver.clock import EPOCH, VirtualClock
from fluxkit_mockserver.dialect import Dialect
from fluxkit_mockserver.dialects import MOST_DIALECTS, dialect_of
from fluxkit_mockserver.faults import FAULTS
from fluxkit_mockserver.server import Server
from fluxkit_mockserver.service import MockService
from fluxkit_mockserver.transport import incoming
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.magnific import FREEPIK, MAGNIFIC

#: The faults that a client meets who calls and waits; those of webhooks have a test of their own.
CALLED = [name for name, fault in FAULTS.items() if fault.moment != "webhook"]

#: Those after which no answer comes, however long a client waits.
SILENT = ("hang", "accepted-then-hang")

#: Those that keep a client waiting, so that one without patience gives up.
LATE = ("dripping", "slow-answer", *SILENT)

KLEIN = "/magnific/v1/ai/text-to-image/flux-2-klein"
PRO = "/magnific/v1/ai/text-to-image/flux-2-pro"
KONTEXT = "/magnific/v1/ai/text-to-image/flux-kontext-pro"
APIMART_SUBMIT, APIMART_POLL = "/apimart/v1/images/generations", "/apimart/v1/tasks"
KEYS = {"x-magnific-api-key": "test", "authorization": "Bearer test"}

PLAIN = b'{"prompt": "a lighthouse at dusk"}'
SUBMITS = (
    (KLEIN, PLAIN),
    (KLEIN, b'{"prompt": "two", "aspect_ratio": "widescreen_16_9", "seed": 7, "output_format": "png"}'),
    (PRO, b'{"prompt": "three", "width": 256, "height": 320}'),
    (APIMART_SUBMIT, b'{"model": "flux-2-pro", "prompt": "four", "size": "2:3"}'),
    (APIMART_SUBMIT, b'{"model": "flux-1", "prompt": "no such model"}'),
    (f"{KLEIN}?page=1", PLAIN),
    (KLEIN, b'{"prompt": 1, "aspect_ratio": "round", "stray": {"deep": []}, "seed": -1}'),
    (KLEIN, b'{"prompt": "\\ud800"}'),
    (KLEIN, b'{"prompt": "x", "seed": NaN}'),
    (KLEIN, b'{"a":' * 400 + b"1" + b"}" * 400),
    (KLEIN, b'{"prompt": "cut'),
    (KLEIN, b"\xff\xfe"),
    (KLEIN, b"[]"),
    (KLEIN, b""),
)
FORM, TICKET = "/apimart/v1/uploads/images", "/magnific/v1/ai/uploads/request-url"
PNG = SMALLEST["image/png"]
#: What is brought: where to, with which headers, and with which body.
LOADS: "Sequence[tuple[str, dict[str, str], bytes]]" = (
    (FORM, form_of("file", PNG, "image/png")[1], form_of("file", PNG, "image/png")[0]),
    (FORM, form_of("file", b"%PDF-1.7", "application/pdf")[1], form_of("file", b"%PDF-1.7", "application/pdf")[0]),
    (FORM, {}, PNG),
    (TICKET, {}, b'{"files": [{"content_type": "image/png"}]}'),
    (TICKET, {}, b'{"files": [{"content_type": "image/tiff"}]}'),
    (TICKET, {"x-magnific-api-key": "wrong"}, b""),
)
STRAYS = (
    ("GET", FORM),
    ("PUT", "/__mock__/uploads/none/x.png?signature=0"),
    ("GET", "/__mock__/uploads/%00"),
    ("HEAD", KLEIN),
    ("PUT", KLEIN),
    ("OPTIONS", f"{KLEIN}/x"),
    ("DELETE", "/apimart"),
    ("PATCH", "/nobody/v1"),
    ("GET", "//magnific//v1"),
    ("GET", f"{KLEIN}/%2e%2e%2Fx%00?a=%26&a=+"),
    ("GET", "/__mock__/images/none.png"),
    ("GET", "/__mock__/images/%C3%A9.png?token=exp=%C2%B2~hmac="),
)

#: Submit, follow to the end, fetch: every fault has its moment in it.
LIFE: "Sequence[Step]" = [("submit", 0), ("poll", 0), ("wait", 2), ("poll", 0), ("poll", 0), ("fetch", 0), ("fetch", 0)]

#: A form and a ticket, each to its end, and an image from both.
CARRIAGE: "Sequence[Step]" = [
    *[("bring", 0), ("fetch", 0), ("look at", 0), ("draw from", 0), ("bring", 3), ("draw from", 2)],
    *[("put", 1), ("put", 1), ("fetch", 2), ("draw from", 2), ("wait", 86_500), ("fetch", 2), ("fetch", 0)],
]

Step = tuple[str, int]
STEPS = st.one_of(
    st.tuples(st.just("submit"), st.integers(0, len(SUBMITS) - 1)),
    st.tuples(
        st.sampled_from(
            ["poll", "poll with a wrong key", "poll by another name", "fetch", "look at", "post to", "put"]
        ),
        st.integers(0, 3),
    ),
    st.tuples(st.just("bring"), st.integers(0, len(LOADS) - 1)),
    st.tuples(st.just("draw from"), st.integers(0, 3)),
    st.tuples(st.just("stray"), st.integers(0, len(STRAYS) - 1)),
    st.tuples(st.just("wait"), st.sampled_from([1, 30, 4000])),
)


@attrs.frozen
class Ending:
    """How a call ended: with an answer, or with an error of httpx."""

    status: int = 0
    headers: dict[str, str] = attrs.field(factory=dict)
    content: bytes = b""
    error: str = ""


@attrs.define
class Story:
    """The calls of one client to one mock, made from what it was told before, and how they ended.

    The story has the time in its hands: a dripping answer moves the virtual clock in process and nobody does on a port.
    """

    mock: MockService
    url: str
    hurry: float
    patience: float = 10.0
    time: float = EPOCH
    links: list[str] = attrs.field(factory=list)
    endings: list[Ending] = attrs.field(factory=list)

    def call(self, step: Step) -> dict[str, Any] | None:
        """What to ask httpx for, None if the step is no call."""
        deed, number = step
        self.time += number if deed == "wait" else 0
        self.mock.clock.time = self.time
        match deed:
            case "submit":
                path, body = SUBMITS[number]
                submit = {"method": "POST", "url": self.url + path, "headers": KEYS, "content": body}
                return {**submit, "timeout": self.patience}
            case "poll":
                return {"method": "GET", "url": self._poll(number), "headers": KEYS, "timeout": self._timeout()}
            case "poll with a wrong key":
                keys = dict.fromkeys(KEYS, "Bearer wrong")
                return {"method": "GET", "url": self._poll(number), "headers": keys}
            case "poll by another name":
                headers = {**KEYS, "host": "mock.example:81"}
                return {"method": "GET", "url": self._poll(number), "headers": headers, "timeout": self._timeout()}
            case "stray":
                method, path = STRAYS[number]
                return {"method": method, "url": self.url + path, "headers": KEYS}
            case "bring":
                path, headers, body = LOADS[number]
                return {"method": "POST", "url": self.url + path, "headers": {**KEYS, **headers}, "content": body}
            case "put":
                link = self._link(number)
                headers = {"content-type": "image/png", "x-upload-id": link.partition("/uploads/")[2].partition("/")[0]}
                return {"method": "PUT", "url": link, "headers": headers, "content": PNG}
            case "draw from":
                body = json.dumps({"prompt": "five", "input_image": self._link(number).partition("?")[0]}).encode()
                return {"method": "POST", "url": self.url + KONTEXT, "headers": KEYS, "content": body}
            case "fetch" | "look at" | "post to":
                method = {"fetch": "GET", "look at": "HEAD", "post to": "POST"}[deed]
                return {"method": method, "url": self._link(number)}
        return None

    def _link(self, number: int) -> str:
        return self.links[number % len(self.links)] if self.links else f"{self.url}/__mock__/images/"

    def _poll(self, number: int) -> str:
        bought = self.mock.charges
        if not bought:
            return f"{self.url}{KLEIN}/nothing"
        charge = bought[number % len(bought)]
        if charge.provider == "apimart":
            return f"{self.url}{APIMART_POLL}/{charge.task}"
        return f"{self.url}/magnific/v1/ai/text-to-image/{charge.model}/{charge.task}"

    def _timeout(self) -> httpx.Timeout:
        # A poll of a task that exists is the only call that can drip.
        return httpx.Timeout(10, read=self.hurry if self.mock.charges else 10)

    def note(self, ended: httpx.Response | httpx.TransportError) -> None:
        if isinstance(ended, httpx.TransportError):
            self.endings.append(Ending(error=type(ended).__name__))
            return
        self.links += re.findall(rf'{re.escape(self.url)}/__mock__/[a-z]+/[^"\\]+', ended.text)
        self.endings.append(Ending(ended.status_code, dict(ended.headers), ended.content))

    def told(self) -> tuple[Any, ...]:
        """Everything that can be compared."""
        uploads = [attrs.astuple(each) for each in self.mock.uploads]
        return self.endings, self.mock.billed, self.mock.charges, list(self.mock.exchanges), uploads, self.mock.leaks


def a_mock(fault: str | None, progression: str, rate: float = 1.0) -> MockService:
    mock = MockService([MAGNIFIC, FREEPIK, APIMART], seed=11, progression=progression)
    if fault is not None:
        mock.fault(fault, rate=rate)
    return mock


def tell(story: Story, steps: Sequence[Step], client: httpx.Client) -> tuple[Any, ...]:
    for step in steps:
        if call := story.call(step):
            try:
                story.note(client.request(**call))
            except httpx.TransportError as error:
                story.note(error)
    return story.told()


@pytest.fixture(scope="module")
def socket_client() -> Iterator[httpx.Client]:
    with httpx.Client(transport=httpx.HTTPTransport(verify=False)) as client:
        yield client


@contextmanager
def in_process(mock: MockService) -> Iterator[httpx.Client]:
    with httpx.Client(transport=mock.transport()) as client:
        yield client


def check_parity(
    fault: str | None,
    steps: Sequence[Step],
    socket_client: httpx.Client,
    *,
    progression: str,
    rate: float = 1.0,
    in_a_hurry: bool = False,
) -> None:
    """In a hurry, the client waits half as long as a byte takes; else what is late takes no time on the port.

    A client is in a hurry only where every answer is late: no other is late for certain, however slow the machine is.
    Where no answer comes to a submit, it waits for a second, in which that arrives; in process those are of the mock's.
    """
    in_a_hurry = in_a_hurry and fault in LATE and rate == 1.0
    assert in_a_hurry or fault not in SILENT
    second = 0.02 if in_a_hurry else 0.0
    hurries = (0.5 * second, 0.5) if in_a_hurry else (10.0, 100.0)
    patience = (1.0, 5.0) if fault == "accepted-then-hang" else (10.0, 100.0)
    mock, inner = a_mock(fault, progression, rate), a_mock(fault, progression, rate)
    with Server(mock, drip_scale=second) as server, in_process(inner) as client:
        on_a_port = tell(Story(mock, server.url, hurries[0], patience[0]), steps, socket_client)
        assert tell(Story(inner, server.url, hurries[1], patience[1]), steps, client) == on_a_port


PROGRESSIONS = st.sampled_from(["at once", "polls", "seconds"])


RATES = st.sampled_from([1.0, 0.5])
PROMPT = st.sampled_from([None, *(name for name in CALLED if name not in SILENT)])


@pytest.mark.slow
@given(
    fault=PROMPT,
    steps=st.lists(STEPS, max_size=8),
    progression=PROGRESSIONS,
    rate=RATES,
    in_a_hurry=st.booleans(),
)
def test_port_and_process_end_alike(
    fault: str | None, steps: list[Step], progression: str, rate: float, in_a_hurry: bool, socket_client: httpx.Client
) -> None:
    check_parity(fault, [*LIFE, *steps], socket_client, progression=progression, rate=rate, in_a_hurry=in_a_hurry)


@pytest.mark.parametrize("fault", [None, *CALLED])
def test_each_life_ends_alike(fault: str | None, socket_client: httpx.Client) -> None:
    check_parity(fault, LIFE, socket_client, progression="polls", in_a_hurry=True)


def test_each_upload_ends_alike(socket_client: httpx.Client) -> None:
    check_parity(None, CARRIAGE, socket_client, progression="polls")
    mock = a_mock(None, "polls")
    with in_process(mock) as client:
        endings, billed, *_ = tell(Story(mock, "http://127.0.0.1", hurry=10), CARRIAGE, client)
    statuses = [200, 200, 200, 200, 200, 400, 200, 403, 200, 200, 403, 200]
    assert (statuses, 2) == ([ending.status for ending in endings], billed)


@pytest.mark.parametrize("fault", CALLED)
def test_each_fault_is_noticed_in_a_life(fault: str) -> None:
    # Otherwise parity would hold of something that never happens.
    plain, struck = (a_mock(name, "polls") for name in (None, fault))
    with in_process(plain) as one, in_process(struck) as other:
        uneventful = tell(Story(plain, "http://127.0.0.1", hurry=0.5), LIFE, one)
        assert uneventful != tell(Story(struck, "http://127.0.0.1", hurry=0.5), LIFE, other)


async def tell_async(story: Story, steps: Sequence[Step]) -> tuple[Any, ...]:
    async with httpx.AsyncClient(transport=story.mock.async_transport()) as client:
        for step in steps:
            if call := story.call(step):
                try:
                    story.note(await client.request(**call))
                except httpx.TransportError as error:
                    story.note(error)
    return story.told()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("fault", [None, *CALLED])
@pytest.mark.parametrize("hurry", [0.5, 10.0])
def test_both_transports_end_alike(backend: str, fault: str | None, hurry: float) -> None:
    steps = [*LIFE, ("submit", 3), ("poll", 1), ("poll", 1), ("wait", 4000), ("fetch", 0), ("look at", 0), ("stray", 0)]
    mock = a_mock(fault, "polls")
    with in_process(mock) as client:
        expected = tell(Story(mock, "http://127.0.0.1:4010", hurry), steps, client)
    mock = a_mock(fault, "polls")
    assert expected == anyio.run(tell_async, Story(mock, "http://127.0.0.1:4010", hurry), steps, backend=backend)


# Reading a body piece by piece.


def read_by_bytes(response: httpx.Response) -> bytes:
    return b"".join(response.iter_bytes(7))


def read_raw(response: httpx.Response) -> bytes:
    return b"".join(response.iter_raw())


def read_at_once(response: httpx.Response) -> bytes:
    return response.read()


@pytest.mark.parametrize("read", [read_by_bytes, read_raw, read_at_once])
@pytest.mark.parametrize("where", ["on a port", "in process"])
def test_a_streamed_body_is_read_as_from_a_socket(where: str, read: Any, socket_client: httpx.Client) -> None:
    mock = a_mock(None, "polls")
    with Server(mock) as server, in_process(mock) as inner:
        client = inner if where == "in process" else socket_client
        with client.stream("GET", f"{server.url}{KLEIN}/nothing", headers=KEYS) as response:
            assert not response.is_stream_consumed
            content = read(response)
            assert response.is_stream_consumed
            assert response.is_closed
        assert b'{"message":"Not found"}' == content
        assert len(content) == response.num_bytes_downloaded
        assert response.elapsed.total_seconds() > 0
        if read is read_at_once:
            assert content == response.read()
        else:
            with pytest.raises(httpx.StreamConsumed):
                response.read()


@pytest.mark.parametrize("where", ["on a port", "in process"])
def test_a_closed_response_cannot_be_read(where: str, socket_client: httpx.Client) -> None:
    mock = a_mock(None, "polls")
    with Server(mock) as server, in_process(mock) as inner:
        client = inner if where == "in process" else socket_client
        with client.stream("GET", f"{server.url}/nobody") as response:
            pass
        with pytest.raises(httpx.StreamClosed):
            response.read()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_async_body_is_read_once_and_kept(backend: str) -> None:
    async def read() -> tuple[bytes, bytes]:
        async with (
            httpx.AsyncClient(transport=a_mock(None, "polls").async_transport()) as client,
            client.stream("GET", "http://127.0.0.1/nobody") as response,
        ):
            first = await response.aread()
            assert (len(first), True) == (response.num_bytes_downloaded, response.is_closed)
            return first, await response.aread()

    first, again = anyio.run(read, backend=backend)
    assert first == again != b""


def test_the_origin_is_where_the_client_says_it_went_or_where_it_did() -> None:
    request = httpx.Request("GET", "http://127.0.0.1:4010/x", headers={"Host": "mock.example"})
    assert "http://mock.example" == incoming(request, b"").origin
    del request.headers["host"]
    assert "http://127.0.0.1:4010" == incoming(request, b"").origin


# Patience in process, where no time passes but the mock's.


def drip(mock: MockService, **extensions: Any) -> httpx.Response:
    with in_process(mock) as client:
        client.post(f"http://127.0.0.1{KLEIN}", content=PLAIN, headers=KEYS)
        mock.fault("dripping")
        url = f"http://127.0.0.1{KLEIN}/{mock.charges[0].task}"
        return client.get(url, headers=KEYS, timeout=None, extensions=extensions)


def test_a_drip_takes_a_second_a_byte() -> None:
    mock = a_mock(None, "polls")
    response = drip(mock)
    assert EPOCH + len(response.content) == mock.clock.now()


def test_a_client_with_a_total_patience_waits_as_long_as_it_has() -> None:
    mock = a_mock(None, "polls")
    with pytest.raises(httpx.ReadTimeout):
        drip(mock, **{"fluxkit.patience": 12.5})
    assert EPOCH + 12.5 == mock.clock.now()


def test_a_client_with_enough_patience_gets_the_answer() -> None:
    assert 200 == drip(a_mock(None, "polls"), **{"fluxkit.patience": 1000.0}).status_code


@attrs.define(eq=False)
class QuickClock(VirtualClock):
    """A second of the client is a hundred seconds here."""

    speed: float = 100.0


@pytest.mark.parametrize(("patience", "read", "fits"), [(12.5, 0.01, True), (0.5, 9.0, False), (9.0, 0.009, False)])
def test_patience_is_counted_in_the_seconds_of_the_client(patience: float, read: float, fits: bool) -> None:
    mock = MockService([MAGNIFIC], progression="polls", clock=QuickClock())
    extensions = {"fluxkit.patience": patience, "timeout": {"read": read}}
    if fits:
        assert 200 == drip(mock, **extensions).status_code
    else:
        with pytest.raises(httpx.ReadTimeout):
            drip(mock, **extensions)
        assert EPOCH + 100 * min(patience, read) == pytest.approx(mock.clock.now())


# Answers that are cast once and stamped with an id, and the same answers as they are written.


def a_dialect(provider: Provider, id: str = "") -> Dialect:
    """With an *id*, the only thing known of the service is that its ids look like this."""
    if not id:
        return dialect_of(provider)
    seen = next(sample for sample in samples_of(MAGNIFIC) if sample.of == "accepted")
    seen = attrs.evolve(seen, body={}, means={**seen.means, "id": id})
    return Dialect(provider, (seen,))


LINKED = attrs.evolve(
    APIMART,
    accepted=Form(
        {"id": At("id", Text()), "poll_url": At("poll", Link()), "progress": At("progress", Real())}, need=["id"]
    ),
    polled=At("data", Form({"id": At("id", Text()), "status": At("status", Text()), "progress": At("done", Real())})),
)


@pytest.mark.parametrize("provider", [MAGNIFIC, APIMART, LINKED])
@pytest.mark.parametrize("id", ["", "046b6c7f-0b8a-43b9", "task_01KFG5", "job/7", "Z", "7", "50", "-"])
@pytest.mark.parametrize("of", ["accepted", "polled"])
def test_what_is_cast_is_what_is_written(provider: Provider, id: str, of: str) -> None:
    dialect = a_dialect(provider, id)
    for stage, number in itertools.product(range(len(dialect.words)), range(20)):
        place = {"id": dialect.new_id(3, number), "base_url": f"http://a:{number % 2}/linked", "model": "flux-2-pro"}
        written = dialect.say(of, dialect.facts(of, stage, **place))
        cast = say_briefly(dialect, of, stage, **place)
        assert (written.status, written.body) == (cast.status, cast.body)


def test_an_answer_is_not_cast_from_two_ids_that_are_alike() -> None:
    names = (f"linked-{number}" for number in itertools.count())
    dialects = (a_dialect(attrs.evolve(LINKED, name=name), "7") for name in names)
    # Half of its life is done at 50 %, which must not become 10 % for the task of that id.
    dialect = next(each for each in dialects if "5" == each.new_id(-1, 0) == each.new_id(-1, 1))
    place = {"id": "1", "base_url": "http://a", "model": "flux-2-pro"}
    for stage in range(len(dialect.words)):
        written = dialect.say("polled", dialect.facts("polled", stage, **place))
        assert written.body == say_briefly(dialect, "polled", stage, **place).body


def test_mocks_of_one_provider_share_a_dialect_and_only_so_many_are_kept() -> None:
    first = dialect_of(MAGNIFIC)
    assert first is dialect_of(MAGNIFIC)
    assert first is not dialect_of(MAGNIFIC, spelling=1)
    changed = [attrs.evolve(MAGNIFIC, source=str(number)) for number in range(MOST_DIALECTS)]
    others = [dialect_of(provider) for provider in changed]
    assert changed == [dialect.provider for dialect in others]
    assert first is not dialect_of(MAGNIFIC)
