import base64
import copy
import ipaddress
import json
import pickle
import socket
import traceback
import urllib.parse
from pathlib import Path

import click.testing
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.apart import set_apart
from support.world import raised

import fluxkit
from fluxkit._engine.books import request_of
from fluxkit._engine.effects import Reply
from fluxkit._engine.secret import Secret
from fluxkit._engine.submit import veiled
from fluxkit._wire.answers import read_submit
from fluxkit._wire.link import is_public, read_link, read_origin
from fluxkit.cli.program import fluxkit as program
from fluxkit.errors import Charged, ContractError, Rejected, SettingsError, Unsupported
from fluxkit_mockserver import MockService
from fluxkit_providers.bfl import BFL

KEY = 'mg-4f"1c/9+77=ab e0'
PRINTABLE = st.characters(min_codepoint=0x21, max_codepoint=0x7E)
KEYS = st.text(PRINTABLE, min_size=16, max_size=48)
ANYTHING = st.text(max_size=40)

# Each of these means a host that is not on the public internet, however it is spelt.
PRIVATE = [
    "127.0.0.1",
    "127.1",
    "0x7f000001",
    "0X7F.1",
    "2130706433",
    "0177.0.0.1",
    "127.0.0.1.",
    "127\u30020\u30020\u30021",  # ideographic full stops
    "\uff11\uff12\uff17.0.0.1",  # digits as wide as an ideograph
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.168.1.1",
    "224.0.0.1",
    "255.255.255.255",
    "[::]",
    "[::1]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:a9fe:a9fe]",
    "[2002:7f00:1::]",  # 6to4
    "[2002:a00:1::1]",
    "[64:ff9b::7f00:1]",  # NAT64
    "[64:ff9b:1::1]",
    "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",  # Teredo
    "[fc00::1]",
    "[fe80::1]",
    "[fec0::1]",
    "[ff0e::1]",
    "localhost",
    "LOCALHOST.",
    "mock.localhost",
    "printer.local",
    "metadata.google.internal",
    "nas.home.arpa",
    "intranet",
]
PUBLIC = [
    "images.example.com",
    "8.8.8.8",
    "134744072",
    "[2606:4700::1111]",
    "[::ffff:8.8.8.8]",
    "[2002:808:808::1]",
    "[64:ff9b::808:808]",
    "b\u00fccher.example",
]


@pytest.mark.parametrize("value", ["", " " + KEY, KEY + " ", KEY + "\n", "a\nb" + KEY, "\x7f" + KEY, KEY + "\u00e9"])
def test_key_that_cannot_be_sent_is_refused_without_being_shown(value: str) -> None:
    with pytest.raises(SettingsError, match="key") as caught:
        Secret(value, "authorization", "Bearer {key}")
    assert "4f" not in str(caught.value)


def test_key_that_is_no_text_is_refused() -> None:
    with pytest.raises(SettingsError, match="The key is empty"):
        Secret(None, "authorization")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("header", "form"),
    [("x key", "{key}"), ("", "{key}"), ("x-key:", "{key}"), ("x-key", "Bearer"), ("x-key", "{key}\nx: y")],
)
def test_header_that_cannot_carry_the_key_is_refused(header: str, form: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Secret(KEY, header, form)
    assert KEY not in str(caught.value)


def test_key_shows_in_no_text_of_its_secret() -> None:
    secret = Secret(KEY, "X-Key", "Bearer {key}")
    assert "<the key for the header x-key>" == repr(secret) == str(secret) == f"{secret}"


@pytest.mark.parametrize("duplicate", [pickle.dumps, copy.copy, copy.deepcopy])
def test_secret_is_neither_pickled_nor_copied(duplicate: object) -> None:
    with pytest.raises(TypeError, match="read it from its setting") as caught:
        duplicate(Secret(KEY, "x-key"))  # type: ignore[operator]
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "spelt",
    [
        KEY,
        KEY.upper(),
        f"Bearer {KEY}",
        urllib.parse.quote(KEY),
        urllib.parse.quote(KEY, safe="").lower(),
        urllib.parse.quote_plus(KEY),
        json.dumps({"key": KEY}),
        repr("'" + KEY),
        base64.b64encode(KEY.encode()).decode(),
        base64.b64encode(KEY.encode()).decode().rstrip("="),
        base64.urlsafe_b64encode(KEY.encode()).decode(),
    ],
)
def test_key_is_redacted_however_it_is_spelt(spelt: str) -> None:
    redacted = Secret(KEY, "x-key").redact(f"the service said {spelt}, twice: {spelt}")
    assert 2 == redacted.count("<key>")
    assert "4f" not in redacted.lower()
    assert "NGY" not in redacted


