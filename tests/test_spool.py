"""What was paid is not overwritten: by another image, by another task of the same name, by a second link."""

import json
from pathlib import Path

import pytest
from support.rawserver import Heard, RawServer, answering, http

import fluxkit
from fluxkit._engine.clock import SystemClock
from fluxkit._engine.secret import Secret
from fluxkit_mockserver.pictures import draw

KLEIN = "magnific:flux-2-klein"


def picture(prompt: str) -> bytes:
    return draw(64, 64, prompt=prompt, seed=1)


def service(images: dict[str, bytes], polls: list[list[str]]) -> RawServer:
    """A service whose task is done at once; poll after poll it names these images."""

    def script(heard: Heard) -> bytes:
        if heard.method == "POST":
            return http(200, b'{"data":{"task_id":"t1","status":"CREATED"}}')
        if heard.target in images:
            return http(200, images[heard.target], Content_Type="image/png")
        if heard.target.startswith("/v1/"):
            named = polls.pop(0) if len(polls) > 1 else polls[0]
            links = [f"http://{heard.headers['host']}{path}" for path in named]
            return http(
                200, json.dumps({"data": {"task_id": "t1", "status": "COMPLETED", "generated": links}}).encode()
            )
        return http(503, b"")

    return RawServer(answering(script))


def generate(server: RawServer, **settings: Path) -> fluxkit.Result:
    with (
        pytest.warns(fluxkit.DeliveryWarning),
        fluxkit.Client(KLEIN, key="k-0123456789abcdef", base_url=server.url, spool=settings.get("spool")) as client,
    ):
        return client.generate("a fox", to=settings.get("to"), timeout=3)


def test_two_mocked_clients_do_not_share_a_file() -> None:
    fox = fluxkit.Client(KLEIN, mock=True).generate("a fox").images[0]
    cat = fluxkit.Client(KLEIN, mock=True).generate("a cat in snow").images[0]
    assert fox.path != cat.path
    assert picture("a") != fox.bytes() != cat.bytes()


@pytest.mark.slow
def test_a_task_of_the_same_name_elsewhere_takes_the_next_free_name(tmp_path: Path) -> None:
    with service({"/a": picture("one")}, [["/a"]]) as here, service({"/a": picture("two")}, [["/a"]]) as there:
        one, two = generate(here, spool=tmp_path).images[0], generate(there, spool=tmp_path).images[0]
    assert [picture("one"), picture("two")] == [one.bytes(), two.bytes()]
    assert ["magnific_t1.png", "magnific_t1~2.png"] == sorted(path.name for path in tmp_path.iterdir())


@pytest.mark.slow
def test_a_second_link_to_an_image_touches_no_file_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "fox+2.png").write_bytes(b"mine")
    with service({"/a": picture("one"), "/b": picture("one")}, [["/a", "/b"]]) as server:
        result = generate(server, to=tmp_path / "fox.png")
    assert [tmp_path / "fox.png"] == [image.path for image in result.images]
    assert b"mine" == (tmp_path / "fox+2.png").read_bytes()
    assert 2 == len(list(tmp_path.iterdir()))


@pytest.mark.slow
def test_an_image_that_a_later_answer_no_longer_names_is_missed(tmp_path: Path) -> None:
    with service({"/a": picture("one"), "/a2": picture("one")}, [["/a", "/lost"], ["/a2"]]) as server:
        result = generate(server, to=tmp_path / "fox.png")
    assert 1 == len(result.images)
    assert [fluxkit.DownloadError] == [type(error) for error in result.errors]


def test_a_file_that_the_user_named_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "fox.png").write_bytes(b"old")
    with service({"/a": picture("one")}, [["/a"]]) as server:
        result = generate(server, to=tmp_path / "fox.png")
    assert picture("one") == result.images[0].bytes()


@pytest.mark.parametrize("to", ["/proc/nope/x.png", "a\0b.png", "x" * 300, "/dev/null/"])
def test_a_place_that_cannot_be_is_refused_before_anything_is_bought(to: str, tmp_path: Path) -> None:
    with service({}, [[]]) as server, fluxkit.Client(KLEIN, key="k" * 20, base_url=server.url) as client:
        with pytest.raises(fluxkit.SettingsError, match="Nothing was sent"):
            client.generate("a fox", to=to)
        assert [] == server.heard


def test_an_image_is_saved_under_its_own_name_without_harm() -> None:
    image = fluxkit.Client(KLEIN, mock=True).generate("a fox").images[0]
    assert image.path is not None
    before = image.bytes()
    assert image.path == image.save(image.path)
    assert before == image.bytes()


def test_a_number_in_a_name_is_no_suffix(tmp_path: Path) -> None:
    image = fluxkit.Client(KLEIN, mock=True).generate("a fox", to=tmp_path / "v1.5").images[0]
    assert tmp_path / "v1.5.jpg" == image.path
    assert tmp_path / "v2.5.jpg" == image.save(tmp_path / "v2.5")


def test_setting_the_wall_clock_moves_no_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SystemClock()
    before = clock.now()
    monkeypatch.setattr("time.time", lambda: 0.0)
    assert 0 <= clock.now() - before < 1


@pytest.mark.parametrize("escape", ["/", "+", "="])
def test_a_key_that_is_escaped_in_json_is_blotted(escape: str) -> None:
    key = "Ab3/dEf+ghIjklMnop/qrs=="
    secret = Secret(key, "x-key")
    for written in (f"\\{escape}", f"\\u00{ord(escape):02x}", f"\\u00{ord(escape):02X}"):
        body = json.dumps(f"no {key} here").replace(escape, written).encode()
        assert b'"no <key> here"' == secret.blot(body, refusal=True)


def test_a_request_id_that_quotes_the_key_is_redacted() -> None:
    key = "k-0123456789abcdef"
    refusal = http(401, b'{"error":{"message":"no","type":"x"}}', X_Oneapi_Request_Id=f"req-{key}")
    with (
        RawServer(answering(refusal)) as server,
        fluxkit.Client("apimart:flux-2-flex", key=key, base_url=server.url) as client,
        pytest.raises(fluxkit.Unauthorized) as raised,
    ):
        client.generate("a fox")
    assert "req-<key>" == raised.value.request_id
