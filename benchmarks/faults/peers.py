"""The clients of others, each used as its documentation begins, in a process of its own.

    python benchmarks/faults/peers.py PEER ADDRESS FAULT/CLIENT ...

Prints, for each call, how many images came and the error in full, as a line of JSON. Nothing is set but where the
service is and a key that opens nothing; what else was touched is said beside it.
"""

import importlib
import json
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


def fal(address: str) -> dict[str, Callable[[str], int]]:
    """fal_client: FAL_RUN_HOST and FAL_QUEUE_RUN_HOST say where the service is."""
    client = importlib.import_module("fal_client.client")
    # It writes https before the host that it is told.
    client.QUEUE_URL_FORMAT = f"{address}/"
    # Its waits between ten tries make up a minute. How often it tries is not touched.
    client.BASE_DELAY /= 100

    def subscribe(prompt: str) -> int:
        import fal_client

        # It leaves the download to its caller: what comes are links.
        return len(fal_client.subscribe("fal-ai/flux/dev", arguments={"prompt": prompt})["images"])

    return {"fal_client.subscribe": subscribe}


def openai(_address: str) -> dict[str, Callable[[str], int]]:
    """openai: OPENAI_BASE_URL says where the service is."""
    from openai import OpenAI

    def generate(prompt: str) -> int:
        return len(OpenAI().images.generate(model="gpt-image-1", prompt=prompt).data)

    return {"openai images.generate": generate}


def litellm(address: str) -> dict[str, Callable[[str], int]]:
    """LiteLLM: ``api_base`` says where the service is; its clients for FLUX poll at the real hosts only."""
    import litellm

    facts = {"model": "openai/gpt-image-1", "api_base": f"{address}/v1", "api_key": "test"}

    def image_generation(prompt: str) -> int:
        return len(litellm.image_generation(prompt=prompt, **facts).data)

    def router(prompt: str) -> int:
        models = [{"model_name": "image", "litellm_params": facts}]
        return len(litellm.Router(model_list=models).image_generation(prompt=prompt, model="image").data)

    return {"litellm.image_generation": image_generation, "litellm.Router": router}


def replicate(_address: str) -> dict[str, Callable[[str], int]]:
    """replicate: REPLICATE_BASE_URL says where the service is."""
    import replicate
    from replicate.helpers import FileOutput

    model = "black-forest-labs/flux-dev"

    def run(prompt: str) -> int:
        # It makes these of links by https; of others it gives the text.
        files = [FileOutput(link, replicate.default_client) for link in replicate.run(model, input={"prompt": prompt})]
        return len([file.read() for file in files])

    def prediction(prompt: str) -> int:
        made = replicate.models.predictions.create(model, input={"prompt": prompt})
        made.wait()
        return len(made.output)

    return {"replicate.run": run, "replicate predictions.create, wait": prediction}


PEERS = {"fal_client": fal, "openai": openai, "litellm": litellm, "replicate": replicate}


def outcome(call: Callable[[str], int], prompt: str) -> dict[str, object]:
    """How a call ended; of an error its text and whatever it carries."""
    try:
        return {"prompt": prompt, "images": call(prompt), "error": None}
    except Exception as error:  # noqa: BLE001 - whatever it raises is what its caller gets
        return {"prompt": prompt, "images": 0, "error": f"{type(error).__name__}: {error} {vars(error)!r}"}


def main(peer: str, address: str, *prompts: str) -> None:
    """Makes all calls side by side: most of the time is waiting."""
    calls = PEERS[peer](address)
    with ThreadPoolExecutor(len(prompts)) as pool:
        found = pool.map(lambda prompt: outcome(calls[prompt.partition(" / ")[2]], prompt), prompts)
        for line in found:
            print(json.dumps(line))
    sys.stdout.flush()
    os._exit(0)  # some leave threads behind that hold the process


if __name__ == "__main__":
    main(*sys.argv[1:])
