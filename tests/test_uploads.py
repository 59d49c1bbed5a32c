"""The mock's side of uploads: a form or a ticket, what lies at the address, for how long, and what is drawn from it.

Everything is told twice, in process and on a port: the same calls must end alike.
"""

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import httpx
import pytest
from PIL import Image

from fluxkit.provider import Provider
from fluxkit.testing.bench import form_of
from fluxkit.testing.exhibits import SMALLEST
from fluxkit_mockserver import MockService, Server, uploads
from fluxkit_mockserver.abroad import MOST_LEAKS
from fluxkit_mockserver.clock import EPOCH
from fluxkit_mockserver.forms import MOST_PARTS, read_form
from fluxkit_mockserver.uploads import UPLOADS, Uploads
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.magnific import FREEPIK, MAGNIFIC

PROVIDERS = (MAGNIFIC, FREEPIK, APIMART)
PNG, JPEG, GIF = SMALLEST["image/png"], SMALLEST["image/jpeg"], SMALLEST["image/gif"]
FORM, TICKET = "/apimart/v1/uploads/images", "/magnific/v1/ai/uploads/request-url"
BEARER, KEY = {"authorization": "Bearer test"}, {"x-magnific-api-key": "test"}
KONTEXT = "/magnific/v1/ai/text-to-image/flux-kontext-pro"
DAY = 86_400.0


@attrs.frozen(eq=False)
class Talk:
    """A client at a mock, wherever that is."""

    mock: MockService
    http: httpx.Client
    url: str

    def call(self, method: str, path: str, **how: Any) -> httpx.Response:
        url = path if path.startswith("http") else self.url + path
        return self.http.request(method, url, **how)

    def form(self, content: bytes, media_type: str = "image/png", field: str = "file", **how: Any) -> httpx.Response:
        body, headers = form_of(field, content, media_type, how.pop("name", "photo.png"))
        return self.call("POST", FORM, content=body, headers={**BEARER, **headers}, **how)

    def ticket(self, media_type: str = "image/png") -> dict[str, Any]:
        answer = self.call("POST", TICKET, json={"files": [{"content_type": media_type}]}, headers=KEY)
        assert 200 == answer.status_code
        (ticket,) = answer.json()["files"]
        return dict(ticket)

    def put(self, ticket: dict[str, Any], content: bytes = PNG, **more: str) -> httpx.Response:
        return self.call("PUT", ticket["upload_url"], content=content, headers={**ticket["headers"], **more})


@pytest.fixture(params=["in process", "on a port"])
def talk(request: pytest.FixtureRequest) -> Iterator[Talk]:
    mock = MockService(PROVIDERS, progression="at once")
    if request.param == "in process":
        with httpx.Client(transport=mock.transport()) as http:
            yield Talk(mock, http, "http://127.0.0.1:4010")
    else:
        with Server(mock) as server, httpx.Client(transport=httpx.HTTPTransport(verify=False)) as http:
            yield Talk(mock, http, server.url)


# A form.


def test_a_form_is_answered_as_the_service_answers(talk: Talk) -> None:
    answer = talk.form(PNG, name="a photo.png")
    (kept,) = talk.mock.uploads
    assert 200 == answer.status_code
    assert {
        "url": f"{talk.url}{UPLOADS}{kept.id}/a%20photo.png",
        "filename": "a photo.png",
        "content_type": "image/png",
        "bytes": len(PNG),
        "created_at": int(EPOCH),
    } == answer.json()
    assert ("apimart", "image/png", PNG) == (kept.provider, kept.media_type, kept.content)
    assert (0, ()) == (talk.mock.billed, talk.mock.leaks)


def test_what_was_uploaded_is_fetched_without_a_key_until_its_life_ends(talk: Talk) -> None:
    url = talk.form(JPEG, name="x.png").json()["url"]
    talk.mock.clock.advance(3 * DAY)
    found = talk.call("GET", url)
    assert (200, JPEG, "image/jpeg") == (found.status_code, found.content, found.headers["content-type"])
    assert b"" == talk.call("HEAD", url).content
    talk.mock.clock.advance(1)
    assert 403 == talk.call("GET", url).status_code


