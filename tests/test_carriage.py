"""How plans say that references will reach a service, and which addresses they refuse. Nothing is sent."""

import json
import socket
from pathlib import Path
from typing import Any

import attrs
import pytest
from support.uploads import BY_FORM, BY_TICKET, GIF, JPEG, PNG, WEBP, WITHOUT

import fluxkit
from fluxkit import SettingsError
from fluxkit._contract.reference import Reference
from fluxkit._contract.report import Outcome
from fluxkit._contract.request import Request
from fluxkit._wire.body import Blob
from fluxkit._wire.calls import addressing, submission
from fluxkit._wire.pending import Pending
from fluxkit._wire.plan import Plan, make_plan
from fluxkit.errors import ReferenceUnusable, Unsupported
from fluxkit.provider import At, Base64, Each, Either, Form, Hosted, Provider
from fluxkit_providers.magnific import MAGNIFIC

URL = "https://images.example/cat.png?sig=a~b=="
PUBLIC = "an address at a public host"


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a plan asks nobody")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def plan(provider: Provider, *references: Any, **settings: Any) -> Plan:
    fields = {name: settings.pop(name) for name in ("n", "seed") if name in settings}
    model = next((row for row in provider.models if row.name == "flux-2-pro"), provider.models[-1])
    return make_plan(provider, model.name, Request("a cat", references=references, **fields), **settings)


def refusal(provider: Provider, *references: Any, **settings: Any) -> Unsupported:
    with pytest.raises(Unsupported) as caught:
        plan(provider, *references, **settings)
    assert "references" == caught.value.field
    return caught.value


# How each goes


def test_each_reference_goes_in_the_first_way_that_is_open(tmp_path: Path) -> None:
    (tmp_path / "sketch.png").write_bytes(PNG)
    path = tmp_path / "sketch.png"
    made = plan(MAGNIFIC, path, JPEG, URL)
    assert made.body["input_image"] == Blob(Reference.of(path))
    assert [
        f"<base64 of sketch.png, 28 bytes, sha256 {Reference.of(PNG).sha256[:12]}>",
        f"<base64 of {Reference.of(JPEG)}>",
        f"<base64 of {URL}, once it is fetched>",
    ] == [str(made.body[place]) for place in ("input_image", "input_image_2", "input_image_3")]
    assert (Pending(Reference(url=URL)),) == made.pending
    verdict = made.report["references"]
    assert (Outcome.AS_ASKED, "1, 2 sent as base64; 3 fetched first, then sent as base64") == (
        verdict.outcome,
        verdict.note,
    )
    assert (str(verdict.sent[2]), URL) == (str(made.body["input_image_3"]), str(verdict.asked[2]))


@pytest.mark.parametrize(
    ("provider", "references", "note"),
    [
        (BY_FORM, [PNG], "uploaded first, the address lives 72 h"),
        (BY_TICKET, [PNG, JPEG], "uploaded first, the address lives 24 h"),
        (BY_FORM, [URL], "sent as an address"),
        (BY_FORM, [URL, GIF, URL], "1, 3 sent as an address; 2 uploaded first, the address lives 72 h"),
        (MAGNIFIC, [PNG, WEBP], "sent as base64"),
    ],
)
def test_the_report_says_how_references_are_sent(provider: Provider, references: list[Any], note: str) -> None:
    assert f"references: as asked ({note})" in str(plan(provider, *references)).splitlines()[2].strip()


def test_an_image_for_a_service_of_addresses_stands_as_one_that_is_uploaded() -> None:
    made = plan(BY_FORM, PNG, URL)
    assert [f"<address of {Reference.of(PNG)}, once it is uploaded>", URL] == [*map(str, made.body["image_urls"])]
    assert (Pending(Reference(content=PNG)),) == made.pending


def test_a_service_that_takes_both_gets_each_as_it_is() -> None:
    row = attrs.evolve(
        BY_FORM.models[0],
        request=BY_FORM.models[0].form
        | type(BY_FORM.models[0].form)({"references": At("images", Each(Either(Base64(["png"]), Hosted())))}),
    )
    provider = attrs.evolve(BY_FORM, models=[row])
    made = plan(provider, PNG, URL, JPEG)
    assert [Blob(Reference.of(PNG)), URL, Pending(Reference.of(JPEG))] == made.body["images"]


