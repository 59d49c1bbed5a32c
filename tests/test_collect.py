"""Images: each is fetched once, a dead link is replaced, and what could not be had is said, with the task in hand."""

import base64
from pathlib import Path
from typing import Any

import attrs
import pytest
from support.world import (
    EPOCH,
    ID,
    LINK,
    Brought,
    Said,
    World,
    a_plan,
    a_task_of,
    accepted,
    complaint,
    completed,
    ended,
    raised,
    running,
)

from fluxkit._contract.amount import Amount
from fluxkit._contract.task import Picture, Snapshot, State, Task
from fluxkit._engine.collect import FETCH_TRIES, collect, link, with_result
from fluxkit._engine.effects import Discard, Fetch, Keep, Lost
from fluxkit._engine.flows import Manner, generate, resume
from fluxkit._engine.pacing import SHORTEST_CALL
from fluxkit._engine.place import Place
from fluxkit._wire.declaration import Provider
from fluxkit.errors import (
    Charged,
    ContractError,
    DownloadError,
    FluxError,
    SettingsError,
    Unauthorized,
    Unreachable,
)
from fluxkit.provider import At, Bytes, Each, Form, Link, Money, Route, Text, Whole
from fluxkit_providers.apimart import APIMART
from fluxkit_providers.magnific import MAGNIFIC

DEADLINE = EPOCH + 300.0
PLACE = Place(Path("/images"))
TASK = Task("magnific", "flux-2-klein", ID, MAGNIFIC.base_url, submitted_at=EPOCH)
LINKS = tuple(f"https://images.example/{name}.jpg?token=exp=1~hmac=0f&size=stable" for name in "abcd")

DEAD = DownloadError("The link answered HTTP 403.", status=403)


def completed_with(*links: str, **facts: Any) -> Snapshot:
    return Snapshot(State.COMPLETED, "COMPLETED", ID, pictures=tuple(Picture(url) for url in links), **facts)


def bring(
    world: World,
    seen: Snapshot | None = None,
    *,
    provider: Provider = MAGNIFIC,
    task: Task = TASK,
    place: Place = PLACE,
    deadline: float = DEADLINE,
) -> Any:
    seen = completed_with(LINK) if seen is None else seen
    return world.run(collect(provider, task, seen, place, deadline, patience=60.0, local=False))


def failed(world: World, *how: Any, **more: Any) -> FluxError:
    return raised(lambda: bring(world, *how, **more))


# What comes


def test_an_image_is_fetched_from_the_very_link_into_its_place() -> None:
    world = World(fetches=[Brought(takes=1.5)])
    [image], trouble = bring(world)
    [fetch] = world.of(Fetch)
    assert (LINK, Path(f"/images/magnific_{ID}"), 120.0, False) == (fetch.url, fetch.path, fetch.patience, fetch.local)
    assert (Path(f"/images/magnific_{ID}.jpg"), (1024, 1024), "image/jpeg", LINK) == (
        image.path,
        image.pixels,
        image.media_type,
        image.url,
    )
    assert ((), None) == (image.mismatch, trouble)
    assert [{"task": TASK, "path": image.path, "sha256": image.sha256, "size": image.size}] == world.noted("fetched")


def test_every_image_of_a_task_comes_in_order() -> None:
    world = World()
    images, trouble = bring(world, completed_with(*LINKS))
    assert (LINKS, None) == (tuple(image.url for image in images), trouble)
    assert set(world.files) == {image.path for image in images}
    assert [f"magnific_{ID}{more}.jpg" for more in ("", "+2", "+3", "+4")] == [image.path.name for image in images]


def test_two_links_to_one_image_are_one() -> None:
    world = World()
    images, trouble = bring(world, completed_with(f"{LINK}&again", LINK, LINKS[0]))
    assert (2, None) == (len(images), trouble)
    assert set(world.files) == {image.path for image in images}
    assert 1 == len(world.of(Discard))


