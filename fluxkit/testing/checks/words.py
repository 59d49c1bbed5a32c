"""What the service says is understood, whatever it says, and never costs a second image."""

from typing import Any

from ..._contract.result import Result
from ..._contract.task import State
from ..._mock import kit_of_mock
from ...errors import Charged, FluxError, ServiceError, SubmissionUnknown
from ..check import Pair, check_of, needs_tasks
from ..desk import Answer, Call, PassOn, desk, outcome
from ..differs import same

#: A word that no service has.
UNHEARD = "fluxkit-unheard-of"

#: What the wait for a task comes to whose status stays so. What one comes to that is completed is about its images.
ENDS = {
    State.CREATED: ("Overdue",),
    State.RUNNING: ("Overdue",),
    State.FAILED: ("Failed",),
    State.REFUSED: ("Refused",),
    State.CANCELLED: ("Cancelled",),
    State.VANISHED: ("Vanished",),
}

#: Statuses that a service, or what stands in front of it, may answer with.
STATUSES = (302, 400, 401, 402, 403, 404, 405, 408, 409, 413, 415, 418, 422, 425, 429, 451, 500, 502, 503, 504, 524)

#: Bodies of an answer that is none of the service's own.
FOREIGN = (b"<html><body>Bad Gateway</body></html>", b"", b"[1, 2", b'{"oh": "dear"}')


@check_of("words")
def check_every_status_has_an_end(pair: Pair) -> None:
    """Each declared word ends the wait as its state says, and one that nobody knows counts as running, and is reported.

    A failure means: a task that is paid is given up because of a word, or one that has ended is waited for.
    """
    needs_tasks(pair.client)
    words = {word.replace("*", "anything"): state for word, state in pair.mock.statuses}
    for word, state in {**words, UNHEARD: State.RUNNING}.items():

        def hand(call: Call, pass_on: PassOn, *, word: str = word) -> Answer:
            answer = pass_on(call)
            if not at.asks(call):
                return answer
            return kit_of_mock().saying(pair.mock, "polled", {"id": at.service.charges[-1].task, "status": word})

        with desk(pair, hand=hand) as at:
            end = type(outcome(lambda at=at: at.buy(timeout=60.0))).__name__  # type: ignore[misc]
            if state is State.COMPLETED:
                same(True, all(end not in each for each in ENDS.values()), f"{word} means {state}, and came to {end}")
            else:
                same(True, end in ENDS[state], f"{word} means {state}, and came to {end}")
            problems = [problem for note in at.said for problem in note.entry.get("problems", ())]
            same(word == UNHEARD, any(UNHEARD in problem for problem in problems), f"{word} is reported as unknown")


@check_of("words")
def check_every_refusal_is_an_error_that_says_what_it_cost(pair: Pair) -> None:
    """Whatever a submit is answered with becomes an error of fluxkit; it is sent again only if it is known to be free.

    A failure means: a traceback of another library, a second purchase, or one that is hidden.
    """
    for status in STATUSES:
        own = kit_of_mock().refusal(pair.mock, ServiceError, status=status).body
        for body in (own, *FOREIGN):

            def hand(call: Call, pass_on: PassOn, *, status: int = status, body: bytes = body) -> Answer:
                if not at.buys(call):
                    return pass_on(call)
                return kit_of_mock().Answer(status, body, {"content-type": "application/json"})

            with desk(pair, hand=hand) as at:
                end, about = outcome(at.buy), f"{status} {body[:40]!r}"
                if not isinstance(end, FluxError):
                    raise AssertionError(f"{about}: it came to {end!r}")
                if end.charged is Charged.NO:
                    same(True, 400 <= status < 500 or status == 503, f"{about}: is known to be free")
                    same(True, status not in (408, 409, 503) or body == own, f"{about}: is known to be free")
                else:
                    same("SubmissionUnknown", type(end).__name__, about)
                    same(1, len(at.submits), f"{about}: submits of unknown fate")


@check_of("words")
def check_no_answer_to_a_poll_loses_the_task(pair: Pair) -> None:
    """Whatever a poll is answered with once, the image comes all the same, or an error that carries the task.

    A failure means: a hiccup of the service costs an image that is paid.
    """
    needs_tasks(pair.client)
    for status in STATUSES:
        own = kit_of_mock().refusal(pair.mock, ServiceError, status=status).body
        for body in (own, *FOREIGN):
            said = kit_of_mock().Answer(status, body, {"content-type": "application/json"})
            polls: list[Any] = []

            def hand(call: Call, pass_on: PassOn, *, said: Answer = said, polls: list[Any] = polls) -> Answer:
                if at.asks(call):
                    polls.append(call)
                return said if len(polls) == 1 and at.asks(call) else pass_on(call)

            with desk(pair, hand=hand) as at:
                end, about = outcome(lambda at=at: at.buy(timeout=120.0)), f"{status} {body[:40]!r}"  # type: ignore[misc]
                same(1, at.service.billed, f"{about}: what was bought")
                if isinstance(end, SubmissionUnknown):
                    raise AssertionError(f"{about}: a poll came to {end!r}")
                same(True, isinstance(end, Result) or end.task is not None, f"{about}: {type(end).__name__} has a task")