def test_an_address_is_fetched_for_a_service_that_spells_images_in_two_ways() -> None:
    either = Either(Base64(["png"], "data:image/png;base64,"), Base64(["jpeg"], "data:image/jpeg;base64,"))
    row = attrs.evolve(
        MAGNIFIC.models[0], request=MAGNIFIC.models[0].form | Form({"references": At("images", Each(either))})
    )
    made = plan(attrs.evolve(MAGNIFIC, models=[row]), URL, PNG)
    assert [Pending(Reference(url=URL)), Blob(Reference.of(PNG), "data:image/png;base64,")] == made.body["images"]
    settled = made.settled({made.pending[0]: Reference(content=JPEG)})
    assert Blob(Reference.of(JPEG), "data:image/jpeg;base64,") == settled.body["images"][0]


def test_an_image_of_a_kind_that_a_service_does_not_take_is_no_matter_of_carriage() -> None:
    error = refusal(MAGNIFIC, GIF, hosting=lambda: True)
    assert error.allowed.endswith("each an image (jpeg, png, webp)")


def test_a_plan_with_pending_references_knows_where_it_goes_but_not_yet_its_body() -> None:
    made = plan(BY_FORM, PNG)
    assert ("https://api.apimart.ai/v1/images/generations", {"content-type": "application/json"}) == addressing(made, 0)
    with pytest.raises(TypeError, match="Pending"):
        submission(made, 0)


def test_a_settled_plan_has_what_became_of_its_references_in_every_document() -> None:
    made = plan(MAGNIFIC, URL, PNG, URL, n=3, seed=4294967295)
    settled = made.settled({made.pending[0]: Reference(content=JPEG)})
    jpeg, png = Blob(Reference(content=JPEG)), Blob(Reference(content=PNG))
    for document, seed in zip(settled.documents, (4294967295, 0, 1), strict=True):
        assert [jpeg, png, jpeg, seed] == [
            document[place] for place in ("input_image", "input_image_2", "input_image_3", "seed")
        ]
    assert ((), made.report) == (settled.pending, settled.report)
    assert (Pending(Reference(url=URL)),) == made.pending


def test_what_was_fetched_and_is_of_a_wrong_kind_is_named_before_anything_is_bought() -> None:
    made = make_plan(MAGNIFIC, "flux-2-klein", Request("a cat", references=[URL]))
    with pytest.raises(ReferenceUnusable) as caught:
        made.settled({made.pending[0]: Reference(content=WEBP)})
    assert "magnific:flux-2-klein cannot take a reference as it was fetched: Reference(webp, 32 bytes" in str(
        caught.value
    )
    assert str(caught.value).endswith(". Nothing was bought. Allowed: an image (jpeg, png).")
    assert ("magnific", "flux-2-klein", False) == (
        caught.value.provider,
        caught.value.model,
        bool(caught.value.charged),
    )


# What is refused


def test_an_image_that_nobody_hosts_is_refused() -> None:
    error = refusal(WITHOUT, PNG)
    assert "at most 8, each a public http(s) address" in error.allowed.replace("a list of ", "")
    assert "references = Reference(png, 28 bytes" in str(error)


def test_an_image_that_the_upload_does_not_take_is_refused_with_what_it_takes(tmp_path: Path) -> None:
    with (tmp_path / "large.png").open("wb") as file:
        file.write(PNG)
        file.truncate(20971521)
    large, gif = refusal(BY_FORM, PNG, tmp_path / "large.png"), refusal(BY_TICKET, GIF)
    assert ": it has 21.0 MB, too much for the service's upload.\n" in str(large)
    allowed = "a public http(s) address, or an image (jpeg, png, webp, gif) of at most 21.0 MB, which is uploaded first"
    assert large.allowed.endswith(allowed)
    assert ": the service's upload takes no gif.\n" in str(gif)
    assert gif.allowed.endswith("or an image (jpeg, png, webp), which is uploaded first")
    assert (None, 1) == (gif.setting, sum("cannot" in line for line in str(gif).splitlines()))