def test_a_link_that_comes_twice_is_fetched_once() -> None:
    world = World()
    images, trouble = bring(world, completed_with(LINK, LINK))
    assert (1, None, 1) == (len(images), trouble, len(world.of(Fetch)))


def test_an_image_inside_the_answer_is_kept() -> None:
    seen = Snapshot(State.COMPLETED, pictures=(Picture(content=b"a picture"), Picture(LINK, b"another", 5.0)))
    world = World()
    images, _ = bring(world, seen)
    assert [b"a picture", b"another"] == [keep.content for keep in world.of(Keep)]
    assert [(None, None), (LINK, 5.0)] == [(image.url, image.expires_at) for image in images]
    assert [] == world.of(Fetch)


def test_the_seed_is_the_one_that_the_service_says_and_otherwise_the_one_that_was_asked() -> None:
    task = attrs.evolve(TASK, seed=42, mocked=True)
    assert [(42, True)] == [(image.seed, image.mocked) for image in bring(World(), task=task)[0]]
    [image], _ = bring(World(), completed_with(LINK, seed=7), task=task)
    assert 7 == image.seed


# What differs from what was asked


@pytest.mark.parametrize(
    ("asked", "came", "mismatch"),
    [
        ({}, Brought(), ()),
        ({"expected": ((1024, 1024),)}, Brought(), ()),
        ({"expected": ((2048, 1392), (2048, 1408))}, Brought(2048, 1408), ()),
        ({"expected": ((2048, 1392), (2048, 1408))}, Brought(), ("1024x1024 px instead of 2048x1392 px",)),
        ({"expected": ((1024, 1024),)}, Brought(1023, 1024), ("1023x1024 px instead of 1024x1024 px",)),
        ({"output_format": "jpeg"}, Brought(), ()),
        ({"output_format": "JPG"}, Brought(), ()),
        ({"output_format": "png"}, Brought(), ("image/jpeg instead of image/png",)),
        ({"output_format": "avif"}, Brought(), ("image/jpeg instead of avif",)),
        (
            {"output_format": "png", "expected": ((1, 2),)},
            Brought(),
            ("1024x1024 px instead of 1x2 px", "image/jpeg instead of image/png"),
        ),
    ],
)
def test_an_image_that_is_not_what_was_asked_says_so(asked: Any, came: Brought, mismatch: tuple[str, ...]) -> None:
    [image], _ = bring(World(fetches=[came]), task=attrs.evolve(TASK, **asked))
    assert mismatch == image.mismatch


@pytest.mark.parametrize(
    ("name", "path", "mismatch"),
    [
        ("x.jpg", "x.jpg", ()),
        ("x.jpeg", "x.jpeg", ()),
        ("x", "x.jpg", ()),
        ("x.png", "x.png", ("image/jpeg instead of image/png",)),
    ],
)
def test_a_name_that_says_another_format_is_a_mismatch(name: str, path: str, mismatch: tuple[str, ...]) -> None:
    [image], _ = bring(World(), place=Place(Path("/images"), name))
    assert (Path("/images") / path, mismatch) == (image.path, image.mismatch)


# Links that are dead


def test_a_dead_link_is_replaced_by_a_poll() -> None:
    world = World([completed(MAGNIFIC, LINKS[0])], [DEAD, Brought()])
    [image], trouble = bring(world)
    assert (LINKS[0], None) == (image.url, trouble)
    assert [LINK, LINKS[0]] == [fetch.url for fetch in world.of(Fetch)]


@pytest.mark.parametrize(
    "poll",
    [
        running(MAGNIFIC),
        complaint(MAGNIFIC, 503),
        complaint(MAGNIFIC, 401),
        complaint(MAGNIFIC, 404),
        Said(200, {}),
        Said(302),
        Lost("dropped"),
        Unreachable("refused"),
        SettingsError("no certificates"),
    ],
)
def test_a_link_may_live_again_even_if_the_poll_fails(poll: Any) -> None:
    world = World([poll], [DEAD, Brought()])
    [image], _ = bring(world)
    assert LINK == image.url


