"""The flow that fetches: every image of a completed task, before its link dies."""

from typing import Any

import attrs

from .._contract.media import TYPES, format_named
from .._contract.result import Image
from .._contract.task import Picture, Snapshot, State, Task
from .._wire.answers import read_poll
from .._wire.calls import asking_result, polling
from .._wire.declaration import Provider
from ..errors import Charged, ContractError, DownloadError, FluxError
from .effects import About, Discard, Fetch, Fetched, Flow, Keep, Note, Now, Wait, calling
from .follow import PASSING
from .pacing import backoff, call_time
from .place import Place

#: A link is fetched so often, with a fresh one from a poll in between where the service has polls.
FETCH_TRIES = 5

#: The longest time in seconds for one download.
FETCH_PATIENCE = 120.0


def collect(
    provider: Provider, task: Task, seen: Snapshot, place: Place, deadline: float, *, patience: float, local: bool
) -> Flow[tuple[tuple[Image, ...], FluxError | None]]:
    """Fetches every image of a completed task, each once even if two links lead to it.

    A dead link is replaced by a poll. Gives the images, and an error if some could not be had. Raises it if none could:
    ``DownloadError``, or ``ContractError`` where no image was named or its link leads to where we do not go.
    """
    images: dict[str, Image] = {}  # by the content's digest
    brought: set[str | bytes | None] = set()
    trouble: FluxError | None = None
    attempt = named = 0
    while True:
        attempt += 1
        for picture in seen.pictures:
            if _source(picture) in brought:
                continue
            try:
                left = yield from _time_left(deadline, FETCH_PATIENCE)
                about = About("fetch", task, attempt)
                fetched = yield _bringing(picture, about, place, len(images), left, local=local)
            except FluxError as error:
                trouble = error
                continue
            brought.add(_source(picture))
            if fetched.sha256 in images:
                yield Discard(fetched.path)
                continue
            images[fetched.sha256] = _image(task, seen, picture, fetched)
            yield _noted(task, fetched)
        # A fresh link that fails, to an image that an older link has brought, leaves none missing; a later answer that
        # names fewer images than an earlier one does not make the others unpaid.
        named = max(named, len(seen.pictures))
        complete = len(seen.pictures) == named and brought.issuperset(map(_source, seen.pictures))
        lacking = len(images) < named and not complete
        if (images and not lacking) or attempt == FETCH_TRIES or (now := (yield Now())) >= deadline:
            break
        yield Wait(min(backoff(attempt - 1), deadline - now))
        seen = yield from _look_again(provider, task, seen, deadline, patience=patience)
    if not images:
        raise _not_had(task, seen, trouble)
    return tuple(images.values()), _not_had(task, seen, trouble) if lacking else None


def link(task: Task, seen: Snapshot, place: Place) -> Flow[tuple[Image, ...]]:
    """The images of a completed task by their links, not fetched.

    One that came inside the answer has no link. It is kept after all, because nobody could fetch it later.
    """
    images: dict[str | bytes | None, Image] = {}
    for picture in seen.pictures:
        source = _source(picture)
        if source in images:
            continue
        fetched = None
        if picture.content is not None:
            number = len(images)
            fetched = yield Keep(picture.content, place.path(task, number), replaces=place.replaces(number))
            yield _noted(task, fetched)
        images[source] = _image(task, seen, picture, fetched)
    if not images:
        raise _not_had(task, seen, None)
    return tuple(images.values())


def with_result(provider: Provider, task: Task, seen: Snapshot, deadline: float, *, patience: float) -> Flow[Snapshot]:
    """The snapshot with its images, where a second call gives them. Raises what ``collect`` raises."""
    outgoing = asking_result(provider, task)
    if outgoing is None or seen.pictures:
        return seen
    attempt = 0
    while True:
        trouble: FluxError | None = None
        try:
            left = yield from _time_left(deadline, patience)
            reply = yield calling(outgoing, left, about=About("result", task, attempt + 1))
            found = read_poll(provider, task, reply, provider.resulted)
            if found.pictures:
                cost = seen.cost if found.cost is None else found.cost
                return attrs.evolve(found, cost=cost, seed=seen.seed if found.seed is None else found.seed)
        except (*PASSING, DownloadError) as error:
            trouble = error
        attempt += 1
        now = yield Now()
        if attempt == FETCH_TRIES or now >= deadline:
            raise _not_had(task, seen, trouble)
        yield Wait(min(backoff(attempt - 1, getattr(trouble, "retry_after", None)), deadline - now))