def test_what_the_upload_does_not_take_a_plugin_may_host() -> None:
    for provider in (BY_TICKET, WITHOUT):
        assert [Pending(Reference.of(GIF))] == plan(provider, GIF, hosting=lambda: True).body["image_urls"]


def test_plugins_are_not_loaded_for_references_that_need_no_host() -> None:
    def load() -> bool:
        raise AssertionError("no plugin is needed")

    assert plan(MAGNIFIC, PNG, URL, hosting=load).pending
    assert not plan(BY_FORM, URL, hosting=load).pending
    assert plan(BY_FORM, PNG, hosting=load).pending


HOSTILE = [
    ("https://127.0.0.1/a.png", "127.0.0.1 is no public host"),
    ("https://localhost/a.png", "localhost is no public host"),
    ("https://LOCALHOST./a.png", "localhost is no public host"),
    ("https://10.0.0.5/a.png", "10.0.0.5 is no public host"),
    ("https://192.168.1.1:8443/a.png", "192.168.1.1 is no public host"),
    ("https://169.254.169.254/latest/meta-data/", "169.254.169.254 is no public host"),
    ("https://100.64.0.1/", "100.64.0.1 is no public host"),
    ("https://0.0.0.0/", "0.0.0.0 is no public host"),
    ("https://0/", "0.0.0.0 is no public host"),
    ("https://224.0.0.1/", "224.0.0.1 is no public host"),
    ("https://2130706433/a.png", "127.0.0.1 is no public host"),
    ("https://127.1/a.png", "127.0.0.1 is no public host"),
    ("https://0x7f000001/a.png", "127.0.0.1 is no public host"),
    ("https://0x7f.1/a.png", "127.0.0.1 is no public host"),
    ("https://0177.0.0.1/a.png", "127.0.0.1 is no public host"),
    ("https://134744072/a.png", "its host is 8.8.8.8 in disguise"),
    ("https://8.8.2056/a.png", "its host is 8.8.8.8 in disguise"),
    ("https://8.8.8.8./a.png", "its host is 8.8.8.8 in disguise"),
    ("https://1.2.3.4.5/a.png", "its host ends in a number and is no IPv4 address"),
    ("https://[::1]/a.png", "::1 is no public host"),
    ("https://[::ffff:127.0.0.1]/a.png", " is no public host"),
    ("https://[::ffff:a00:5]/a.png", " is no public host"),
    ("https://[64:ff9b::7f00:1]/a.png", "64:ff9b::7f00:1 is no public host"),
    ("https://[2002:7f00:1::]/a.png", "2002:7f00:1:: is no public host"),
    ("https://[fe80::1]/a.png", "fe80::1 is no public host"),
    ("https://[fd00::1]/a.png", "fd00::1 is no public host"),
    ("https://[::]/a.png", ":: is no public host"),
    ("https://intranet/a.png", "intranet is no public host"),
    ("https://printer.local/a.png", "printer.local is no public host"),
    ("https://metadata.google.internal/", "metadata.google.internal is no public host"),
    ("https://nas.home.arpa/a.png", "nas.home.arpa is no public host"),
    ("https://app.localhost/a.png", "app.localhost is no public host"),
    ("https://user@images.example/a.png", "it holds a user name"),
    ("https://user:secret@images.example/a.png", "it holds a user name"),
    ("https://images.example\\@127.0.0.1/a.png", "it holds a user name"),
    ("https://images.example%2f@x.example/", "it holds a user name"),
    ("https://127.0.0.1%2eimages.example/", "its host is no name of letters, digits, hyphens and dots"),
    ("https://stra\u00dfe.example/", "its host is spelt with a letter that old and new software read differently"),
]


@pytest.mark.parametrize(("url", "reason"), HOSTILE)
@pytest.mark.parametrize("provider", [MAGNIFIC, BY_FORM], ids=["fetched", "passed on"])
def test_an_address_that_leads_where_nobody_should_go_is_refused(provider: Provider, url: str, reason: str) -> None:
    error = refusal(provider, PNG if provider is MAGNIFIC else URL, url)
    shown = next(line for line in str(error).splitlines() if "cannot" in line)
    assert shown.endswith(f"{reason}.")
    assert "secret" not in str(error) + repr(error.asked) + str(error.verdicts[-1].asked)
    assert PUBLIC == error.allowed
    assert bool(error.setting) is reason.endswith("no public host")