def test_a_link_is_tried_five_times() -> None:
    world = World(lambda *_: completed(MAGNIFIC), lambda *_: DEAD)
    error = failed(world)
    assert (DownloadError, Charged.YES, False, 403) == (type(error), error.charged, error.retry, error.status)
    assert (ID, "magnific", "flux-2-klein") == (error.task.id, error.provider, error.model)
    assert 5 == FETCH_TRIES == len(world.of(Fetch))
    assert "paid, but its image could not be fetched: The link answered HTTP 403. Wait" in error.message


def test_a_service_without_polls_has_one_link() -> None:
    world = World([], [DEAD, DEAD, Brought()])
    [image], _ = bring(world, provider=attrs.evolve(MAGNIFIC, poll=None))
    assert LINK == image.url


@pytest.mark.parametrize(
    "trouble", [Lost("dropped"), Unreachable("refused"), SettingsError("no certificates"), DownloadError("cut")]
)
def test_whatever_keeps_an_image_it_is_paid(trouble: FluxError) -> None:
    error = failed(World(lambda *_: completed(MAGNIFIC), lambda *_: trouble))
    assert (DownloadError, Charged.YES, False, ID) == (type(error), error.charged, error.retry, error.task.id)


def test_a_link_to_where_we_do_not_go_is_no_matter_of_another_try() -> None:
    stray = ContractError("The link leads to a private host.", charged=Charged.YES)
    error = failed(World(lambda *_: completed(MAGNIFIC), lambda *_: stray))
    assert (ContractError, Charged.YES, False, ID) == (type(error), error.charged, error.retry, error.task.id)


def test_an_image_beside_a_dead_link_is_not_lost_and_the_dead_link_is_not_hidden() -> None:
    def fetch(effect: Fetch, _: World) -> Any:
        return DEAD if "/b." in effect.url else Brought()

    world = World(lambda *_: completed(MAGNIFIC, *LINKS[:3]), fetch)
    images, trouble = bring(world, completed_with(*LINKS[:3]))
    assert [LINKS[0], LINKS[2]] == [image.url for image in images]
    assert (DownloadError, Charged.YES, ID) == (type(trouble), trouble.charged, trouble.task.id)
    assert "images of it could not be fetched" in trouble.message
    assert 2 + FETCH_TRIES == len(world.of(Fetch))


def test_what_was_fetched_is_not_fetched_again_while_its_link_is_the_same() -> None:
    world = World(lambda *_: completed(MAGNIFIC, *LINKS[:2]), [Brought(), DEAD, Brought()])
    images, trouble = bring(world, completed_with(*LINKS[:2]))
    assert (2, None) == (len(images), trouble)
    assert [LINKS[0], LINKS[1], LINKS[1]] == [fetch.url for fetch in world.of(Fetch)]


def test_fresh_links_in_another_order_bring_every_image_once() -> None:
    old, new = [f"{url}&old" for url in LINKS[:2]], [f"{url}&new" for url in reversed(LINKS[:2])]
    world = World([completed(MAGNIFIC, *new)], [Brought(), DEAD, Brought(), Brought()])
    images, trouble = bring(world, completed_with(*old))
    assert (2, None) == (len({image.sha256 for image in images}), trouble)
    assert world.files == {image.path: image.sha256 for image in images}


def test_a_fresh_link_that_fails_to_an_image_that_is_there_is_no_loss() -> None:
    old, new = [f"{url}&old" for url in LINKS[:2]], [f"{url}&new" for url in LINKS[:2]]
    world = World([completed(MAGNIFIC, *new)], [Brought(), DEAD, DEAD, Brought()])
    images, trouble = bring(world, completed_with(*old))
    assert (2, None) == (len(images), trouble)


