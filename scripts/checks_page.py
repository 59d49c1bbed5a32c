"""docs/reference/checks.md: every promise of the contract kit, what it means if it is broken, and who breaks it."""

from pages import table

from fluxkit.testing import CHECKS
from fluxkit.testing.bad import BAD
from fluxkit.testing.live import LIVE, check_recorded_answers_do_not_drift

HEAD = """\
# Checks

<!-- Written by scripts/generate_docs.py from the checks and the bad providers; do not edit. -->

The promises that the contract kit tries, in the order in which `fluxkit verify` prints them. Each is tried with a
client of a provider against a mock of it, on virtual time and without a socket. A check that does not apply says why:
the service has no such thing, or nothing was recorded that could show it."""

KINDS = {
    "client": (
        "The client, against what was recorded",
        "The mock plays no part: what the client sends and reads is held against the samples of the service.",
    ),
    "mock": (
        "The mock, against what was recorded",
        "The client plays no part: whoever knows the service only by its samples finds them confirmed by the mock.",
    ),
    "both": ("Client and mock, against each other", "What the two say to each other, and whether they agree."),
    "fields": (
        "Fields",
        "What becomes of each field of a request: sent as asked, approximated, dropped by name, or refused.",
    ),
    "words": ("Words", "What the service says, in its own words or in a gateway's, and what the client makes of it."),
    "keys": ("Keys and addresses", "The key goes to the service and to nobody else, and a link goes out as it came."),
    "money": ("Money", "The bill of the mock is the judge, whatever the client believes."),
    "waiting": ("Waiting", "Time is the mock's, so an hour costs nothing."),
    "tasks": ("Tasks and webhooks", "What is bought can be waited for elsewhere, and what is reported must be proved."),
    "memory": ("Memory", "What is measured is what the client holds, and not the mock."),
    "live": (
        "The service itself",
        "What only the service can show: with `--live` it is asked, and one image is bought for all that need one.",
    ),
}

TRIED = """\
## Bad providers

What the checks are worth: `fluxkit.testing.bad` makes these of a good provider. A test tries each, and it fails the
checks beside it, no more and no fewer."""

ALL = (*CHECKS, check_recorded_answers_do_not_drift, *LIVE)


def checks_page() -> str:
    """The page."""
    parts = [HEAD]
    if strange := {check.kind for check in ALL} - KINDS.keys():
        raise SystemExit(f"nobody has said what the kinds {strange} are")
    for kind, (title, about) in KINDS.items():
        rows = [
            [
                f"`{check.name}`",
                check.promise,
                check.meaning.removeprefix("A failure means: ")[:1].upper()
                + check.meaning.removeprefix("A failure means: ")[1:],
            ]
            for check in ALL
            if check.kind == kind
        ]
        parts += [f"## {title}", about, table(["check", "the promise", "what a failure means"], rows)]
    tried = [[f"`{bad.name}`", bad.about, _failed(bad.fails)] for bad in BAD]
    parts += [TRIED, table(["provider", "what it does", "what it fails"], tried)]
    return "\n\n".join(parts) + "\n"


def _failed(names: frozenset[str]) -> str:
    """The checks of these names, in the order in which they are tried."""
    return ", ".join(f"`{check.name}`" for check in CHECKS if check.name in names)