def test_every_address_that_is_refused_is_named() -> None:
    error = refusal(BY_FORM, "https://10.0.0.5/a", URL, "https://intranet/b", PNG)
    assert "10.0.0.5 is no public host; references = Reference(url='https://intranet/b'): intranet is" in str(error)
    assert error.setting is None  # no single one would let it pass
    assert 'allow_hosts = ["10.0.0.5"]' == refusal(BY_FORM, "https://10.0.0.5/a").setting


def test_a_message_names_no_more_than_a_reader_wants_to_see() -> None:
    error = refusal(BY_FORM, *(f"https://10.0.0.{number}/{'a' * 500}" for number in range(8)))
    assert max(map(len, str(error).splitlines())) < 600
    assert "10.0.0.1 is no public host; and 6 more." in str(error)


def test_http_is_the_services_own_risk_but_not_ours() -> None:
    assert ["http://images.example/a.png"] == plan(BY_FORM, "http://images.example/a.png").body["image_urls"]
    error = refusal(MAGNIFIC, "http://images.example/a.png")
    assert "it is fetched here first, and from public hosts that is done over https only" in str(error)
    assert 'allow_hosts = ["images.example"]' == error.setting


@pytest.mark.parametrize("provider", [MAGNIFIC, BY_FORM])
def test_hosts_that_are_allowed_pass_at_any_port_and_no_others(provider: Provider) -> None:
    for url in ("http://10.0.0.5:8080/a.png", "https://10.0.0.5/a.png", "http://Images.Intranet/a.png"):
        assert plan(provider, url, allow_hosts=["10.0.0.5", "images.intranet"])
    refusal(provider, "http://10.0.0.6/", allow_hosts=["10.0.0.5"])
    refusal(provider, "http://user@10.0.0.5/", allow_hosts=["10.0.0.5"])


def test_the_addresses_of_a_local_service_are_its_own_business() -> None:
    base_url = "http://127.0.0.1:8642/apimart"
    assert plan(BY_FORM, "http://127.0.0.1:8642/__mock__/files/1.png", base_url=base_url)
    for url in ("http://127.0.0.1:8643/a.png", "https://127.0.0.1:8642/a.png", "http://127.0.0.2:8642/a.png"):
        refusal(BY_FORM, url, base_url=base_url)
    refusal(BY_FORM, "http://127.0.0.1:8642/a.png", base_url="no address")


# The client's side


@pytest.mark.parametrize(
    ("given", "allowed"),
    [
        (["10.0.0.5", "Intranet", "nas.local."], {"10.0.0.5", "intranet", "nas.local"}),
        (["::1", "[fd00::1]", "2130706433"], {"::1", "fd00::1", "127.0.0.1"}),
        ((), set()),
        (None, set()),
    ],
)
def test_allowed_hosts_are_read_in_one_spelling(given: Any, allowed: set[str]) -> None:
    assert allowed == fluxkit.Client("apimart:flux-2-flex", mock=True, allow_hosts=given)._allow_hosts


@pytest.mark.parametrize(
    "given",
    ["intranet", 7, [7], ["intranet:80"], ["a:443"], ["https://a"], ["a/b"], ["u@a"], [""], ["a b"], ["*.local"]],
)
def test_what_is_no_list_of_hosts_is_refused(given: Any) -> None:
    with pytest.raises(SettingsError, match=r"^allow_hosts .*Allowed: a list of host names without a port"):
        fluxkit.Client("apimart:flux-2-flex", mock=True, allow_hosts=given)


def test_a_plan_as_json_shows_how_each_reference_goes() -> None:
    made = plan(BY_FORM, PNG, URL)
    assert {"image_urls": [f"<address of {Reference.of(PNG)}, once it is uploaded>", URL]}.items() <= json.loads(
        json.dumps(made.body, default=str)
    ).items()