def test_a_fresh_link_to_an_image_that_is_there_does_not_hide_one_that_is_missing() -> None:
    def poll(_: Any, world: World) -> Said:
        return completed(MAGNIFIC, *(f"{url}&fresh={len(world.polls)}" for url in LINKS[:2]))

    world = World(poll, lambda effect, _: DEAD if "/b." in effect.url else Brought())
    images, trouble = bring(world, completed_with(*LINKS[:2]))
    assert (1, DownloadError, Charged.YES) == (len(images), type(trouble), trouble.charged)
    assert set(world.files) == {image.path for image in images}


def test_an_answer_that_names_fewer_images_later_does_not_make_the_others_unpaid() -> None:
    world = World(
        lambda *_: completed(MAGNIFIC, LINKS[0]), lambda effect, _: DEAD if "/b." in effect.url else Brought()
    )
    images, trouble = bring(world, completed_with(*LINKS[:2]))
    assert (1, DownloadError, ID) == (len(images), type(trouble), trouble.task.id)


@pytest.mark.parametrize(("name", "replaces"), [(None, [False, False]), ("x.jpg", [True, False])])
def test_only_a_file_that_the_user_named_is_replaced(name: str | None, replaces: list[bool]) -> None:
    place = Place(Path("/images"), name)
    world = World()
    bring(world, completed_with(*LINKS[:2]), place=place)
    assert replaces == [fetch.replaces for fetch in world.of(Fetch)]
    seen = Snapshot(State.COMPLETED, pictures=(Picture(content=b"one"), Picture(content=b"two")))
    for flow in (link(TASK, seen, place), collect(MAGNIFIC, TASK, seen, place, DEADLINE, patience=60.0, local=False)):
        world = World()
        world.run(flow)
        assert replaces == [keep.replaces for keep in world.of(Keep)]


def test_the_file_that_a_user_named_holds_the_first_image_that_came() -> None:
    world = World([completed(MAGNIFIC, *LINKS[:2])], [DEAD, Brought(), Brought()])
    images, _ = bring(world, completed_with(*LINKS[:2]), place=Place(Path("/images"), "x.jpg"))
    assert ["x.jpg", "x+2.jpg"] == [image.path.name for image in images]


# Time


def test_nothing_is_fetched_behind_the_deadline() -> None:
    world = World([])
    error = failed(world, deadline=EPOCH - SHORTEST_CALL)
    assert (DownloadError, Charged.YES, ID, []) == (type(error), error.charged, error.task.id, world.of(Fetch))
    assert [] == world.waits


@pytest.mark.parametrize("takes", [0.0, 7.0, 119.0, 121.0, 1e9])
def test_slow_downloads_keep_nobody_behind_the_deadline(takes: float) -> None:
    world = World(lambda *_: completed(MAGNIFIC, *LINKS, takes=takes), lambda *_: Brought(takes=takes))
    end = ended(lambda: bring(world, completed_with(*LINKS), deadline=EPOCH + 30.0))
    assert ID == end.task.id if isinstance(end, DownloadError) else end[0]
    assert world.lasted <= 30.0 + SHORTEST_CALL


def test_a_task_that_is_completed_at_the_deadline_is_given_a_moment() -> None:
    world = World(fetches=[Brought(takes=0.9)])
    images, _ = bring(world, deadline=EPOCH)
    assert (1, SHORTEST_CALL) == (len(images), world.of(Fetch)[0].patience)


# No image


def test_a_completed_task_without_images_is_looked_at_again() -> None:
    world = World([Said(200, {"data": {"status": "COMPLETED", "generated": []}}), completed(MAGNIFIC)])
    [image], _ = bring(world, completed_with())
    assert LINK == image.url