def _look_again(provider: Provider, task: Task, seen: Snapshot, deadline: float, *, patience: float) -> Flow[Snapshot]:
    """The completed task read afresh, for links that live; what was *seen* before if the poll fails."""
    outgoing = polling(provider, task)
    if outgoing is None:
        return seen
    try:
        left = yield from _time_left(deadline, patience)
        reply = yield calling(outgoing, left, about=About("poll", task))
        again = read_poll(provider, task, reply)
        if again.state is State.COMPLETED:
            again = yield from with_result(provider, task, again, deadline, patience=patience)
    except FluxError:
        return seen
    return again if again.pictures else seen


def _time_left(deadline: float, most: float) -> Flow[float]:
    left = call_time((yield Now()), deadline, most)
    if not left:
        raise DownloadError("The time was over.")
    return left


def _source(picture: Picture) -> str | bytes | None:
    return picture.url if picture.content is None else picture.content


def _bringing(
    picture: Picture, about: About, place: Place, number: int, patience: float, *, local: bool
) -> Fetch | Keep:
    path, replaces = place.path(about.task, number), place.replaces(number)
    if picture.content is not None:
        return Keep(picture.content, path, replaces=replaces)
    assert picture.url is not None  # noqa: S101 - a picture has a link or content, by the reading of answers
    return Fetch(picture.url, path, local=local, replaces=replaces, patience=patience, about=about)


def _noted(task: Task, fetched: Fetched) -> Note:
    return Note("fetched", {"task": task, "path": fetched.path, "sha256": fetched.sha256, "size": fetched.size})


def _image(task: Task, seen: Snapshot, picture: Picture, fetched: Fetched | None) -> Image:
    facts: dict[str, Any] = {} if fetched is None else _in_file(task, fetched)
    return Image(
        facts.pop("path", None),
        url=picture.url,
        expires_at=picture.expires_at,
        seed=task.seed if seen.seed is None else seen.seed,
        mocked=task.mocked,
        **facts,
    )


def found_again(task: Task, fetched: Fetched) -> Image:
    """The image of a task that was fetched before; its link is not known any more."""
    return Image(**_in_file(task, fetched), seed=task.seed, mocked=task.mocked)


def _in_file(task: Task, fetched: Fetched) -> dict[str, Any]:
    """What is known of an image by the file that holds it."""
    return {
        "path": fetched.path,
        "media_type": fetched.media_type,
        "pixels": (fetched.width, fetched.height),
        "size": fetched.size,
        "sha256": fetched.sha256,
        "mismatch": _mismatch(task, fetched),
    }


def _mismatch(task: Task, fetched: Fetched) -> tuple[str, ...]:
    """How the file differs from what was asked, by the request and by the name that it was given."""
    found = []
    if task.expected and (fetched.width, fetched.height) not in task.expected:
        width, height = task.expected[0]
        found.append(f"{fetched.width}x{fetched.height} px instead of {width}x{height} px")
    for wanted in (task.output_format, format_named(fetched.path.suffix)):
        media_type = TYPES.get(format_named(wanted) or wanted, wanted) if wanted else fetched.media_type
        if media_type != fetched.media_type:
            found.append(f"{fetched.media_type} instead of {media_type}")
    return tuple(dict.fromkeys(found))


def _not_had(task: Task, seen: Snapshot, trouble: FluxError | None) -> FluxError:
    """The error for images of a completed task that could not be had, by *trouble* or because none was named."""
    facts: dict[str, Any] = {"provider": task.provider, "model": task.model, "task": task}
    begin = f"The task {task.id} on {task.provider} is completed"
    if trouble is None:
        return ContractError(f"{begin}, but {'; '.join(seen.problems) or 'the answer names no image'}.", **facts)
    images = "its image" if len(seen.pictures) < 2 else "images of it"
    message = (
        f"{begin} and paid, but {images} could not be fetched: {trouble.message.rstrip('.')}. "
        "Wait for the task again to fetch what is missing."
    )
    if isinstance(trouble, ContractError):
        return ContractError(message, charged=Charged.YES, **facts)
    return DownloadError(message, status=getattr(trouble, "status", None), **facts)
