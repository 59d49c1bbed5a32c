"""fluxkit under the same faults, on the mocks that come with it and on a clock that nobody waits for.

The mock in process ends every exchange as the mock on a port does, which a test of fluxkit shows; what it has no fault
for, a refusal of one image of four and a download that fails, is put in front of it here.
"""

import tempfile
from pathlib import Path

import attrs

import fluxkit
from fluxkit._plugins import installed
from fluxkit.errors import FluxError
from fluxkit_mockserver import MockService
from fluxkit_mockserver.answer import PLAIN, Answer, Drop, Incoming

from .rows import DOCUMENTED, DOWNLOAD, FAILURES, JOB, LOST, NONE, REFUSAL, REFUSED, SAYS, SECONDS, SILENT, Row

#: The models, each by the name of its row: of one no page says how long it takes, of the other one says 19 s.
MODELS = {"fluxkit": "magnific:flux-2-klein", DOCUMENTED: "apimart:flux-2-flex"}

#: What Magnific says of a request that it does not accept.
NO = b'{"message": "The prompt is not acceptable."}'


class Mishaps(MockService):
    """A mock that refuses the third submit, or fails the first two downloads, where the fault says so."""

    def __init__(self, provider: str, fault: str) -> None:
        declared = installed().provider(provider)
        # The mock alone knows how long the job takes: the client goes by what is documented.
        models = tuple(attrs.evolve(model, duration=SECONDS) for model in declared.models)
        progression = "seconds" if fault == JOB else "at once"
        super().__init__([attrs.evolve(declared, models=models)], progression=progression)
        self.strikes = {DOWNLOAD: FAILURES, REFUSAL: REFUSED}.get(fault, 0)
        self.hit = {DOWNLOAD: "GET", REFUSAL: "POST"}.get(fault)
        self.refuses = fault == REFUSAL
        if fault in LOST:
            self.fault("accepted-then-dropped", times=LOST[fault])

    def handle(self, call: Incoming) -> Answer | Drop:
        """What the mock does with a call, unless the fault strikes."""
        if call.method == self.hit and self.strikes and (self.refuses or call.path.startswith("/__mock__/images/")):
            self.strikes -= 1
            if not self.refuses:
                return Answer(503, b"Service Unavailable\n", PLAIN)
            if not self.strikes:
                return Answer(400, NO, {"content-type": "application/json"})
        return super().handle(call)


def row(fault: str, client: str) -> Row:
    """What becomes of one call of fluxkit."""
    provider, _, _ = MODELS[client].partition(":")
    mock = Mishaps(provider, fault)
    images, error = (), None
    with tempfile.TemporaryDirectory() as place, fluxkit.Client(MODELS[client], mock=mock) as ours:
        try:
            result = ours.generate("a lighthouse at dusk", n=4 if fault == REFUSAL else 1, to=Path(place))
            images = [image for image in result.images if image.path.read_bytes()]
        except FluxError as raised:
            error = raised
    polls = [each for each in mock.exchanges if each.method == "GET" and "/__mock__/" not in each.path]
    return Row(
        fault=fault,
        client=client,
        bought=mock.billed,
        in_hand=len(images),
        polls=len(polls),
        late=polls[-1].at - mock.charges[0].at - SECONDS if fault == JOB else None,
        error=NONE if error is None else SAYS if error.charged else SILENT,
    )
