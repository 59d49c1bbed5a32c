"""The page of the mock's faults and switches, from its code."""

from collections.abc import Sequence

from pages import table

from fluxkit.provider import Provider
from fluxkit_mockserver import FAULTS, SWITCHES, Fault, Switch
from fluxkit_mockserver.armed import GRAMMAR
from fluxkit_mockserver.switches import switches_of

NOTE = "<!-- Written by scripts/mock_page.py from the mock itself; do not edit. -->"

FAULTS_ARE = f"""\
A fault is armed by `mock.fault(name)`, and from then on it may strike: at every chance, or at most `times` times, with
a probability of `rate`, for the `task` of a number or an id, for the requests that `match`. The dice are seeded: the
same seed and the same calls, the same mishaps. `mock.faults` lists what is armed and how often each has `struck`;
`mock.unfault(name)` takes one back, and `mock.unfault()` all.

In a line, as `fluxkit mock --fault` takes it, that is `{GRAMMAR}`:"""

LINES = (
    ("`503:x3`", 'the next three submits: `mock.fault("503", times=3)`'),
    ("`accepted-then-dropped:0.1`", "one submit of ten; `10%` is the same"),
    ("`stuck:#2`", "the second task that is accepted, by its number; or by its id, where it is known by then"),
    (
        "`fail:model=flux-2-*:prompt=*cat*`",
        'requests that match: `mock.fault("fail", match={"model": "flux-2-*", "prompt": "*cat*"})`',
    ),
    ("`link-503:0.5:x2:provider=apimart`", "of one service, half of the times, twice"),
)

MATCHING = """\
The facts of a request are `provider`, `model`, and its values by the names of the model's form: `prompt`, `seed`,
options. `*` and `?` stand for any letters, and in Python `match` may also be a function of these facts. A colon in a
value is written as `?`. What a service cannot have is said when it is armed for that service alone, and does not strike
it when it is armed for several.

Every fault ends alike in process and on a port, on the mock's own time: what takes seconds takes seconds of the mock.
What an app should make of each is in [test offline](../how-to/offline-tests.md#faults)."""

SWITCHES_ARE = """\
Some things no page says of a service. The mock does then what is likeliest, the first value below unless it says
otherwise, and each is a switch: `MockService(providers, switches={"magnific.envelope": "bare"})`, or
`fluxkit mock --switch magnific.envelope=bare`. Without a service before it, a name sets the switch of every service
that has it. Which those are follows from the declaration of a service, so a provider of yours has its switches too.
`mock.switches` says how each is set."""

TIMES = """\
Durations and lives are arguments of `MockService`: `durations` (`"fixed"` as declared, `"spread"` around that, seconds
by model, or a function of a task's number), and `retention`, after which a task is forgotten as if it had never been: a
week, because no page says it. A link lives as long as the declaration says, and each poll gives a fresh one."""

MOMENTS = {
    "submit": "The submit",
    "task": "The task",
    "poll": "Polls",
    "link": "Links",
    "image": "Images",
    "webhook": "Webhooks",
}


def mock_page(providers: Sequence[Provider]) -> str:
    """docs/reference/mock-faults.md."""
    parts = [
        "# Faults and switches of the mock",
        NOTE,
        "## Faults",
        FAULTS_ARE,
        table(["line", "strikes"], LINES),
        MATCHING,
    ]
    for moment, title in MOMENTS.items():
        faults = [fault for fault in FAULTS.values() if fault.moment == moment]
        rows = [[f"`{fault.name}`", fault.about, unable(fault, providers)] for fault in faults]
        parts += [f"### {title}", table(["fault", "what happens", "does not apply to"], rows)]
    parts += ["## Switches", SWITCHES_ARE, switches(providers), "## Times", TIMES]
    return "\n\n".join(parts) + "\n"


def unable(fault: Fault, providers: Sequence[Provider]) -> str:
    """The services that cannot have a fault, and why."""
    reasons = {each.name: reason for each in providers if (reason := fault.obstacle(each))}
    return "; ".join(f"{name}: {reason}" for name, reason in reasons.items())


def switches(providers: Sequence[Provider]) -> str:
    """The table of the switches."""
    rows = [
        [f"`{name}`", values(switch, providers), switch.about, whose(name, providers), switch.source]
        for name, switch in SWITCHES.items()
    ]
    return table(["switch", "values", "decides", "services", "because"], rows)


def values(switch: Switch, providers: Sequence[Provider]) -> str:
    """The values of a switch, and where another than the first is usual."""
    concerned = [each for each in providers if switch.concerns(each)]
    others = [f"{each.name}: `{usual}`" for each in concerned if (usual := switch.usual(each)) != switch.values[0]]
    return ", ".join(f"`{value}`" for value in switch.values) + (f" ({'; '.join(others)})" if others else "")


def whose(name: str, providers: Sequence[Provider]) -> str:
    """The services that have a switch."""
    return ", ".join(each.name for each in providers if name in switches_of(each))