def test_a_completed_task_without_images_breaks_the_contract() -> None:
    world = World(lambda *_: Said(200, {"data": {"status": "COMPLETED", "generated": []}}))
    error = failed(world, completed_with(problems=("generated[0] is 7; allowed: an http(s) address",)))
    assert (ContractError, Charged.UNKNOWN, ID) == (type(error), error.charged, error.task.id)
    assert "is completed, but generated[0] is 7" in error.message


# Images that a second call gives

RESULTED = Form({"images": At("images", Each(Form({"url": At("url", Link())}))), "seed": At("seed", Whole())})
ATTIC = attrs.evolve(
    MAGNIFIC,
    name="attic",
    result=Route("GET", "/result/{model}/{id}"),
    resulted=RESULTED,
    polled=Form({"status": At("status", Text()), "cost": At("cost", Money()), "result_url": At("result_url", Link())}),
)
COST = Amount.parse("5 USD")
RESULT = Said(200, {"images": [{"url": LINK}], "seed": 7})


def second(world: World, *, task: Task = TASK, deadline: float = DEADLINE) -> Snapshot:
    seen = Snapshot(State.COMPLETED, "COMPLETED", ID, cost=COST, seed=3)
    return world.run(with_result(ATTIC, task, seen, deadline, patience=60.0))


def test_a_second_call_gives_the_images_and_the_first_answer_counts_on() -> None:
    world = World([RESULT])
    seen = second(world)
    assert ((LINK,), COST, 7) == (tuple(picture.url for picture in seen.pictures), seen.cost, seen.seed)
    assert [f"{MAGNIFIC.base_url}/result/flux-2-klein/{ID}"] == [call.url for call in world.polls]


def test_a_second_call_goes_to_where_the_answer_says() -> None:
    world = World([RESULT])
    second(world, task=attrs.evolve(TASK, result_url="https://api.magnific.com/there"))
    assert ["https://api.magnific.com/there"] == [call.url for call in world.polls]
    error = raised(lambda: second(World([]), task=attrs.evolve(TASK, result_url="https://elsewhere.example/")))
    assert (ContractError, ID) == (type(error), error.task.id)


@pytest.mark.parametrize(
    "first",
    [
        complaint(MAGNIFIC, 503),
        complaint(MAGNIFIC, 404),
        Said(200, {"images": []}),
        Said(200, {"status": "IN_PROGRESS"}),
        Lost("dropped"),
        Unreachable("refused"),
    ],
)
def test_a_second_call_is_made_again(first: Any) -> None:
    seen = second(World([first, RESULT]))
    assert 1 == len(seen.pictures)


def test_a_second_call_honours_retry_after() -> None:
    world = World([complaint(MAGNIFIC, 429, headers={"retry-after": "20"}), RESULT])
    second(world)
    assert [20.0] == world.waits


@pytest.mark.parametrize(
    ("said", "kind", "charged"),
    [
        (complaint(MAGNIFIC, 503), DownloadError, Charged.YES),
        (Lost("dropped"), DownloadError, Charged.YES),
        (Said(200, {"images": []}), ContractError, Charged.YES),
        (complaint(MAGNIFIC, 404), ContractError, Charged.UNKNOWN),
    ],
)
def test_a_second_call_is_made_five_times(said: Any, kind: type[FluxError], charged: Charged) -> None:
    world = World(lambda *_: said)
    error = raised(lambda: second(world))
    assert (kind, charged, ID, FETCH_TRIES) == (type(error), error.charged, error.task.id, len(world.polls))


@pytest.mark.parametrize("takes", [0.0, 5.0, 1e9])
def test_a_second_call_keeps_nobody_behind_the_deadline(takes: float) -> None:
    world = World(lambda *_: complaint(MAGNIFIC, 503, takes=takes))
    raised(lambda: second(world, deadline=EPOCH + 2.0), DownloadError)
    assert world.lasted <= 2.0 + SHORTEST_CALL


def test_a_second_call_behind_the_deadline_is_not_made() -> None:
    world = World([])
    error = raised(lambda: second(world, deadline=EPOCH - 2.0))
    assert (DownloadError, Charged.YES, ID) == (type(error), error.charged, error.task.id)
    assert ([], []) == (world.polls, world.waits)


