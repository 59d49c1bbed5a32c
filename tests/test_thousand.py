"""A thousand tasks at once, over a socket."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import httpx
import pytest

from fluxkit_mockserver import MockService
from fluxkit_mockserver.server import Server
from fluxkit_providers.magnific import MAGNIFIC

KLEIN = "/magnific/v1/ai/text-to-image/flux-2-klein"
KEY = {"x-magnific-api-key": "test"}
TASKS, LINES = 1_000, 16

Call = Callable[[httpx.AsyncClient, str], Awaitable[httpx.Response]]


async def each(items: list[str], call: Call, url: str) -> list[str]:
    """What is answered to each, over so many lines; every answer is 200."""
    answers = dict[str, str]()
    left = iter(items)
    async with httpx.AsyncClient(base_url=url, headers=KEY, trust_env=False, verify=False) as client:

        async def line() -> None:
            for item in left:
                answer = await call(client, item)
                assert 200 == answer.status_code
                answers[item] = answer.text

        async with asyncio.TaskGroup() as group:
            for _ in range(LINES):
                group.create_task(line())
    return [answers[item] for item in items]


@pytest.mark.slow
def test_a_thousand_tasks_in_flight_all_end_are_billed_once_and_are_forgotten() -> None:
    mock = MockService([MAGNIFIC])
    prompts = [f"fox {number}" for number in range(TASKS)]
    with Server(mock) as server:
        made = asyncio.run(each(prompts, lambda http, prompt: http.post(KLEIN, json={"prompt": prompt}), server.url))
        ids = [json.loads(answer)["data"]["task_id"] for answer in made]
        assert ({*ids}, TASKS) == ({task.id for task in mock.tasks}, len({*ids}))
        assert prompts == [task.values["prompt"] for task in map(mock.task, ids) if task is not None]
        assert {"CREATED"} == {mock.standing(task)[0] for task in mock.tasks}
        mock.clock.advance(60)
        told = asyncio.run(each(ids, lambda http, task: http.get(f"{KLEIN}/{task}"), server.url))
        assert {"COMPLETED"} == {json.loads(answer)["data"]["status"] for answer in told}
        assert TASKS == len({json.loads(answer)["data"]["generated"][0] for answer in told})
        assert (TASKS, {*ids}) == (mock.billed, {charge.task for charge in mock.charges})
        mock.clock.advance(1e8)
        gone = httpx.get(f"{server.url}{KLEIN}/{ids[0]}", headers=KEY, trust_env=False)
    assert (404, (), TASKS) == (gone.status_code, mock.tasks, mock.billed)