def test_short_key_does_not_redact_every_few_letters_of_base64() -> None:
    secret = Secret("abcd", "x-key")
    assert "FhYmNkYmNkY" == secret.redact("FhYmNkYmNkY")
    assert "<key>" == secret.redact("YWJjZA==")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("the latest contest, tested", "the latest contest, tested"),
        ("no such key: test", "no such key: <key>"),
        ('{"key": "test", "to": "https://a.example/latest?key=test&x=attest"}', None),
        ("https%3A%2F%2Fa%2Ftest%20b", "https%3A%2F%2Fa%2F<key>%20b"),
        (r"a line\ntest\u000atest", r"a line\n<key>\u000a<key>"),
        ("Bearer TEST", "Bearer <key>"),
        (base64.b64encode(b"test").decode(), "<key>"),
    ],
)
def test_key_of_a_mock_is_redacted_as_a_word_and_no_part_of_others(said: str, shown: str | None) -> None:
    if shown is None:
        shown = said.replace('"test"', '"<key>"').replace("=test&", "=<key>&")
    secret = Secret("test", "x-key")
    assert shown == secret.redact(said)
    assert shown.encode() == secret.blot(said.encode(), refusal=True)


@given(
    key=st.text(PRINTABLE, min_size=1, max_size=7),
    before=st.sampled_from(["", " ", "/", '"', "=", "%2F", "\\n", "\\u000a", "\u00e9"]),
    after=st.sampled_from(["", " ", "/", '"', "&", "%2F", "\\n", "."]),
)
def test_short_key_does_not_survive_where_it_is_a_word(key: str, before: str, after: str) -> None:
    assert "<key>" in Secret(key, "x-key").redact(f"{before}{key}{after}")


@given(key=KEYS, before=ANYTHING, after=ANYTHING)
def test_key_does_not_survive_redaction(key: str, before: str, after: str) -> None:
    text = before + key + after
    redacted = Secret(key, "x-key").redact(text)
    assert key not in redacted
    assert "<key>" in redacted


@given(key=KEYS, before=ANYTHING, after=ANYTHING)
def test_key_does_not_survive_in_the_body_of_a_refusal(key: str, before: str, after: str) -> None:
    text = before + key + after
    for spelt in text.encode("utf-8", "surrogatepass"), json.dumps(text).encode():
        for body in spelt, spelt.upper(), spelt.swapcase():
            blotted = Secret(key, "x-key").blot(body, refusal=True)
            assert key.lower().encode() not in blotted.lower()
            assert b"<key>" in blotted


def test_letter_of_the_key_that_is_no_ascii_in_another_case_is_redacted() -> None:
    assert "no <key> here" == Secret("kkkk", "x-key").redact("no KK\N{KELVIN SIGN}k here")


@given(key=KEYS, before=st.binary(max_size=20), after=st.binary(max_size=20))
def test_key_does_not_survive_within_longer_base64(key: str, before: bytes, after: bytes) -> None:
    for encode in base64.b64encode, base64.urlsafe_b64encode:
        redacted = Secret(key, "x-key").redact(encode(before + key.encode() + after).decode())
        # At most two letters at each end are shared with what surrounds the key, so most of it is gone.
        assert "<key>" in redacted