@pytest.mark.parametrize(
    ("content", "declared", "said"),
    [
        (b"%PDF-1.7", "application/pdf", "application/pdf"),
        (b"%PDF-1.7", "image/png", "application/octet-stream"),
        (b"<svg/>", "image/svg+xml", "image/svg+xml"),
        (b"", "", "application/octet-stream"),
        (b"text", r"text/\1", r"text/\1"),
    ],
)
def test_a_type_that_is_not_taken_is_refused_in_the_words_of_the_service(
    talk: Talk, content: bytes, declared: str, said: str
) -> None:
    answer = talk.form(content, declared)
    message = f"unsupported image type: {said}, allowed: jpeg, png, gif, webp"
    assert {"error": {"message": message, "type": "invalid_request_error"}} == answer.json()
    assert (400, ()) == (answer.status_code, talk.mock.uploads)


def test_another_picture_than_those_taken_is_named_by_its_content() -> None:
    assert APIMART.upload is not None
    fussy = attrs.evolve(APIMART, upload=attrs.evolve(APIMART.upload, formats=["png"]), samples=None)
    mock = MockService([fussy])
    with httpx.Client(transport=mock.transport()) as http:
        answer = Talk(mock, http, "http://127.0.0.1").form(GIF, "image/png")
    assert {"error": {"message": "unsupported image type: image/gif, allowed: png"}} == answer.json()


@pytest.mark.slow
def test_a_file_that_is_too_large_is_refused_in_the_words_of_the_service(talk: Talk) -> None:
    most = 20_971_520
    assert 200 == talk.form(PNG.ljust(most, b"\0")).status_code
    answer = talk.form(PNG.ljust(most + 1, b"\0"))
    message = f"file size {most + 1} exceeds maximum {most} bytes"
    assert (413, {"error": {"message": message, "type": "invalid_request_error"}}) == (
        answer.status_code,
        answer.json(),
    )
    assert [most] == [len(kept.content) for kept in talk.mock.uploads]


def test_a_bound_without_recorded_words_is_said_all_the_same() -> None:
    assert APIMART.upload is not None
    small = attrs.evolve(APIMART, upload=attrs.evolve(APIMART.upload, most=100), samples=None)
    mock = MockService([small])
    with httpx.Client(transport=mock.transport()) as http:
        answer = Talk(mock, http, "http://127.0.0.1").form(PNG.ljust(2000, b"\0"))
    assert (413, "file size 2000 exceeds maximum 100 bytes") == (answer.status_code, answer.json()["error"]["message"])


WRONG_FORMS: dict[str, tuple[bytes, dict[str, str]]] = {
    "another field": form_of("image", PNG, "image/png"),
    "no form": (PNG, {"content-type": "image/png"}),
    "no content type": (PNG, {}),
    "no boundary": (form_of("file", PNG, "image/png")[0], {"content-type": "multipart/form-data"}),
    "another boundary": (form_of("file", PNG, "image/png")[0], {"content-type": "multipart/form-data; boundary=x"}),
    "cut short": (form_of("file", PNG, "image/png")[0][:-12], {"content-type": "multipart/form-data; boundary=edge"}),
    "nothing in it": (b"--edge--\r\n", {"content-type": "multipart/form-data; boundary=edge"}),
    "two files": (
        form_of("file", PNG, "image/png")[0].removesuffix(b"--edge--\r\n") + form_of("file", PNG, "image/png")[0],
        {"content-type": "multipart/form-data; boundary=edge"},
    ),
    "a field too many": (
        form_of("file", PNG, "image/png")[0].removesuffix(b"--edge--\r\n") + form_of("more", PNG, "image/png")[0],
        {"content-type": "multipart/form-data; boundary=edge"},
    ),
    "a field without a file": (
        b'--edge\r\ncontent-disposition: form-data; name="file"\r\n\r\nhttps://a.example/x.png\r\n--edge--\r\n',
        {"content-type": "multipart/form-data; boundary=edge"},
    ),
    "JSON": (b'{"file": "x"}', {"content-type": "application/json"}),
}