def test_a_dead_link_is_replaced_by_a_poll_and_a_second_call() -> None:
    done = Said(200, {"status": "COMPLETED"})
    world = World([done, RESULT], [DEAD, Brought()])
    [image], _ = bring(world, completed_with(LINKS[0]), provider=ATTIC)
    assert LINK == image.url


# Whole errands


def errand(provider: Provider, *, n: int = 1, fetch: bool = True, timeout: float = 300.0) -> Any:
    return generate(a_plan(provider, n=n), Manner(timeout=timeout, patience=60.0, place=PLACE, fetch=fetch))


def test_a_second_call_belongs_to_the_errand() -> None:
    script = [accepted(ATTIC), Said(200, {"status": "COMPLETED", "cost": 0.15}), RESULT]
    for fetch in (True, False):
        result = World(script).run(errand(ATTIC, fetch=fetch))
        assert ([(LINK, 7)], "0.15 USD") == ([(image.url, image.seed) for image in result.images], str(result.cost))


def test_a_second_call_goes_to_where_a_poll_says() -> None:
    there = "https://api.magnific.com/there"
    world = World([accepted(ATTIC), Said(200, {"status": "COMPLETED", "result_url": there}), RESULT])
    world.run(errand(ATTIC))
    assert there == world.polls[-1].url


def test_a_refusal_of_the_second_call_carries_the_task() -> None:
    world = World([accepted(ATTIC), Said(200, {"status": "COMPLETED"}), complaint(ATTIC, 401)])
    error = raised(lambda: world.run(errand(ATTIC)))
    assert (Unauthorized, Charged.UNKNOWN, ID) == (type(error), error.charged, error.task.id)


def test_images_that_are_not_fetched_are_links() -> None:
    world = World([accepted(APIMART), completed(APIMART, LINK, LINK, LINKS[0])])
    result = world.run(errand(APIMART, fetch=False))
    assert [(LINK, None, 1763174708), (LINKS[0], None, 1763174708)] == [
        (image.url, image.path, image.expires_at) for image in result.images
    ]
    assert ([], []) == (world.of(Fetch), world.of(Keep))


def test_a_completed_task_without_links_breaks_the_contract_too() -> None:
    world = World([accepted(MAGNIFIC), Said(200, {"data": {"status": "COMPLETED", "generated": []}})])
    error = raised(lambda: world.run(errand(MAGNIFIC, fetch=False)))
    assert (ContractError, Charged.UNKNOWN, ID) == (type(error), error.charged, error.task.id)


AT_ONCE = attrs.evolve(
    MAGNIFIC,
    name="at-once",
    poll=None,
    accepted=Form({"images": At("images", Each(Form({"content": At("b64", Bytes()), "url": At("url", Link())})))}),
)


def drawn(*contents: bytes) -> Said:
    return Said(200, {"images": [{"b64": base64.b64encode(content).decode()} for content in contents]})


@pytest.mark.parametrize("fetch", [True, False])
def test_an_image_inside_the_answer_is_kept_whether_it_is_to_be_fetched_or_not(fetch: bool) -> None:
    world = World([drawn(b"one", b"two", b"one")])
    result = world.run(errand(AT_ONCE, fetch=fetch))
    assert [b"one", b"two"] == [keep.content for keep in world.of(Keep)]
    assert set(world.files) == {image.path for image in result.images}
    assert ["intent", "accepted", "fetched", "fetched", "delivered"] == world.notes


def test_an_image_inside_the_answer_that_the_disk_refuses_is_an_error_with_its_task() -> None:
    for fetch in (True, False):
        world = World([drawn(b"one")], lambda *_: DownloadError("The disk is full."))
        error = raised(lambda world=world, fetch=fetch: world.run(errand(AT_ONCE, fetch=fetch)))
        assert (DownloadError, Charged.YES) == (type(error), error.charged)
        assert error.task.id