@given(key=st.text("0123456789", min_size=16, max_size=48), between=st.integers(0, 120))
def test_excerpt_holds_no_part_of_a_key_that_is_cut(key: str, between: int) -> None:
    # The first key gets shorter, so that what was behind the cut comes before it.
    excerpt = Secret(key, "x-key").excerpt(key + "\u2026" * between + key + "\u2026" * 200, 60)
    assert len(excerpt) <= 60
    assert set("<key>\u2026") >= set(excerpt)


def test_excerpt_of_a_short_text_is_the_text() -> None:
    assert "status: <key>" == Secret(KEY, "x-key").excerpt(f"status: {KEY}", 2000)
    assert "x" * 2000 == Secret(KEY, "x-key").excerpt("x" * 5000, 2000)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://api.example/v1", "https://api.example"),
        ("https://api.example:443/v1", "https://api.example/"),
        ("HTTPS://API.Example/v1", "https://api.example"),
        ("https://api.example./v1", "https://api.example"),
        ("https://b\u00fccher.example/v1", "https://xn--bcher-kva.example"),
        ("https://API.EXAMPLE?x=1", "https://api.example/other/path"),
        ("http://localhost:8000/v1", "http://localhost:8000"),
        ("http://127.1:8000/v1", "http://127.0.0.1:8000"),
        ("http://[0:0::1]:8000/", "http://[::1]:8000"),
        ("http://mock:80/", "http://mock"),
    ],
)
def test_key_goes_to_its_origin_however_it_is_spelt(url: str, origin: str) -> None:
    secret = Secret(KEY, "Authorization", "Key {key}")
    origins = ["https://elsewhere.example", origin]
    assert (b"authorization", b"Key " + KEY.encode()) == secret.header_for(read_link(url), origins, buys=False)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.evil.test/",
        "https://evil.test/https://api.example/",
        "https://evil.test#@api.example/",
        "https://evil.test?@api.example/",
        "https://api.example@evil.test/",
        "https://user@api.example/",
        "https://user:password@api.example/",
        "https://evil.test\\@api.example/",
        "https://api.example:8443/",
        "https://sub.api.example/",
        "http://api.example/",
        "http://api.example:443/",
    ],
)
@pytest.mark.parametrize("buys", [True, False])
def test_key_goes_nowhere_else(url: str, buys: bool) -> None:
    with pytest.raises(ContractError, match=r"it goes to https://api\.example only") as caught:
        Secret(KEY, "x-key").header_for(read_link(url), ["https://api.example"], buys=buys)
    assert KEY not in str(caught.value)
    assert (Charged.NO if buys else Charged.UNKNOWN) is caught.value.charged


def test_key_without_origins_goes_nowhere() -> None:
    with pytest.raises(ContractError, match="no origin at all"):
        Secret(KEY, "x-key").header_for(read_link("https://api.example/"), [], buys=False)


def test_origin_that_is_no_address_is_a_wrong_setting() -> None:
    with pytest.raises(SettingsError, match="An origin that calls may go to"):
        read_origin("api.example")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "begin with"),
        ("api.example/x", "begin with"),
        ("ftp://api.example/x", "begin with"),
        ("file:///etc/passwd", "begin with"),
        (" https://api.example/", "begin with"),
        ("https://api.example/\n", "control"),
        ("https://api.example/a\tb", "control"),
        ("https://api\x00.example/", "control"),
        ("https:///x", "host"),
        ("https://./x", "host"),
        ("https://a..b/x", "host"),
        ("https://api example/", "host"),
        ("https://api%2eexample/", "host"),
        ("https://api.example\\.evil.test/", "host"),
        ("https://stra\u00dfe.example/", "read differently"),
        ("https://a\u200db.example/", "read differently"),
        ("https://\u3002/", "international"),
        ("https://1.2.3.4.5/", "IPv4"),
        ("https://api.256/", "IPv4"),
        ("https://[::1/", "host"),
        ("https://[:::1]/", "IPv6"),
        ("https://[fe80::1%25eth0]/", "host"),
        ("https://[fe80::1%eth0]/", "host"),
        ("https://api.example:x/", "host"),
        ("https://api.example:-1/", "host"),
        ("https://api.example:\u0661/", "host"),
        ("https://api.example:0/", "port"),
        ("https://api.example:65536/", "port"),
        ("https://api.example/" + "x" * 65000, "at most 65000"),
        ("https://api.example/\ud800", "surrogates"),
    ],
)
def test_address_that_cannot_be_read_in_one_way_is_refused(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_link(url)


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="#"), max_size=80))
def test_path_and_query_stay_as_they_are(target: str) -> None:
    assert f"/{target}" == read_link(f"https://api.example/{target}#fragment").target


