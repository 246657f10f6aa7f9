"""How long it takes from Run to the first preview, and to the end, in a ComfyUI that runs with this pack.

The clip is the embedded model's, by its own settings. The first run loads the models; the others change the seed.

    python benchmarks/first_preview.py [--url http://127.0.0.1:8188] [--rounds 5] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
import uuid
from typing import Any

import aiohttp

PREVIEWS = (1, 4)  # the kinds of binary messages that hold an image, without and with its node


def node(kind: str, /, **inputs: Any) -> dict[str, Any]:
    """Return a node of an API prompt."""
    return {"class_type": kind, "inputs": inputs}


def prompt(seed: int, steps: int) -> dict[str, Any]:
    """Return the example under a camera and an identity: 17 frames of 96x64. steps 0: the model's own."""
    return {
        "load": node("FullDiTLoad", checkpoint="embedded", vae="embedded", precision="default"),
        "example": node("FullDiTExample"),
        "camera": node(
            "FullDiTCameraPreset",
            **{"movement": "dolly_in", "movement.amount": 0.3},
            frames=17,
            fps=8.0,
            ease="linear",
        ),
        "one": node("FullDiTIdentity", name="one", image=["example", 0], mask=["example", 1], strength=1.0),
        "conditions": node(
            "FullDiTConditions",
            **{"camera": ["camera", 0], "identities.identity0": ["one", 0]},
            **{"frames": 17, "width": 96, "height": 64, "spread": True, "camera_strength": 1.0, "depth_strength": 1.0},
        ),
        "sampler": node(
            "FullDiTSampler",
            **{name: ["load", index] for index, name in enumerate(("model", "clip", "vae"))},
            conditions=["conditions", 0],
            prompt="a ball",
            seed=seed,
            steps=steps,
            cfg=-1.0,
            sampler_name="auto",
            scheduler="auto",
        ),
        "decode": node("VAEDecode", samples=["sampler", 0], vae=["load", 2]),
        "look": node("PreviewImage", images=["decode", 0]),
    }


async def run(session: aiohttp.ClientSession, url: str, seed: int, steps: int) -> tuple[float, float]:
    """Return seconds from the request to the first preview and to the end. Raises RuntimeError for a run that fails."""
    client, preview = uuid.uuid4().hex, None
    async with session.ws_connect(f"{url}/ws?clientId={client}", max_msg_size=0) as socket:
        began = time.perf_counter()
        body = {"prompt": prompt(seed, steps), "client_id": client}
        async with session.post(f"{url}/prompt", json=body) as answer:
            if answer.status != 200:
                raise RuntimeError(f"ComfyUI refused the prompt: {await answer.text()}")
        async for message in socket:
            if message.type == aiohttp.WSMsgType.BINARY:
                if preview is None and int.from_bytes(message.data[:4], "big") in PREVIEWS:
                    preview = time.perf_counter() - began
                continue
            told = json.loads(message.data)
            if told["type"] == "execution_error":
                raise RuntimeError(told["data"]["exception_message"])
            if told["type"] == "execution_success":
                break
        if preview is None:
            raise RuntimeError("The run ended without a preview.")
        return preview, time.perf_counter() - began


async def measure(url: str, rounds: int, steps: int = 0) -> dict[str, Any]:
    """Return the seconds of the first run, and the medians of the others."""
    async with aiohttp.ClientSession() as session:
        seeds = [time.time_ns() % 2**32 + number for number in range(rounds + 1)]  # none that the host knows already
        (preview, end), *others = [await run(session, url, seed, steps) for seed in seeds]
    return {
        "first run": {"first preview": round(preview, 3), "end": round(end, 3)},
        "later runs": {
            name: round(statistics.median(values), 3)
            for name, values in zip(("first preview", "end"), zip(*others, strict=True), strict=True)
        },
        "rounds": rounds,
    }


def main() -> None:
    """Print what was measured as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--url", default="http://127.0.0.1:8188")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    text = json.dumps(asyncio.run(measure(args.url, args.rounds)), indent=2)
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            file.write(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
