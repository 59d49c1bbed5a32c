"""The rows of the table: which fault befalls which client, and what a row says."""

from collections.abc import Iterable, Sequence

import attrs

#: The answer of an accepted submit is lost so many times, in words that a service is sent as the prompt.
LOST = {f"answer lost {times} x": times for times in (1, 3, 9)}
DOWNLOAD = "download 503 twice"
REFUSAL = "n = 4, one refused"
JOB = "10 s job"

#: How many seconds that job takes, how often that download fails, and which of those submits is refused.
SECONDS, FAILURES, REFUSED = 10.0, 2, 3

FAL, OPENAI, LITELLM, ROUTER = (
    "fal_client.subscribe",
    "openai images.generate",
    "litellm.image_generation",
    "litellm.Router",
)
REPLICATE, PREDICTION, VERCEL = "replicate.run", "replicate predictions.create, wait", "ai generateImage"
FLUXKIT, DOCUMENTED = "fluxkit", "fluxkit, 19 s documented"

#: Which clients can meet which fault. Those of fal and OpenAI leave the download to their caller or bring the image in
#: the answer, and ask for several images in one call, which is refused whole; OpenAI's hold the call and do not poll.
ROWS: Sequence[tuple[str, str]] = (
    *((fault, client) for fault in LOST for client in (FAL, OPENAI, LITELLM, ROUTER, REPLICATE, VERCEL, FLUXKIT)),
    *((DOWNLOAD, client) for client in (REPLICATE, VERCEL, FLUXKIT)),
    *((REFUSAL, client) for client in (VERCEL, FLUXKIT)),
    *((JOB, client) for client in (FAL, PREDICTION, REPLICATE, VERCEL, FLUXKIT, DOCUMENTED)),
)

HEAD = ("fault", "client", "bought", "in hand", "polls", "late", "error")

#: There is no error; there is one that does not say that something was bought, or that it may have been; one that does.
NONE, SILENT, SAYS = "none", "says nothing", "says so"


@attrs.frozen
class Row:
    """What became of one call.

    *late* is how many seconds after its end the client was told of it, *error* what an error says of what was bought.
    """

    fault: str
    client: str
    bought: int
    in_hand: int
    polls: int
    late: float | None
    error: str

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as it is printed; how late is worth saying of the long job only."""
        late = "" if self.late is None or self.fault != JOB else f"{self.late:.1f} s"
        return (self.fault, self.client, str(self.bought), str(self.in_hand), str(self.polls), late, self.error)


def table(rows: Iterable[Row]) -> str:
    """The rows as a table in Markdown, as it stands in docs/reference/faults.md."""
    lines = [HEAD, ("---",) * len(HEAD), *(row.cells for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