@given(st.text(st.characters(min_codepoint=0x20, exclude_categories=["Cs", "Cc"], exclude_characters="#"), max_size=40))
def test_what_cannot_stand_on_the_wire_is_quoted_and_nothing_else(target: str) -> None:
    wire = read_link(f"https://api.example/{target}").target
    assert wire.isascii()
    assert urllib.parse.unquote(f"/{target}") == urllib.parse.unquote(wire)


def test_httpx_alone_changes_an_address_that_is_kept_here() -> None:
    target = '/a/../b?token="x"~<1>&=%7e%2F|+'
    assert target.encode() != httpx.URL("https://api.example" + target).raw_path
    assert target == read_link("https://api.example" + target).target


def test_bytes_that_are_no_utf_8_go_out_as_they_came() -> None:
    assert "/%E9%FF" == read_link("https://api.example/" + b"\xe9\xff".decode("utf-8", "surrogateescape")).target


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.example", "https://api.example/"),
        ("https://api.example?x=1", "https://api.example/?x=1"),
        ("https://api.example:443/a b?\u00e9#x", "https://api.example/a%20b?%C3%A9"),
        ("http://[::1]:80/", "http://[::1]/"),
        ("http://[::1]:8000", "http://[::1]:8000/"),
    ],
)
def test_link_is_written_as_it_goes_out(url: str, expected: str) -> None:
    assert expected == str(read_link(url))


@pytest.mark.parametrize("host", PRIVATE)
def test_private_host_is_no_public_one(host: str) -> None:
    assert not read_link(f"https://{host}/").public


@pytest.mark.parametrize("host", PUBLIC)
def test_public_host_is_public(host: str) -> None:
    assert read_link(f"https://{host}/").public


def test_standard_library_alone_calls_wrapped_addresses_global() -> None:
    wrapped = ["64:ff9b::7f00:1", "64:ff9b::a00:1", "224.0.0.1"]
    assert all(ipaddress.ip_address(address).is_global for address in wrapped)
    assert not any(is_public(address) for address in wrapped)


@given(st.ip_addresses(v=4))
def test_ipv4_address_is_judged_alike_in_every_spelling(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    public = is_public(str(address))
    assert public == (address.is_global and not address.is_multicast)
    for spelt in str(number), hex(number), f"0{number:o}", f"{number >> 24}.{number & 0xFFFFFF}":
        assert str(address) == socket.inet_ntoa(socket.inet_aton(spelt)) == read_link(f"https://{spelt}/").host
    for prefix in "::ffff:0:0", "64:ff9b::":
        assert public == is_public(str(ipaddress.IPv6Address(int(ipaddress.IPv6Address(prefix)) + number)))
    assert public == is_public(str(ipaddress.IPv6Address((0x2002 << 112) + (number << 80))))


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST.", "a.localhost", "127.0.0.9", "127.1", "[::1]", "[::ffff:7f00:1]"]
)
def test_this_machine_is_loopback(host: str) -> None:
    assert read_link(f"http://{host}/").loopback


@pytest.mark.parametrize("host", ["localhost.example", "10.0.0.1", "[fe80::1]", "loopback", "128.0.0.1"])
def test_other_machines_are_not_loopback(host: str) -> None:
    assert not read_link(f"http://{host}/").loopback


