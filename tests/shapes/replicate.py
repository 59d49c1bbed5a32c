"""Replicate's predictions: the request lies in an object of its own, the output is a bare address or a list of them.

Facts from the vendor's documentation (mid 2026), but for three that were not noted: what the fields of a prediction are
called, where one is asked for, and that a cancel answers with it. These are taken as its words suggest.
"""

from fluxkit.provider import (
    At,
    Cancel,
    Canvas,
    Each,
    Either,
    Fixed,
    Form,
    Hosted,
    Link,
    Model,
    Only,
    Provider,
    Reason,
    Route,
    Sides,
    StandardWebhook,
    State,
    Text,
    Webhook,
    Whole,
    With,
    Words,
)

# The service rounds sides to multiples of 32. Neither are the pixels of its presets stated (a ratio and a number of
# megapixels) nor what it takes by default.
SIZES = Canvas(range(256, 2049, 32), range(256, 2049, 32))

REQUEST = Form(
    {
        "prompt": At("input.prompt", Text()),
        "size": With(At("input", Sides()), Fixed("input.aspect_ratio", "custom")),
        "references": At("input.input_images", Each(Hosted(), most=8)),
        "seed": At("input.seed", Whole()),
        "safety_tolerance": At("input.safety_tolerance", Whole(1, 5)),
        "output_format": At(
            "input.output_format", Words({"webp": "webp", "jpeg": "jpg", "png": "png"}), default="webp"
        ),
        "output_quality": At("input.output_quality", Whole()),
        "webhook_url": At("webhook", Link()),
        "webhook_events_filter": At("webhook_events_filter", Each(Text())),
    },
    need=["prompt"],
)

IMAGE = Form({"url": At("", Link())})

PREDICTION = Form(
    {
        "id": At("id", Text()),
        "status": At("status", Text()),
        "images": At("output", Either(Only(IMAGE), Each(IMAGE))),
        "reason": At("error", Reason()),
    }
)

REPLICATE = Provider(
    name="replicate",
    base_url="https://api.replicate.com",
    models=[Model("flux-2-pro", REQUEST, SIZES, delivers="webp")],
    submit=Route("POST", "/v1/models/black-forest-labs/{model}/predictions"),
    poll=Route("GET", "/v1/models/black-forest-labs/{model}/predictions/{id}"),
    cancel=Cancel(Route("POST", "/v1/models/black-forest-labs/{model}/predictions/{id}/cancel"), PREDICTION),
    accepted=PREDICTION,  # with "Prefer: wait" it may have succeeded already
    statuses={
        "starting": State.CREATED,
        "processing": State.RUNNING,
        "succeeded": State.COMPLETED,
        "failed": State.FAILED,
        "canceled": State.CANCELLED,
        "aborted": State.FAILED,
    },
    error=Form({"message": At("detail", Text()), "type": At("type", Text())}, need=["message"]),
    link_life=3600.0,
    webhook=Webhook(PREDICTION, StandardWebhook(), every=True),
    samples="shapes:samples/replicate.json",
    source="the vendor's documentation",
)
