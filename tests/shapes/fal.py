"""fal's queue: every address comes with an answer, and the images come with a call of their own.

Facts from the vendor's documentation of the queue and of the models (mid 2026).
"""

from fluxkit.errors import Refused, Rejected
from fluxkit.provider import (
    At,
    Base64,
    Cancel,
    Canvas,
    Each,
    Either,
    Form,
    Hosted,
    Key,
    Link,
    Model,
    Provider,
    Query,
    Quoted,
    Reason,
    Refusal,
    Route,
    Sides,
    State,
    Tagged,
    Text,
    Trail,
    Whole,
    Words,
)

# Neither the bounds of width and height are stated nor the pixels of the presets, such as the default, landscape_4_3.
SIZES = Canvas(range(1, 100_000), range(1, 100_000))

TEXT = Form(
    {
        "prompt": At("prompt", Text()),
        "size": At("image_size", Sides()),
        "seed": At("seed", Whole()),
        "safety_tolerance": At("safety_tolerance", Quoted(Whole(1, 5)), default=2),
        "output_format": At("output_format", Words(["jpeg", "png"])),
        "webhook_url": Query("fal_webhook", Link()),
    },
    need=["prompt"],
)

# Which formats it reads is not stated; these are the ones that it writes. Nor is how many images it takes.
DATA = Either(Base64(["jpeg"], "data:image/jpeg;base64,"), Base64(["png"], "data:image/png;base64,"))
EDIT = TEXT | Form({"references": At("image_urls", Each(Either(DATA, Hosted())))}, need=["references"])

ACCEPTED = Form(
    {
        "id": At("request_id", Text()),
        "poll_url": At("status_url", Link()),
        "result_url": At("response_url", Link()),
        "cancel_url": At("cancel_url", Link()),
    }
)

IMAGE = Form(
    {
        "url": At("url", Link()),
        "width": At("width", Whole()),
        "height": At("height", Whole()),
        "media_type": At("content_type", Text()),
    }
)

PROBLEM = Form({"name": At("loc", Trail("body")), "reason": At("msg", Text()), "type": At("type", Text())})

FAL = Provider(
    name="fal",
    base_url="https://queue.fal.run",
    key=Key(form="Key {key}"),
    models=[
        Model("flux-2-pro", TEXT, SIZES),
        Model("flux-2-pro", EDIT, SIZES, path="flux-2-pro/edit"),
        Model("flux-2-flex", TEXT, SIZES),
        Model("flux-2-max", TEXT, SIZES),
        Model("flux-2-klein-4b", TEXT, SIZES, path="flux-2/klein/4b"),
        Model("flux-2-klein-9b", TEXT, SIZES, path="flux-2/klein/9b"),
    ],
    submit=Route("POST", "/fal-ai/{model}"),
    accepted=ACCEPTED,
    poll=Route("GET", "/fal-ai/{model}/requests/{id}/status", given=True),
    polled=Form(
        {
            "status": Tagged(At("status", Text()), At("error_type", Text())),
            "reason": At("error", Reason()),
        }
    ),
    statuses={
        "IN_QUEUE": State.CREATED,
        "IN_PROGRESS": State.RUNNING,
        "COMPLETED": State.COMPLETED,
        "COMPLETED:content_policy_violation": State.REFUSED,
        "COMPLETED:*": State.FAILED,
    },
    answers={"IN_QUEUE": 202, "IN_PROGRESS": 202},
    result=Route("GET", "/fal-ai/{model}/requests/{id}", given=True),
    cancel=Cancel(Route("PUT", "/fal-ai/{model}/requests/{id}/cancel", given=True), status=202, late=400),
    resulted=Form({"images": At("images", Each(IMAGE)), "seed": At("seed", Whole())}),
    error=Either(
        Form({"fields": At("detail", Each(PROBLEM))}, need=["fields"]),
        Form({"message": At("detail", Text())}, need=["message"]),
    ),
    refusals=[Refusal(422, Refused, type="content_policy_violation"), Refusal(422, Rejected)],
    samples="shapes:samples/fal.json",
    source="the vendor's documentation",
)
