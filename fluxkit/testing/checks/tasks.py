"""A task outlives the process that bought it, and a webhook is believed only if it is the service's own."""

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from ..._contract.request import Request
from ..._contract.task import Task
from ..._engine.event import Event, read_event
from ...errors import WebhookUnusable
from ..check import Pair, check_of, needs_tasks, not_applicable
from ..desk import Desk, desk
from ..differs import same
from ..exhibits import RECEIVER

_ELSEWHERE = "import sys, fluxkit; sys.stdout.write(fluxkit.Task.from_json(sys.stdin.read()).to_json())"


@check_of("tasks")
def check_task_survives_json(pair: Pair) -> None:
    """A task as JSON is the same task again, whatever a newer version has put beside what this one knows.

    A failure means: a task that went through a queue or a file cannot be waited for.
    """
    needs_tasks(pair.client)
    with desk(pair) as at:
        task = at.order()
        text = task.to_json()
        same(text, Task.from_json(text).to_json(), "a task that was written and read")
        newer = json.dumps({**json.loads(text), "of_a_newer_version": {"a": [1, None]}})
        again = Task.from_json(newer)
        same({"a": [1, None]}, json.loads(again.to_json())["of_a_newer_version"], "what a newer version has put there")
        _comes(at, again)


@check_of("tasks")
def check_task_survives_another_process(pair: Pair) -> None:
    """A process that has only the JSON of a task reads it, and whoever waits for it gets the image, for no more money.

    A failure means: what a process has bought is lost when it ends.
    """
    needs_tasks(pair.client)
    with desk(pair) as at:
        text = at.order().to_json()
        done = subprocess.run(  # noqa: S603 - this interpreter, and a line of ours
            [sys.executable, "-c", _ELSEWHERE], input=text, capture_output=True, text=True, check=False, timeout=60
        )
        same((0, text), (done.returncode, done.stdout), f"what another process makes of it ({done.stderr[-200:]})")
    with desk(pair) as at:
        _comes(at, Task.from_json(at.order().to_json()))


def _comes(at: Desk, task: Task) -> None:
    bought = at.service.billed
    result = at.wait(task, timeout=120.0, fetch=True)
    same(1, len(result.images), "images of a task that was read again")
    same(bought, at.service.billed, "what was bought by waiting for it")


@check_of("tasks")
def check_webhooks_are_believed_if_they_are_proved(pair: Pair) -> None:
    """What the service sends by itself is read as of its task, and what anybody else could have sent is not believed.

    A failure means: whoever finds the address of a receiver can say what became of a task.
    """
    client, seen = pair.client, list[str]()
    rows = [row for row in client.models if row.form.get("webhook_url") is not None]
    if client.webhook is None or not rows:
        not_applicable("the service declares no webhooks")
    with desk(pair) as at:
        secret = at.service.webhook_secret

        def take(delivery: Any) -> int:
            event = _read(delivery.headers, delivery.body)
            same(client.webhook is not None and client.webhook.signature.signed, event.signed, "it is proved")
            same(
                True, event.task_id in {charge.task for charge in at.service.charges}, "the task of a webhook is known"
            )
            seen.append(event.status)
            if event.signed:
                _refuses_forgeries(delivery)
            return 200

        def _read(headers: Mapping[str, str], body: bytes, *, key: str = secret) -> Event:
            return read_event(client, headers, body, secret=key, at=at.now)

        def _refuses_forgeries(delivery: Any) -> None:
            headers, body = delivery.headers, delivery.body
            forged = [("another body", headers, body + b" ", secret), ("no proof", {}, body, secret)]
            forged.append(("another secret", headers, body, f"whsec_{'A' * 32}"))
            proofs = (name for name in headers if name.lower() != "content-type")
            forged += [(f"another {name}", {**headers, name: f"{headers[name]}0"}, body, secret) for name in proofs]
            for about, proof, said, key in forged:
                try:
                    _read(proof, said, key=key)
                except WebhookUnusable:
                    continue
                raise AssertionError(f"a webhook with {about} is believed")

        at.service.webhooks.connect(take)
        at.order(at.plan(rows[0].name, Request("a cat", webhook_url=RECEIVER)))
        at.service.clock.advance(600.0)
        same(True, bool(seen), "a webhook came")
        end = client.state(seen[-1])
        same(True, end is not None and end.ended, f"{seen[-1]} is an end")
