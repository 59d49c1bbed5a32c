"""ACME Images, a service that does not exist, as a plugin for fluxkit: a declaration, and the hook that brings it."""

from fluxkit import hookimpl
from fluxkit.errors import OutOfCredit
from fluxkit.provider import (
    At,
    Canvas,
    Each,
    Fixed,
    Form,
    Hosted,
    Link,
    Model,
    Money,
    PerMegapixel,
    Provider,
    Real,
    Reason,
    Refusal,
    Route,
    State,
    Text,
    Times,
    Whole,
    With,
)

REQUEST = Form(
    {
        "prompt": At("input.text", Text()),
        "size": At("input.dimensions", Times(), default=(1024, 1024)),
        "seed": At("input.seed", Whole(0, 2**31 - 1)),
        "references": At("input.inspirations", Each(Hosted(), most=2)),
        "webhook_url": At("notify", Link()),
    },
    need=["prompt"],
)

JOB = Form(
    {
        "id": At("ticket", Text()),
        "status": At("phase", Text()),
        "progress": At("percent", Real(0, 100)),
        "images": At("pictures", Each(Form({"url": At("href", Link())}))),
        "reason": At("trouble", Reason()),
        "cost": At("cents", Money("0.01")),
    }
)

ACME = Provider(
    name="acme",
    base_url="https://api.acme.example",
    models=[
        Model(
            name="flux-2-acme",
            sizes=Canvas(range(256, 2049, 32), range(256, 2049, 32), default=(1024, 1024), max_pixels=2_097_152),
            request=With(REQUEST, Fixed("model", "flux-2-acme")),
            duration=6.0,
            price=PerMegapixel("2", "1", unit="0.01"),
            delivers="png",
        )
    ],
    submit=Route("POST", "/jobs"),
    poll=Route("GET", "/jobs/{id}"),
    accepted=At("job", JOB),
    statuses={
        "queued": State.CREATED,
        "drawing": State.RUNNING,
        "drawn": State.COMPLETED,
        "spoilt": State.FAILED,
        "stopped": State.CANCELLED,
    },
    error=At("fault", Form({"message": At("text", Text()), "type": At("kind", Text())}, need=["message"])),
    refusals=[Refusal(403, OutOfCredit, type="purse-empty")],
)


@hookimpl
def fluxkit_providers() -> dict[str, Provider]:
    return {"acme": ACME}