@pytest.mark.parametrize("wrong", WRONG_FORMS)
def test_what_is_no_form_with_one_file_is_refused(talk: Talk, wrong: str) -> None:
    body, headers = WRONG_FORMS[wrong]
    answer = talk.call("POST", FORM, content=body, headers={**BEARER, **headers})
    assert (400, "invalid_request_error") == (answer.status_code, answer.json()["error"]["type"])
    assert () == talk.mock.uploads


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("photo.png", "photo.png"),
        (r"C:\\\\photos\\\\photo.png", "photo.png"),
        ("../../etc/passwd", "passwd"),
        ("", "image.png"),
        ("a?b#c%2F.png", "a?b#c%2F.png"),
        ("naïve.png", "naïve.png"),
    ],
)
def test_whatever_a_file_is_called_it_lies_at_its_address(talk: Talk, name: str, kept: str) -> None:
    answer = talk.form(PNG, name=name).json()
    assert kept == answer["filename"]
    assert PNG == talk.call("GET", answer["url"]).content


@pytest.mark.parametrize("keys", [{}, {"authorization": "Bearer wrong"}, {"authorization": "test"}, KEY])
def test_uploads_want_the_key(talk: Talk, keys: dict[str, str]) -> None:
    body, headers = form_of("file", PNG, "image/png")
    assert 401 == talk.call("POST", FORM, content=body, headers={**headers, **keys}).status_code
    wrong = {name: f"{value}x" for name, value in keys.items()}
    assert 401 == talk.call("POST", TICKET, json={"files": [{"content_type": "image/png"}]}, headers=wrong).status_code
    assert () == talk.mock.uploads


# A ticket.


def test_a_ticket_is_answered_as_the_service_answers(talk: Talk) -> None:
    ticket = talk.ticket()
    assert {"file_id", "upload_url", "headers", "expires_in", "asset_url", "asset_url_expires_in"} == ticket.keys()
    assert (120, 86_400) == (ticket["expires_in"], ticket["asset_url_expires_in"])
    assert "image/png" == ticket["headers"]["content-type"]
    assert () == talk.mock.uploads
    assert 404 == talk.call("GET", ticket["asset_url"]).status_code


def test_what_is_put_in_time_lies_at_its_address_until_that_dies(talk: Talk) -> None:
    ticket = talk.ticket("image/jpeg")
    talk.mock.clock.advance(120)
    assert (200, b"") == ((answer := talk.put(ticket, JPEG)).status_code, answer.content)
    assert [JPEG] == [kept.content for kept in talk.mock.uploads]
    talk.mock.clock.advance(DAY - 120)
    found = talk.call("GET", ticket["asset_url"])
    assert (200, JPEG, "image/jpeg") == (found.status_code, found.content, found.headers["content-type"])
    talk.mock.clock.advance(1)
    assert 403 == talk.call("GET", ticket["asset_url"]).status_code
    assert (0, ()) == (talk.mock.billed, talk.mock.leaks)


def test_a_ticket_is_good_once_and_in_time(talk: Talk) -> None:
    ticket, late = talk.ticket(), talk.ticket()
    assert [200, 403] == [talk.put(ticket).status_code for _ in range(2)]
    talk.mock.clock.advance(121)
    assert (403, "The ticket has expired.\n") == ((answer := talk.put(late)).status_code, answer.text)
    assert 1 == len(talk.mock.uploads)


@pytest.mark.parametrize("header", ["x-magnific-api-key", "x-freepik-api-key", "authorization", "x-something"])
def test_a_key_at_the_address_of_a_ticket_is_a_leak(talk: Talk, header: str) -> None:
    ticket = talk.ticket()
    assert 403 == talk.put(ticket, **{header: "test"}).status_code
    assert 403 == talk.call("GET", ticket["asset_url"], headers={header: "test"}).status_code
    assert [("PUT", header), ("GET", header)] == [(leak.method, leak.header) for leak in talk.mock.leaks]
    assert ticket["asset_url"] == talk.mock.leaks[0].url
    assert () == talk.mock.uploads
    talk.mock.reset()
    assert () == talk.mock.leaks