def test_what_a_service_is_told_to_sign_with_is_sent_and_shown_nowhere(tmp_path: Path) -> None:
    options = {"webhook_secret": "hush-hush"}
    with fluxkit.Client("bfl:flux-2-pro", mock=True) as client:
        plan = client.plan("a fox", webhook_url="http://127.0.0.1:1/", options=options)
        result = client.generate("a fox", to=tmp_path, options=options)
        rows = [row.to_dict() for row in client.tasks()]
        refused = raised(lambda: client.plan("a fox", options={"webhook_secret": ["hush-hush"]}), Unsupported)
    assert "hush-hush" == plan.body["webhook_secret"]
    told = (plan, plan.request, result, result.to_dict(), rows, refused, refused.asked, *plan.report)
    assert "hush-hush" not in " ".join(map(repr, (*told, str(refused))))


def test_the_clients_own_is_sent_with_what_has_a_webhook_and_kept_nowhere(tmp_path: Path) -> None:
    mock = MockService([BFL])
    with fluxkit.Client("bfl:flux-2-pro", mock=mock) as client:
        hook = {"webhook_url": "http://127.0.0.1:1/"}
        assert "webhook_secret" not in client.plan("a fox").body
        assert "mine" == client.plan("a fox", **hook, options={"webhook_secret": "mine"}).body["webhook_secret"]
        plan = client.plan("a fox", n=2, seed=1, **hook)
        assert [mock.webhook_secret] * 2 == [each["webhook_secret"] for each in plan.values]
        assert "as asked" == plan.report["webhook_secret"].outcome
        result = client.generate("a fox", to=tmp_path, **hook)
        [row] = client.tasks()
    assert [True] == ["webhook_secret" in each.fields for each in mock.exchanges if each.method == "POST"]
    told = (plan, plan.request, result, result.to_dict(), row, row.to_dict(), *plan.report, *mock.exchanges)
    assert mock.webhook_secret not in " ".join(map(repr, told))
    assert request_of(row) is not None  # it can be bought again, and is told again then
    with fluxkit.Client("magnific:flux-2-pro", mock=True) as client:
        assert "webhook_secret" not in client.plan("a fox", **hook).body


def test_a_refusal_that_quotes_it_does_not_show_it() -> None:
    client = fluxkit.Client("bfl:flux-2-pro", key="k" * 20, webhook_secret='hush "hush"')
    plan = client.plan("a fox", webhook_url="https://hooks.example/")
    quoted = {"detail": [{"type": "missing", "loc": ["body"], "msg": 'hush "hush" is none', "input": plan.body}]}
    reply = veiled(plan, Reply(422, {}, quoted, json.dumps(quoted), 0.0))
    error = raised(lambda: read_submit(plan, reply), Rejected)
    assert ["<secret> is none"] == [said for _, said in error.fields]
    assert "hush" not in f"{error!r} {vars(error)!r}"
    assert reply is veiled(client.plan("a fox"), reply)


def test_the_command_shows_a_plan_without_that_of_the_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hook = 'webhook_url = "https://hooks.example/"\nwebhook_secret = "hush-hush"'
    (tmp_path / "user.toml").write_text(f'default = "a"\n[profiles.a]\nprovider = "bfl:flux-2-pro"\n{hook}\n')
    set_apart(monkeypatch, tmp_path, FLUXKIT_CONFIG=str(tmp_path / "user.toml"))
    done = click.testing.CliRunner().invoke(program, ["plan", "a fox", "--json"])
    body = json.loads(done.stdout)["body"]
    assert ("<not shown>", False) == (body["webhook_secret"], "hush-hush" in done.output)
    client = fluxkit.Client.from_settings(key="k" * 20)
    assert {**body, "webhook_secret": "hush-hush"} == client.plan("a fox").body


def test_the_command_shows_a_plan_without_it() -> None:
    for how in ([], ["--json"]):
        arguments = ["plan", "a fox", "-p", "bfl:flux-2-pro", "--option", "webhook_secret=hush-hush", *how]
        done = click.testing.CliRunner().invoke(program, arguments)
        assert (0, True, False) == (done.exit_code, "<not shown>" in done.stdout, "hush-hush" in done.output)


def test_a_key_that_is_refused_has_a_repr_for_those_who_report_errors() -> None:
    with pytest.raises(SettingsError) as caught:
        Secret("a\nb", "x-key")
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert "self = <the key for the header x-key>" in "".join(frames.format())