def test_a_documented_duration_saves_polls() -> None:
    world = World(a_task_of(19.0, APIMART))
    world.run(errand(APIMART))
    assert [0.6, 0.55 * 19.0 - 0.6] == pytest.approx(world.waits[:2])
    old = World([*[running(APIMART)] * 2, completed(APIMART)])
    task = attrs.evolve(TASK, provider="apimart", model="flux-2-flex", base_url=APIMART.base_url)
    old.run(resume(APIMART, task, Manner(timeout=300.0, patience=60.0, place=PLACE)))
    assert [0.6, 0.55 * 19.0 - 0.6] == pytest.approx(old.waits)


def test_a_cost_is_known_if_that_of_every_image_is() -> None:
    def costing(*costs: float | None) -> Any:
        answers = [completed(APIMART) for _ in costs]
        for answer, cost in zip(answers, costs, strict=True):
            answer.document["data"]["cost"] = cost
        return World([*[accepted(APIMART)] * len(costs), *answers]).run(errand(APIMART, n=len(costs))).cost

    assert Amount.parse("0.35 USD") == costing(0.15, 0.2)
    assert None is costing(0.15, None)
    assert None is costing(None)


@pytest.mark.parametrize("cost", [1e300, -1, "much", 10**9])
def test_a_cost_that_nobody_charges_is_noted_and_not_known_and_loses_no_image(cost: Any) -> None:
    answer = completed(APIMART)
    answer.document["data"]["cost"] = cost
    world = World([accepted(APIMART), answer])
    result = world.run(errand(APIMART))
    assert (1, None) == (len(result.images), result.cost)
    (problem,) = {each for note in world.noted("state") for each in note["problems"]}
    assert f"data.cost is {cost!r}; allowed: an amount from 0 to 999999999, that a JSON number can hold" == problem
    (delivered,) = world.noted("delivered")
    assert delivered["cost"] is None  # so its price goes on to count in a budget


def test_partial_success_stands_in_the_result() -> None:
    script = [accepted(APIMART), completed(APIMART, *LINKS[:2]), *[completed(APIMART, *LINKS[:2])] * 4]
    world = World(script, lambda effect, _: DEAD if "/b." in effect.url else Brought())
    result = world.run(errand(APIMART))
    assert ([LINKS[0]], [DownloadError]) == ([image.url for image in result.images], [type(e) for e in result.errors])
    assert [ID] == [task.id for task in result.tasks]


def test_an_old_task_is_brought_home_by_another_process() -> None:
    world = World([running(MAGNIFIC), completed(MAGNIFIC)])
    result = world.run(resume(MAGNIFIC, TASK, Manner(timeout=300.0, patience=60.0, place=PLACE)))
    assert ([LINK], ()) == ([image.url for image in result.images], result.errors)


def test_an_old_task_of_a_model_that_is_gone_is_still_brought_home() -> None:
    task = attrs.evolve(TASK, model="flux-1")
    world = World([completed(MAGNIFIC)])
    result = world.run(resume(MAGNIFIC, task, Manner(timeout=300.0, patience=60.0, place=PLACE)))
    assert ("flux-1", 1) == (result.model, len(result.images))


def test_links_without_a_flow_of_time_are_named_at_once() -> None:
    world = World()
    images = world.run(link(TASK, completed_with(*LINKS), PLACE))
    assert (4, []) == (len(images), world.effects)


def test_a_fetch_is_told_how_long_it_may_take_when_it_starts() -> None:
    """The second of two slow downloads has only what the first has left."""
    world = World(fetches=[Brought(takes=20.0), Brought()])
    bring(world, completed_with(*LINKS[:2]), deadline=EPOCH + 60.0)
    assert [61.0, 41.0] == [fetch.patience for fetch in world.of(Fetch)]