@pytest.mark.parametrize(
    ("spoil", "status"),
    [
        (lambda ticket: ticket["headers"].clear(), 403),
        (lambda ticket: ticket["headers"].popitem(), 403),
        (lambda ticket: ticket["headers"].update({"content-type": "image/jpeg"}), 403),
        (lambda ticket: ticket["headers"].update({"x-more": "1"}), 403),
        (lambda ticket: ticket.update(upload_url=ticket["upload_url"][:-1]), 403),
        (lambda ticket: ticket.update(upload_url=ticket["upload_url"] + "&more=1"), 403),
        (lambda ticket: ticket.update(upload_url=ticket["asset_url"]), 403),
        (lambda ticket: ticket.update(upload_url=ticket["asset_url"] + "x"), 404),
    ],
)
def test_a_ticket_is_taken_exactly_as_it_was_given(
    talk: Talk, spoil: Callable[[dict[str, Any]], object], status: int
) -> None:
    ticket = talk.ticket()
    spoil(ticket)
    assert status == talk.put(ticket).status_code
    assert () == talk.mock.uploads


@pytest.mark.parametrize("content", [JPEG, b"", b"no picture"])
def test_what_is_put_is_of_the_type_of_its_ticket(talk: Talk, content: bytes) -> None:
    assert (400, "This is no image/png.\n") == ((answer := talk.put(talk.ticket(), content)).status_code, answer.text)
    assert () == talk.mock.uploads


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "files"),
        ({"files": []}, "files"),
        ({"files": [{}]}, "files[0].content_type"),
        ({"files": [{"content_type": "image/gif"}]}, "files"),
        ({"files": [{"content_type": "png"}]}, "files"),
        ({"files": [{"content_type": 5}]}, "files[0].content_type"),
        ({"files": [{"content_type": "image/png", "more": 1}]}, "files"),
        ({"files": [{"content_type": "image/png"}] * 2}, "files"),
        ({"files": [{"content_type": "image/png"}], "more": 1}, "files"),
    ],
)
def test_a_wish_for_anything_but_one_ticket_is_refused(talk: Talk, body: dict[str, Any], field: str) -> None:
    answer = talk.call("POST", TICKET, json=body, headers=KEY)
    assert 400 == answer.status_code
    assert [field] == [each["name"] for each in answer.json()["invalid_params"]]


@pytest.mark.parametrize("body", [b"", b"{", b"[]"])
def test_a_ticket_is_asked_for_in_json(talk: Talk, body: bytes) -> None:
    assert 400 == talk.call("POST", TICKET, content=body, headers=KEY).status_code


def test_addresses_are_only_for_what_they_are_for(talk: Talk) -> None:
    form, ticket = talk.form(PNG).json()["url"], talk.ticket()
    assert ("GET, HEAD", 405) == ((answer := talk.call("PUT", form)).headers["allow"], answer.status_code)
    answer = talk.call("POST", ticket["asset_url"])
    assert ("GET, HEAD, PUT", 405) == (answer.headers["allow"], answer.status_code)
    assert 404 == talk.call("GET", f"{UPLOADS}none/x.png").status_code
    answer = talk.call("GET", FORM, headers=BEARER)
    assert ("POST", 405) == (answer.headers["allow"], answer.status_code)


# What is drawn from it.


def submitted(talk: Talk, url: str) -> httpx.Response:
    return talk.call("POST", KONTEXT, json={"prompt": "at night", "seed": 1, "input_image": url}, headers=KEY)


def drawn(talk: Talk, url: str) -> bytes:
    task = submitted(talk, url).json()["data"]["task_id"]
    (link,) = talk.call("GET", f"{KONTEXT}/{task}", headers=KEY).json()["data"]["generated"]
    return talk.call("GET", link).content


def test_an_image_is_drawn_from_what_was_uploaded(talk: Talk) -> None:
    red, blue = (picture(colour) for colour in ("red", "blue"))
    addresses = []
    for content in (red, blue, red):
        ticket = talk.ticket()
        talk.put(ticket, content)
        addresses.append(ticket["asset_url"])
    first, second, third = (drawn(talk, url) for url in addresses)
    assert first == third != second
    assert 3 == talk.mock.billed


