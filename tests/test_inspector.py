"""The inspector, in a browser: what is seen of a mock, what can be done to it, and who can use the page."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest

import fluxkit
from fluxkit_mockserver import inspector
from fluxkit_mockserver.answer import Incoming
from fluxkit_mockserver.clock import WallClock
from fluxkit_mockserver.faults import FAULTS
from fluxkit_mockserver.fixture import FluxkitMock
from fluxkit_mockserver.server import Server
from fluxkit_mockserver.service import MockService
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.bfl import BFL
from fluxkit_providers.magnific import MAGNIFIC

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Locator, LocatorAssertions, Page

SERVICES = (MAGNIFIC, APIMART, BFL)
KLEIN = "/magnific/v1/ai/text-to-image/flux-2-klein"
KEY = {"x-magnific-api-key": "test"}
HOSTILE = '<img src=x onerror="window.struck=1"><script>window.struck=1</script>&amp; "quoted" \u202e back'
VIEWS = ("tasks", "exchanges", "faults", "bill", "mock")
RING = "[document.activeElement].every(it => it === document.body || getComputedStyle(it).outlineStyle !== 'none')"
TOKEN = "a-token-of-length"

#: What a page may take in all on the slowest machine, in milliseconds.
PATIENCE = 20_000


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with Server(MockService(SERVICES, clock=WallClock(), progression="at once")) as server:
        yield server


@pytest.fixture
def mock(running: Server) -> MockService:
    for name in running.service.namespaces:
        running.service.drop_namespace(name)
    running.service.reset()
    running.service.progression = "at once"  # type: ignore[assignment]  # it reads the word
    running.service.clock.thaw(1.0)
    return running.service


@pytest.fixture
def web(running: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.url, trust_env=False) as client:
        yield client


def submit(web: httpx.Client, prompt: str = "a fox", path: str = KLEIN, **fields: Any) -> str:
    return str(web.post(path, json={"prompt": prompt, **fields}, headers=KEY).json()["data"]["task_id"])


def look(web: httpx.Client, task: str, path: str = KLEIN) -> str:
    """Polls a task and fetches its image."""
    link = web.get(f"{path}/{task}", headers=KEY).json()["data"]["generated"][0]
    assert 200 == web.get(link).status_code
    return task


# The files.


def test_a_browser_is_given_the_page_and_a_program_plain_text(web: httpx.Client, mock: MockService) -> None:
    page = web.get("/__mock__/", headers={"accept": "text/html,*/*"})
    assert ("text/html; charset=utf-8", True) == (page.headers["content-type"], "mock inspector" in page.text)
    plain = web.get("/__mock__/")
    assert ("text/plain; charset=utf-8", True) == (plain.headers["content-type"], "/__mock__/" in plain.text)
    assert page.content == web.get("/@a/__mock__/", headers={"accept": "text/html"}).content
    for typed in ("/__mock__", "/@a/__mock__"):
        led = web.get(typed, follow_redirects=True, headers={"accept": "text/html"})
        assert (f"{typed}/", page.content) == (led.url.path, led.content)
    assert 404 == web.post("/__mock__/inspector/app.js").status_code
    assert 404 == web.get("/__mock__/inspector/__init__.py").status_code
    assert 404 == web.get("/__mock__/inspector/../answer.py").status_code


def test_each_file_comes_with_its_type_and_a_policy_that_lets_nothing_in(web: httpx.Client) -> None:
    names = [*inspector._files()]
    assert {".html", ".js", ".css", ".svg"} == {name[name.rindex(".") :] for name in names}
    for name in names:
        answer = web.get(f"/__mock__/inspector/{name}")
        policy = answer.headers["content-security-policy"].split("; ")
        assert ("default-src 'none'", "script-src 'self'", "style-src 'self'") == tuple(policy[:3])
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert ("nosniff", "no-referrer") == tuple(
            answer.headers[each] for each in ("x-content-type-options", "referrer-policy")
        )
        again = web.get(f"/__mock__/inspector/{name}", headers={"if-none-match": answer.headers["etag"]})
        assert (304, b"") == (again.status_code, again.content)
    assert web.head("/__mock__/inspector/app.js").headers["content-type"] == "text/javascript; charset=utf-8"


def test_the_files_name_no_other_origin_and_no_code_stands_in_the_page() -> None:
    for name, (content, _) in inspector._files().items():
        text = content.decode().replace("http://www.w3.org/2000/svg", "")
        assert [] == re.findall(r"https?://[\w.]+", text), name
        assert [] == re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)
        if name.endswith(".html"):
            assert [] == re.findall(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=", text)


def test_without_its_token_there_is_the_page_and_nothing_else() -> None:
    with Server(MockService(SERVICES), token=TOKEN) as server, httpx.Client(trust_env=False) as web:
        assert 200 == web.get(f"{server.url}/__mock__/", headers={"accept": "text/html"}).status_code
        assert 200 == web.get(f"{server.url}/__mock__/inspector/app.js").status_code
        assert 401 == web.get(f"{server.url}/__mock__/tasks").status_code


def test_only_reading_is_for_a_page() -> None:
    call = Incoming("POST", "/__mock__/", {}, {"accept": "text/html"}, b"", "http://127.0.0.1")
    assert inspector.page_of(call) is None


# In a browser.


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None and not os.environ.get("CI"):
        pytest.skip("it needs chromium; where CI is set it is wanted")
    assert chromium, "It needs chromium on PATH (Debian: apt install chromium), because CI is set."
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield launched
        launched.close()


@pytest.fixture
def context(browser: "Browser") -> Iterator["BrowserContext"]:
    made = browser.new_context(
        viewport={"width": 1280, "height": 800},
        permissions=["clipboard-read", "clipboard-write"],
        reduced_motion="reduce",
    )
    made.set_default_timeout(PATIENCE)
    yield made
    made.close()


Opener = Callable[..., "Page"]


@pytest.fixture
def opened(context: "BrowserContext", running: Server, mock: MockService) -> Iterator[Opener]:
    """Opens the page; whatever it complains of when the test is over fails it."""
    wrong: list[str] = []

    def open_page(path: str = "/__mock__/", *, url: str = running.url, expect: str = "live") -> "Page":
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if "Content Security" in said.text else None)
        page.goto(url + path)
        sees(page.locator("#live-word")).to_have_text(expect)
        if expect == "live":
            sees(page.locator("#told")).not_to_have_text("Loading")
        return page

    yield open_page
    assert [] == wrong


def sees(locator: "Locator") -> "LocatorAssertions":
    from playwright.sync_api import expect

    expect.set_options(timeout=PATIENCE)
    return expect(locator)


def copied(page: "Page") -> str:
    sees(page.locator("#toast")).to_have_text(re.compile("^Copied"))
    return str(page.evaluate("navigator.clipboard.readText()"))


@pytest.mark.slow
def test_a_task_is_seen_as_it_happens_with_all_that_happened_to_it(
    opened: Opener, mock: MockService, web: httpx.Client, running: Server
) -> None:
    page = opened()
    page.get_by_role("heading", name="Nothing has come yet").wait_for()
    mock.fault("poll-503", times=1)
    task = submit(web, "a fox in the snow", webhook_url=f"{running.url}/hook")
    assert 503 == web.get(f"{KLEIN}/{task}", headers=KEY).status_code
    look(web, task)
    row = page.locator(".row", has_text="a fox in the snow")
    row.click()
    page.get_by_role("heading", name="a fox in the snow").wait_for()
    sees(page.locator(".picture img")).to_have_js_property("naturalWidth", 1024)
    page.locator(".event.webhook").wait_for()
    sees(page.locator(".event", has_text="/images/")).to_have_count(1)
    told = [re.sub(r"\s+", " ", each) for each in page.locator(".event").all_inner_texts()]
    kinds = page.locator(".event").evaluate_all("all => all.map(each => each.className.split(' ')[1])")
    assert ["exchange", "accepted", "bill"] == kinds[:3]
    assert {"webhook", "exchange"} <= set(kinds[3:])
    assert [1, 1, 1] == [sum(part in each for each in told) for part in ("POST /magnific", "/images/", "price unknown")]
    page.locator(".event.exchange summary").first.click()
    sees(page.locator(".event.exchange").first).to_contain_text('"prompt": "a fox in the snow"')
    sees(page.locator(".event.exchange").first).to_contain_text(f'"task_id": "{task}"')
    assert "GET /magnific/v1/ai/text-to-image/flux-2-klein/… 503 poll-503" in " ".join(told)
    page.locator(".event.webhook summary").first.click()
    sees(page.locator(".event.webhook").first).to_contain_text('"status"')
    web.get(f"{KLEIN}/{task}", headers=KEY)  # seen in the open timeline, which stays as it is
    page.locator(".facts div", has_text="polls").get_by_text("3", exact=True).wait_for()
    assert page.locator(".event.exchange details").first.evaluate("each => each.open")
    assert "1" == page.locator("#count-tasks").inner_text()


@pytest.mark.slow
def test_what_came_is_text_and_nothing_of_it_is_run(opened: Opener, web: httpx.Client) -> None:
    task = look(web, submit(web, HOSTILE))
    web.post(f"{KLEIN}?{HOSTILE}", json={HOSTILE: HOSTILE}, headers=KEY)
    page = opened(f"/__mock__/#/tasks/{task}")
    heading = page.locator(".detail h2")
    heading.wait_for()
    assert HOSTILE == heading.text_content()
    page.locator(".event.exchange summary").first.click()
    page.keyboard.press("2")
    for row in page.locator(".row").all():
        row.click()
        page.locator(".exchange .sides").wait_for()
    assert page.evaluate("window.struck === undefined && !document.querySelector('img[src=x]')")
    assert page.evaluate("[...document.images].every(each => new URL(each.src).origin === location.origin)")


@pytest.mark.slow
def test_the_list_is_filtered_by_text_provider_and_state(opened: Opener, mock: MockService, web: httpx.Client) -> None:
    mock.fault("fail", task=2)
    for prompt in ("a red fox", "a blue whale", "a red kite"):
        web.get(f"{KLEIN}/{submit(web, prompt)}", headers=KEY)
    web.post(
        "/apimart/v1/images/generations",
        json={"model": "flux-2-pro", "prompt": "a red car"},
        headers={"authorization": "Bearer test"},
    )
    page = opened()
    titles = lambda: page.locator(".row .title").all_inner_texts()  # noqa: E731
    assert ["a red car", "a red kite", "a blue whale", "a red fox"] == titles()
    page.keyboard.press("/")
    page.keyboard.type("red kite")
    page.get_by_text("1 of 4 tasks").wait_for()
    sees(page.locator(".row")).to_have_count(1)
    assert ["a red kite"] == titles()
    page.keyboard.press("Escape")
    page.get_by_text("4 tasks", exact=True).wait_for()
    page.get_by_label("Provider", exact=True).select_option("apimart")
    sees(page.locator(".row")).to_have_count(1)
    assert ["a red car"] == titles()
    page.get_by_label("Provider", exact=True).select_option("")
    page.get_by_label("Status", exact=True).select_option("FAILED")
    sees(page.locator(".row")).to_have_count(1)
    assert ["a blue whale"] == titles()
    page.get_by_label("Status", exact=True).select_option("VANISHED")
    page.get_by_role("button", name="Clear the filter").click()
    page.get_by_text("4 tasks", exact=True).wait_for()
    page.keyboard.press("2")
    page.get_by_label("Status", exact=True).select_option("2")
    page.get_by_text("7 exchanges", exact=True).wait_for()


@pytest.mark.slow
def test_all_is_done_by_the_keyboard(opened: Opener, web: httpx.Client) -> None:
    for prompt in ("one", "two", "three"):
        submit(web, prompt)
    page = opened()
    chosen = lambda: page.locator(".row[aria-selected=true] .title").inner_text()  # noqa: E731
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.locator(".row[aria-selected=true]", has_text="two").wait_for()
    page.keyboard.press("Enter")
    sees(page.locator(".detail h2", has_text="two")).to_be_focused()
    page.keyboard.press("Escape")
    sees(page.locator("#list")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.locator(".row[aria-selected=true]", has_text="one").wait_for()
    assert "one" == chosen()
    active = page.locator("#list").get_attribute("aria-activedescendant")
    assert page.locator(f"[id='{active}']").get_attribute("aria-posinset") == "3"
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keyboard").wait_for()
    page.keyboard.press("Escape")
    for number, view in enumerate(VIEWS, 1):
        page.keyboard.press(str(number))
        page.locator(f".tabs a[aria-current][data-view={view}]").wait_for()
    page.keyboard.press("t")
    assert "light" == page.evaluate("document.documentElement.dataset.theme")
    page.keyboard.press("t")
    page.reload()
    assert "dark" == page.evaluate("document.documentElement.dataset.theme")
    seen = set()
    for _ in range(40):  # every control that is shown comes up, each with a visible ring
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.id || document.activeElement.className"))
        assert page.evaluate(RING)
    assert {"namespace", "freeze", "theme", "help-button"} <= seen
    page.locator("#help-button").focus()
    page.keyboard.press("1")
    page.locator(".row .title", has_text="one").wait_for()
    page.keyboard.press("j")
    page.locator(".row[aria-selected=true]").wait_for()
    page.keyboard.press("Enter")  # it opens what is chosen, and not what was pressed before
    sees(page.locator(".detail h2")).to_be_focused()
    page.keyboard.press("5")
    page.locator("#switch-filter").wait_for()
    page.keyboard.press("/")
    sees(page.locator("#switch-filter")).to_be_focused()


@pytest.mark.slow
def test_a_task_is_copied_as_a_test_that_passes_and_as_a_command(
    opened: Opener, mock: MockService, web: httpx.Client
) -> None:
    from test_copied import by_curl, run

    submit(web, HOSTILE, seed=5)
    page = opened()
    page.keyboard.press("j")
    page.locator(".detail h2").wait_for()
    page.keyboard.press("p")
    fresh = run(copied(page))
    assert isinstance(fresh, FluxkitMock)
    assert (HOSTILE, 5) == tuple(fresh.tasks[0].values[name] for name in ("prompt", "seed"))
    page.evaluate("document.getElementById('toast').textContent = ''")
    page.keyboard.press("c")
    assert 200 == by_curl(copied(page))[0]
    assert [HOSTILE, HOSTILE] == [each.values["prompt"] for each in mock.tasks]


@pytest.mark.slow
def test_where_no_page_may_copy_the_text_is_shown_to_be_copied(opened: Opener, web: httpx.Client) -> None:
    submit(web)
    page = opened()
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.locator(".row").first.click()
    page.get_by_role("button", name="Copy as pytest").first.click()
    page.get_by_role("dialog", name="Copy as pytest").wait_for()
    assert "def test_magnific_flux_2_klein(fluxkit_mock):" in page.locator("#text-area").input_value()


@pytest.mark.slow
def test_the_bill_says_what_was_bought_of_whom(opened: Opener, web: httpx.Client) -> None:
    submit(web)
    for _ in range(2):
        web.post(
            "/bfl/v1/flux-2-pro", json={"prompt": "a fox", "width": 1024, "height": 1024}, headers={"x-key": "test"}
        )
    page = opened("/__mock__/#/bill")
    page.get_by_role("cell", name="0.060 USD").first.wait_for()
    rows = page.get_by_role("table", name="By provider").get_by_role("row").all_inner_texts()[1:]
    assert ["bfl 2 0.060 USD 0", "magnific 1 price unknown 1"] == [" ".join(each.split()) for each in rows]
    assert ["3", "0.060 USD"] == page.locator(".card b").all_inner_texts()[:2]
    assert ("3", "0.060 USD") == (page.locator("#count-bill").inner_text(), page.locator("#sum-bill").inner_text())


@pytest.mark.slow
def test_the_clock_is_stopped_and_moved_and_tasks_with_it(opened: Opener, mock: MockService, web: httpx.Client) -> None:
    mock.progression = "seconds"  # type: ignore[assignment]  # it reads the word
    page = opened()
    page.get_by_role("button", name="Freeze").click()
    page.get_by_text("frozen", exact=True).wait_for()
    before = mock.clock.now()
    submit(web)
    page.locator(".row", has_text="created").wait_for()
    page.get_by_role("button", name="+1 h").click()
    page.locator(".row", has_text="completed").wait_for()
    assert before + 3600 == mock.clock.now()
    page.keyboard.press("5")
    page.get_by_label("How many seconds").fill("30")
    page.get_by_role("button", name="Advance").click()
    page.get_by_text("Time has passed").wait_for()
    assert before + 3630 == mock.clock.now()
    page.get_by_role("button", name="Start").click()
    page.get_by_text("It runs 1 times as fast").wait_for()
    assert not mock.clock.frozen


@pytest.mark.slow
def test_faults_are_armed_counted_and_disarmed(opened: Opener, mock: MockService, web: httpx.Client) -> None:
    page = opened("/__mock__/#/faults")
    page.get_by_role("button", name="Arm 503", exact=True).wait_for()
    assert len(FAULTS) == page.locator(".fault").count()
    assert all(fault.about in page.locator(".panel-faults").inner_text() for fault in FAULTS.values())
    page.get_by_label("Filter faults").fill("overloaded")
    page.get_by_label("503: how many times; empty is every time", exact=True).fill("2")
    page.get_by_label("503: how probable, in per cent", exact=True).fill("100")
    page.get_by_label("Which provider it is for").select_option("magnific")
    page.get_by_role("button", name="Arm 503", exact=True).click()
    page.get_by_text("struck 0 times · 2 left · provider magnific").wait_for()
    (armed,) = mock.faults
    assert ("503", 2, 1.0, {"provider": "magnific"}) == (armed.name, armed.times, armed.rate, armed.match)
    assert 503 == web.post(KLEIN, json={"prompt": "a fox"}, headers=KEY).status_code
    page.get_by_text("struck 1 time · 1 left").wait_for()
    page.get_by_role("button", name="Disarm 503").click()
    page.get_by_text("None is armed.").wait_for()
    assert () == mock.faults


@pytest.mark.slow
def test_the_mock_is_set_and_reset(opened: Opener, mock: MockService, web: httpx.Client) -> None:
    submit(web)
    page = opened("/__mock__/#/mock")
    page.get_by_label("What moves tasks on").select_option("polls")
    page.get_by_text("Tasks move on: polls").wait_for()
    page.get_by_label("limit: requests").fill("7")
    page.get_by_role("button", name="Set limits").click()
    page.get_by_text("The limits are set").wait_for()
    assert ("polls", 7) == (str(mock.progression), mock.limits.requests)
    page.get_by_label("balance: empty is no end").fill("2.5")
    page.get_by_label("Whose account").select_option("magnific")
    page.get_by_role("button", name="Set balance").click()
    page.get_by_text("The balance is set").wait_for()
    assert ["2.5", "None", "None"] == [str(mock.accounts.of(name).began) for name in mock.providers]
    page.get_by_label("balance: empty is no end").fill("")
    page.get_by_role("button", name="Set balance").click()
    page.get_by_label("limit: requests").fill("")
    page.get_by_role("button", name="Set limits").click()
    page.get_by_role("button", name="Reset the mock").click()
    page.get_by_role("button", name="Really? All is forgotten").click()
    page.get_by_text("All is forgotten", exact=True).wait_for()
    assert (0, "0") == (len(mock.tasks), page.locator("#count-tasks").inner_text())
    assert None is mock.limits.requests


@pytest.mark.slow
def test_switches_are_chosen_while_the_mock_runs(opened: Opener, mock: MockService, web: httpx.Client) -> None:
    page = opened("/__mock__/#/mock")
    usual = page.get_by_role("button", name="Set all as usual")
    sees(usual).to_be_disabled()
    page.get_by_label("Filter switches").fill("whether the answer to a submit is wrapped")
    envelope = page.get_by_label("magnific.envelope")
    sees(page.locator(".fault:visible", has=page.get_by_role("combobox"))).to_have_count(1)
    envelope.select_option("bare")
    page.get_by_text("magnific.envelope is bare").wait_for()
    assert "bare" == mock.switches["magnific.envelope"]
    assert "task_id" in web.post(KLEIN, json={"prompt": "a fox"}, headers=KEY).json()
    mock.switch({"magnific.envelope": None})  # by whoever else
    sees(envelope).to_have_value("wrapped")
    envelope.press("ArrowDown")
    sees(usual).to_be_enabled()
    sees(envelope).to_be_focused()
    assert "bare" == mock.switches["magnific.envelope"]
    usual.click()
    page.get_by_text("Every switch is as usual").wait_for()
    assert {} == mock.switched


@pytest.mark.slow
def test_each_namespace_has_its_own_page(opened: Opener, mock: MockService, web: httpx.Client) -> None:
    submit(web, "of nobody")
    path = f"/@checkout{KLEIN}"
    look(web, submit(web, "of a test", path), path)
    page = opened()
    assert ["of nobody"] == page.locator(".row .title").all_inner_texts()
    page.get_by_label("Namespace").select_option("checkout")
    page.locator(".row", has_text="of a test").wait_for()
    assert page.url.endswith("/@checkout/__mock__/")
    submit(web, "of it, too", path)
    page.locator(".row", has_text="of it, too").wait_for()
    page.locator(".row", has_text="of a test").click()
    sees(page.locator(".picture img")).to_have_js_property("naturalWidth", 1024)
    page.get_by_role("button", name="Copy as curl").first.click()
    assert "/@checkout/magnific" in copied(page)


@pytest.mark.slow
def test_a_page_that_lost_the_mock_says_so_and_goes_on_where_it_was(context: "BrowserContext", opened: Opener) -> None:
    service = MockService(SERVICES, clock=WallClock(), progression="at once")
    with Server(service) as first, httpx.Client(base_url=first.url, trust_env=False) as web:
        port = httpx.URL(first.url).port or 0
        page = opened(url=first.url)
        submit(web, "before")
        page.locator(".row", has_text="before").wait_for()
    page.get_by_text("The mock cannot be reached.").wait_for()
    page.get_by_text("not connected").wait_for()
    assert ["before"] == page.locator(".row .title").all_inner_texts()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
    with Server(service, port=port) as second, httpx.Client(base_url=second.url, trust_env=False) as web:
        submit(web, "meanwhile")
        page.evaluate("document.getElementById('retry').click()")  # it may have come back by itself already
        page.locator(".row", has_text="meanwhile").wait_for()
        page.get_by_text("live", exact=True).wait_for()
        assert page.locator("#lost").is_hidden()
        assert (True, False) == tuple(
            any(each.startswith(part) for each in asked) for part in ("events?last=", "services")
        )
    with Server(MockService(SERVICES, clock=WallClock()), port=port):  # another mock, which knows none of it
        page.get_by_role("heading", name="Nothing has come yet").wait_for()


@pytest.mark.slow
def test_beyond_this_machine_the_page_asks_for_the_token_and_keeps_it(opened: Opener) -> None:
    with (
        Server(MockService(SERVICES, clock=WallClock(), progression="at once"), token=TOKEN) as server,
        httpx.Client(base_url=server.url, trust_env=False) as web,
    ):
        page = opened(url=server.url, expect="locked")
        page.get_by_label("Token", exact=True).fill("another")
        page.get_by_role("button", name="Open").click()
        page.get_by_text("This is not its token.").wait_for()
        page.get_by_label("Token", exact=True).fill(TOKEN)
        page.keyboard.press("Enter")
        look(web, submit(web, "behind the gate"))
        page.locator(".row", has_text="behind the gate").click()
        sees(page.locator(".picture img")).to_have_js_property("naturalWidth", 1024)
        page.get_by_role("button", name="Freeze").click()
        page.get_by_text("frozen", exact=True).wait_for()
        page.reload()
        page.locator(".row", has_text="behind the gate").wait_for()
        assert TOKEN == page.evaluate("sessionStorage.getItem('fluxkit.token')")
        assert TOKEN not in page.evaluate("JSON.stringify(localStorage)") + page.url
        handed = opened(f"/__mock__/#token={TOKEN}", url=server.url)
        assert TOKEN not in handed.url
        handed.locator(".row", has_text="behind the gate").wait_for()


@pytest.mark.slow
def test_a_thousand_tasks_are_a_few_rows(opened: Opener, mock: MockService, web: httpx.Client) -> None:
    for number in range(1000):
        body = b'{"prompt": "number %d"}' % number
        headers = {**KEY, "content-type": "application/json"}
        mock.handle(Incoming("POST", KLEIN, {}, headers, body, "http://127.0.0.1"))
    page = opened()
    page.get_by_text("1,000 tasks").wait_for()
    page.locator(".row", has_text="number 999").wait_for()
    assert page.locator(".row").count() < 40
    page.evaluate("window.kept = document.querySelector('.row'); document.getElementById('list').scrollTop = 320")
    submit(web, "the newest")
    page.get_by_text("1,001 tasks").wait_for()
    sees(page.locator("#list")).to_have_js_property("scrollTop", 384)  # what is looked at stays
    assert page.evaluate("window.kept.isConnected")
    page.locator("#list").press("End")
    page.locator(".row", has_text="number 0").first.wait_for()
    assert "1001" == page.locator(".row[aria-selected=true]").get_attribute("aria-posinset")
    page.get_by_label("Filter by text").fill("number 777")
    page.get_by_text("1 of 1,001 tasks").wait_for()
    sees(page.locator(".row")).to_have_count(1)


@pytest.mark.slow
def test_a_phone_has_one_column_and_nothing_beside_it(
    browser: "Browser", running: Server, mock: MockService, web: httpx.Client
) -> None:
    mock.fault("503", times=1)
    web.post(KLEIN, json={"prompt": "refused"}, headers=KEY)
    look(web, submit(web, "a-word-without-any-end" * 20))
    context = browser.new_context(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(f"{running.url}/__mock__/")
    row = page.locator(".row").first
    row.tap()
    page.locator(".detail h2").wait_for()
    page.locator("#list").wait_for(state="hidden")
    page.locator("summary").first.tap()
    wide = """() => [...document.querySelectorAll('*')].filter(each => each.getBoundingClientRect().right > 361
        && !each.closest('.code, .table, .toast')).map(each => each.outerHTML.slice(0, 80))"""
    assert (360, []) == (page.evaluate("document.documentElement.scrollWidth"), page.evaluate(wide))
    page.get_by_role("button", name="← Back").tap()
    page.locator("#list").wait_for()
    for view in VIEWS:
        page.locator(f".tabs a[data-view={view}]").tap()
        page.locator(f".tabs a[aria-current][data-view={view}]").wait_for()
        assert (view, 360, []) == (view, page.evaluate("document.documentElement.scrollWidth"), page.evaluate(wide))
    context.close()


@pytest.mark.slow
def test_an_empty_mock_says_how_to_begin(opened: Opener, mock: MockService) -> None:
    from test_copied import by_curl

    page = opened()
    page.get_by_label("Service of the example").select_option("bfl")
    page.get_by_role("button", name="Copy as curl").click()
    assert 200 == by_curl(copied(page))[0]
    page.locator(".row", has_text="a lighthouse at dusk").wait_for()
    mock.reset()
    page.get_by_role("button", name="Make one now").click()
    page.locator(".row", has_text="a lighthouse at dusk").wait_for()
    assert ["bfl"] == [task.provider.name for task in mock.tasks]


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])
def test_everybody_can_use_it(
    browser: "Browser", running: Server, mock: MockService, web: httpx.Client, scheme: Any, width: int
) -> None:
    """By the rules of axe, in every view: in one theme on a desk, in the other on a phone."""
    from axe_playwright_python.sync_playwright import Axe

    mock.fault("fail", task=2)
    mock.fault("poll-503", times=1)
    web.get(f"{KLEIN}/{submit(web)}", headers=KEY)
    submit(web, "fails")
    task = look(web, submit(web, "a fox in the snow", webhook_url=f"{running.url}/hook"))
    web.post(KLEIN, json={"promt": 1}, headers=KEY)
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, reduced_motion="reduce"
    )
    page = context.new_page()
    axe, broken = Axe(), []

    def check(where: str) -> None:
        found = axe.run(page).response["violations"]
        broken.extend((where, each["id"], [node["html"][:120] for node in each["nodes"]][:3]) for each in found)

    page.goto(f"{running.url}/__mock__/")
    page.locator(".row").first.wait_for()
    check("tasks")
    page.goto(f"{running.url}/__mock__/#/tasks/{task}")
    page.locator("summary").first.click()
    page.locator(".event.webhook").wait_for()
    check("task")
    page.goto(f"{running.url}/__mock__/#/exchanges/{len(mock.exchanges)}")
    page.locator(".exchange .sides").wait_for()
    check("exchange")
    for view in VIEWS[1:]:
        page.goto(f"{running.url}/__mock__/#/{view}")
        page.locator(f".tabs a[aria-current][data-view={view}]").wait_for()
        check(view)
    page.evaluate("document.getElementById('help').showModal()")
    check("help")
    page.evaluate("document.getElementById('help').close(); document.getElementById('gate').showModal()")
    check("gate")
    mock.reset()
    page.goto(f"{running.url}/__mock__/#/tasks")
    page.evaluate("document.getElementById('gate').close()")
    page.get_by_role("heading", name="Nothing has come yet").wait_for()
    check("empty")
    context.close()
    assert [] == broken


def test_the_client_of_a_user_is_watched_like_any_other(mock: MockService, running: Server) -> None:
    with fluxkit.Client("magnific:flux-2-klein", key="test", base_url=running.base_url("magnific")) as client:
        client.generate("a fox", fetch=False)
    assert 1 == mock.billed
