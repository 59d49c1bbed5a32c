"""How long to wait before looking again, and how long a call may take.

What an answer itself estimates is not used: the one exchange in which an estimate and the truth are both on record,
APIMart's, promises 60 seconds and took 19, and whoever had believed it would have come at 33.
"""

import random

#: The shortest time in seconds between two polls of one task.
SHORTEST = 0.6

#: A poll comes when the wait has lasted this much longer than at the poll before: the end is noticed on average 9 %
#: late, with about 6 polls for each factor of e in time.
GROWTH = 0.18

#: After a first look, polls begin at this part of the documented duration: documents are right within a factor of two,
#: and from a little above half of it ten polls reach to its double.
EARLY = 0.55

FIRST_RETRY = 0.5
LONGEST_RETRY = 30.0

#: No call is given less time in seconds: one that was cut off at once would only leave its fate unknown.
SHORTEST_CALL = 1.0


def poll_delay(waited: float, duration: float | None = None, *, before: float = 0.0) -> float:
    """Seconds until the next poll of a task that was waited for for *waited* seconds, and ran for *before* unwatched.

    *duration* is how many seconds it takes as documented. How long it ran unwatched counts only against that: whoever
    comes back to an old task does not want to be told of its end by the age of the task. One look comes soon in any
    case: a task may be done at once, and the time of a mock may run faster than ours.
    """
    early = EARLY * duration - before - waited if waited and duration is not None else 0.0
    return max(SHORTEST, GROWTH * waited, early)


def backoff(attempt: int, asked: float | None = None) -> float:
    """Seconds until retry number *attempt* (from 0): doubling and jittered, and at least what the service *asked* for.

    The jitter keeps clients that failed together from returning together.
    """
    longest = min(LONGEST_RETRY, FIRST_RETRY * 2.0 ** min(attempt, 10))  # a float cannot double for ever
    spread = longest * random.uniform(0.75, 1.25)  # noqa: S311 - no secret
    return spread if asked is None else max(asked, spread)


def call_time(now: float, deadline: float, most: float) -> float:
    """How many seconds a call that starts *now* may take, at most *most*; 0 if it must not start.

    What is due at the deadline itself is still done: a last look is worth a moment, because the image may be there, and
    it is paid. All of that together ends ``SHORTEST_CALL`` seconds later.
    """
    return max(0.0, min(most, deadline + SHORTEST_CALL - now))