def picture(colour: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(out, "PNG")
    return out.getvalue()


def test_a_task_keeps_what_it_is_drawn_from(talk: Talk) -> None:
    talk.put(ticket := talk.ticket(), picture("red"))
    task = submitted(talk, ticket["asset_url"]).json()["data"]["task_id"]
    talk.mock.clock.advance(2 * DAY)
    assert "COMPLETED" == talk.call("GET", f"{KONTEXT}/{task}", headers=KEY).json()["data"]["status"]
    assert (picture("red"),) == talk.mock._works.tasks[task].references


def test_an_upload_that_is_not_there_is_a_bad_parameter(talk: Talk) -> None:
    talk.put(expired := talk.ticket())
    talk.mock.clock.advance(DAY + 1)
    for url in (expired["asset_url"], talk.ticket()["asset_url"], f"{talk.url}{UPLOADS}none/x.png"):
        answer = submitted(talk, url)
        assert 400 == answer.status_code
        assert ["input_image"] == [each["name"] for each in answer.json()["invalid_params"]]
    assert 0 == talk.mock.billed


@pytest.mark.parametrize(
    "url",
    [
        "https://www.example.com/photo.png",
        "https://www.example.com?/__mock__/uploads/x/y.png",
        "https://www.example.com/x#/__mock__/uploads/x/y.png",
        "http://[::1",
        "http://a\n://b/__mock__/uploads/x/y.png",
    ],
)
def test_addresses_of_others_are_taken(talk: Talk, url: str) -> None:
    assert 200 == submitted(talk, url).status_code
    assert 1 == talk.mock.billed


def test_a_mock_that_was_reset_has_forgotten_uploads_and_gives_the_same_addresses_again(talk: Talk) -> None:
    first = talk.form(PNG).json()
    talk.mock.reset()
    assert () == talk.mock.uploads
    assert 404 == talk.call("GET", first["url"]).status_code
    assert first == talk.form(PNG).json()


# Memory.


def test_the_oldest_uploads_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    mock = MockService(PROVIDERS)
    mock._works.uploads = Uploads(0, most=3 * len(PNG))
    with httpx.Client(transport=mock.transport()) as http:
        talk = Talk(mock, http, "http://127.0.0.1")
        urls = [talk.form(PNG).json()["url"] for _ in range(4)]
        assert [404, 200, 200, 200] == [talk.call("GET", url).status_code for url in urls]
        monkeypatch.setattr(uploads, "MOST_UPLOADS", 2)
        tickets = [talk.ticket() for _ in range(3)]
        assert [404, 200, 200] == [talk.put(ticket).status_code for ticket in tickets]
    assert 2 == len(mock.uploads)


# Everywhere else, which only a client in process meets.


@pytest.fixture
def inner() -> Iterator[Talk]:
    mock = MockService(PROVIDERS)
    with httpx.Client(transport=mock.transport()) as http:
        yield Talk(mock, http, "http://127.0.0.1")


@pytest.mark.parametrize(
    ("path", "kind"),
    [("a.png", "PNG"), ("b.JPG", "JPEG"), ("c.webp?w=1", "WEBP"), ("d.gif", "GIF"), ("e", "PNG"), ("f.pdf", "PNG")],
)
def test_a_picture_lies_at_every_other_address(inner: Talk, path: str, kind: str) -> None:
    first, again = (inner.call("GET", f"https://www.example.com/{path}") for _ in range(2))
    with Image.open(io.BytesIO(first.content)) as image:
        image.load()
        assert (kind, (320, 240)) == (image.format, image.size)
    assert Image.MIME[kind] == first.headers["content-type"]
    assert first.content == again.content != inner.call("GET", f"https://www.example.org/{path}").content
    assert (200, b"") == ((shown := inner.call("HEAD", f"https://www.example.com/{path}")).status_code, shown.content)
    assert (0, ()) == (inner.mock.billed, inner.mock.leaks)
    assert f"https://www.example.com/{path.partition('?')[0]}" == inner.mock.exchanges[0].path


def test_pictures_elsewhere_can_only_be_fetched(inner: Talk) -> None:
    assert 405 == inner.call("POST", "https://www.example.com/a.png", json={}).status_code


@pytest.mark.parametrize("header", [KEY, BEARER, {"x-whatever": "test"}, {"authorization": "Basic eA=="}])
def test_a_key_that_is_sent_elsewhere_is_a_leak(inner: Talk, header: dict[str, str]) -> None:
    for method, url in (("GET", "https://www.example.com/a.png"), ("POST", f"https://api.magnific.com{KONTEXT}")):
        assert 403 == inner.call(method, url, headers=header).status_code
    assert [
        ("GET", "https://www.example.com/a.png", *header, EPOCH),
        ("POST", f"https://api.magnific.com{KONTEXT}", *header, EPOCH),
    ] == [attrs.astuple(leak) for leak in inner.mock.leaks]


def test_leaks_that_are_remembered_are_bounded(inner: Talk) -> None:
    for number in range(MOST_LEAKS + 1):
        inner.call("GET", f"https://www.example.com/{number}", headers=KEY)
    assert MOST_LEAKS == len(inner.mock.leaks)
    assert "https://www.example.com/1" == inner.mock.leaks[0].url


@pytest.mark.parametrize("url", ["http://localhost", "http://127.0.0.2:81", "http://[::1]:4010"])
def test_this_machine_is_the_mock_itself(inner: Talk, url: str) -> None:
    assert 401 == inner.call("POST", f"{url}{KONTEXT}", json={}).status_code


# Forms.


def test_a_form_is_read_part_by_part() -> None:
    body = (
        b"preamble\r\n--a b\r\n"
        b'Content-Disposition: form-data; name="text"\r\n\r\n--a bc\r\n\r\r\n'
        b"--a b\r\nContent-Type: image/png; x=y\r\n"
        b'content-disposition: form-data; name="file"; filename="a \\"b\\".png"\r\n\r\n\r\n--a b--\r\n'
    ).removeprefix(b"preamble\r\n")
    assert [
        ("text", None, "", b"--a bc\r\n\r"),
        ("file", 'a "b".png', "image/png", b""),
    ] == [attrs.astuple(part) for part in read_form('multipart/form-data; boundary="a b"', body)]


def test_a_form_of_too_many_parts_is_none() -> None:
    part = b'--e\r\ncontent-disposition: form-data; name="x"\r\n\r\n\r\n'
    assert MOST_PARTS == len(read_form("multipart/form-data; boundary=e", part * MOST_PARTS + b"--e--\r\n"))
    with pytest.raises(ValueError, match="more than 16 parts"):
        read_form("multipart/form-data; boundary=e", part * (MOST_PARTS + 1) + b"--e--\r\n")


@pytest.mark.parametrize(
    "disposition", [b"", b"content-disposition: attachment; name=x\r\n", b"content-disposition: form-data\r\n"]
)
def test_a_part_without_the_name_of_its_field_is_none(disposition: bytes) -> None:
    with pytest.raises(ValueError, match="without the name of its field"):
        read_form("multipart/form-data; boundary=e", b"--e\r\n" + disposition + b"x: y\r\n\r\n\r\n--e--\r\n")


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)
def test_a_mock_without_samples_uploads_all_the_same(provider: Provider) -> None:
    mock = MockService([attrs.evolve(provider, samples=None)])
    with httpx.Client(transport=mock.transport()) as http:
        talk = Talk(mock, http, "http://127.0.0.1")
        if provider is APIMART:
            assert PNG == talk.call("GET", talk.form(PNG).json()["url"]).content
        else:
            key = {provider.key.header: mock.key}
            body = json.dumps({"files": [{"content_type": "image/png"}]})
            path = f"/{provider.name}/v1/ai/uploads/request-url"
            (ticket,) = talk.call("POST", path, content=body, headers=key).json()["files"]
            assert 120 == ticket["expires_in"]
            assert 200 == talk.put(ticket).status_code
            assert PNG == talk.call("GET", ticket["asset_url"]).content
