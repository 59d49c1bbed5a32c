"""The style of OpenAI's images, which many services speak: no task, the answer is the image. And Together's dialect.

Facts from the vendors' documentation (mid 2026). Host and model differ from service to service: these are examples.
"""

import attrs

from fluxkit.provider import (
    At,
    Bytes,
    Canvas,
    Each,
    Either,
    Fixed,
    Form,
    Link,
    Model,
    Only,
    Provider,
    Route,
    Sides,
    Text,
    Times,
    Whole,
    With,
)

# Bounds and default differ, too, and are not stated.
SIZES = Canvas(range(1, 100_000), range(1, 100_000))

PROMPT = Form({"prompt": At("prompt", Text())}, need=["prompt"])

OPENAI = Provider(
    name="openai",
    base_url="https://images.example.com",
    models=[
        Model(
            "flux",
            request=With(With(PROMPT | Form({"size": At("size", Times())}), Fixed("model", "flux")), Fixed("n", 1)),
            sizes=SIZES,
        )
    ],
    submit=Route("POST", "/v1/images/generations"),
    accepted=Form(
        {
            "images": At(
                "data",
                Each(
                    Either(
                        Form({"content": At("b64_json", Bytes())}, need=["content"]),
                        Form({"url": At("url", Link())}, need=["url"]),
                    )
                ),
            )
        }
    ),
    error=At(
        "error",
        Form(
            {
                "message": At("message", Text()),
                "type": At("type", Text()),
                "fields": At("param", Only(Form({"name": At("", Text())}))),
            },
            need=["message"],
        ),
    ),
    samples="shapes:samples/openai.json",
    source="the vendors' documentation",
)

TOGETHER = attrs.evolve(
    OPENAI,
    name="together",
    models=[
        Model(
            "flux",
            request=With(
                With(
                    With(PROMPT | Form({"size": Sides(), "seed": At("seed", Whole())}), Fixed("model", "flux")),
                    Fixed("n", 1),
                ),
                Fixed("response_format", "base64"),
            ),
            sizes=SIZES,
        )
    ],
)
