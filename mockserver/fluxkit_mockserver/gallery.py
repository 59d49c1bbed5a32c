"""The images of tasks: the links that are minted for them, and what lies behind these."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

import attrs

from fluxkit._contract.media import SUFFIXES, TYPES

from .answer import PLAIN, Answer, Incoming
from .tasks import MockTask

IMAGES = "/__mock__/images/"

#: Gives the fault that strikes a task now, if one does.
Strike = Callable[[MockTask], str | None]


@attrs.frozen(eq=False, repr=False)
class Gallery:
    """Every image of a mock; its links are signed with the mock's *seed*, so the same calls give the same links."""

    seed: int

    def picture(self, task: MockTask, origin: str, now: float, *, dead: bool, copy: int = 0) -> Mapping[str, Any]:
        """What an answer may say of a task's image: a link that lives from *now* on, or is *dead* already.

        Every *copy* is another link to the one image.
        """
        life = task.provider.link_life or 3600.0
        expires_at = int(now - 1 if dead else now + life)
        name = f"{task.id}.{SUFFIXES[task.format][0].lstrip('.')}"
        token = f"exp={expires_at}~hmac={self._sign(task.id, str(expires_at))}"
        return {
            "url": f"{origin}{IMAGES}{name}?token={token}&size=stable{f'&copy={copy}' if copy else ''}",
            "expires_at": expires_at,
            "width": task.point.width,
            "height": task.point.height,
            "media_type": TYPES[task.format],
            **({"content": draw_task(task)} if task.provider.poll is None else {}),
        }

    def answer(self, call: Incoming, tasks: Mapping[str, MockTask], now: float, strike: Strike) -> Answer:
        """The image behind a link: no key is wanted, and a link that was changed by a byte is refused.

        *strike* says which fault strikes a download.
        """
        task = tasks.get(named_by(call))
        expires, _, sign = call.query.get("token", "").removeprefix("exp=").partition("~hmac=")
        if task is None:
            return Answer(404, b"No such image.\n", PLAIN)
        if call.method not in ("GET", "HEAD"):
            return Answer(405, b"An image can only be fetched.\n", {**PLAIN, "allow": "GET, HEAD"})
        if sign != self._sign(task.id, expires) or call.query.get("size") != "stable":
            return Answer(403, b"The signature does not fit.\n", PLAIN)
        if int(expires) < now:
            return Answer(403, b"The link has expired.\n", PLAIN)
        fault = strike(task) if call.method == "GET" else None
        if fault == "link-503":
            return Answer(503, b"Service Unavailable\n", PLAIN)
        if fault == "wrong-type-image":
            task = attrs.evolve(task, format="png" if task.format != "png" else "jpeg")
        image = draw_task(task)
        answer = Answer(200, image, {"content-type": TYPES[task.format]})
        if fault == "truncated-image":
            return attrs.evolve(answer, body=image[: len(image) // 2])
        return attrs.evolve(answer, cut=len(image) // 2) if fault == "cut-image" else answer

    def _sign(self, id: str, expires: str) -> str:
        return hashlib.sha256(f"{self.seed}:{id}:{expires}".encode()).hexdigest()[:24]


def named_by(call: Incoming) -> str:
    """The task whose image a call wants, as its address names it."""
    return unquote(call.path.removeprefix(IMAGES).rpartition(".")[0])


def draw_task(task: MockTask) -> bytes:
    """The picture of a task, drawn when it is asked for: the same task, the same bytes."""
    from .pictures import draw

    return draw(
        task.point.width,
        task.point.height,
        media_type=TYPES[task.format],
        prompt=task.values.get("prompt", ""),
        seed=task.seed,
        label=(
            f"{task.provider.name} {task.model.name}",
            f"{task.point.width}x{task.point.height} seed {task.seed}",
            "MOCK",
        ),
        references=task.references,
    )
