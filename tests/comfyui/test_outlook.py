"""What a run will cost is told on the sampler's node: memory and what lies beyond the model before, time from the first
step on."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import struct
from types import SimpleNamespace

import pytest

from .conftest import OUT, ROOT
from .test_api import node
from .test_camera_nodes import module
from .test_report_nodes import done, loaded, sampled

pytestmark = pytest.mark.comfyui
TEXT = 3  # the host's number for progress texts


def texts_of(server, prompt: dict) -> list[str]:
    """Run a prompt and return the progress texts that the page would show on the sampler, in order."""
    import aiohttp

    said = []

    async def listen(done_running: asyncio.Event, ready: asyncio.Event) -> None:
        async with aiohttp.ClientSession() as session, session.ws_connect(f"{server.url}/ws?clientId=texts") as socket:
            ready.set()
            while not done_running.is_set():
                try:
                    message = await socket.receive(timeout=0.5)
                except (asyncio.TimeoutError, TimeoutError):
                    continue
                if message.type is aiohttp.WSMsgType.BINARY and struct.unpack(">I", message.data[:4])[0] == TEXT:
                    length = struct.unpack(">I", message.data[4:8])[0]
                    said.append((message.data[8 : 8 + length].decode(), message.data[8 + length :].decode()))

    async def run() -> None:
        done_running, ready = asyncio.Event(), asyncio.Event()
        listening = asyncio.create_task(listen(done_running, ready))
        await ready.wait()
        await asyncio.to_thread(done, server, prompt)
        done_running.set()
        await listening

    asyncio.run(run())
    return [text for id, text in said if id == "sampler"]


def test_the_time_is_told_from_the_first_step_on_and_what_is_beyond_before(server):
    prompt = loaded(
        sampler=sampled("FullDiTSampler", anchor=0.0),
        decode=node("VAEDecode", samples=["sampler", 0], vae=["load", 2]),
        look=node("PreviewImage", images=["decode", 0]),
    )
    prompt["conditions"]["inputs"] |= {"width": 384, "height": 256, "fit_time": "resample"}
    prompt["sampler"]["inputs"]["steps"] = 3
    texts = texts_of(server, prompt)
    assert len(texts) == 4, json.dumps(texts)
    assert "384x256; the model was trained on 160x96" in texts[0] and "times the tokens" in texts[0]
    assert "the time is known after the first" in texts[0]
    assert [text.split("\n")[-1][:6] for text in texts[1:]] == ["Step 1", "Step 2", "3 step"]


def test_the_time_to_the_first_preview_can_be_measured(server):
    path = ROOT / "benchmarks" / "first_preview.py"
    spec = importlib.util.spec_from_file_location("first_preview", path)
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    figures = asyncio.run(benchmark.measure(server.url, rounds=2, steps=3))
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "first_preview.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    for run in (figures["first run"], figures["later runs"]):
        assert 0 < run["first preview"] < run["end"]


@pytest.mark.parametrize(
    ("needed", "words"), [(1e9, ""), (3e9, "the device has 4 GB."), (9e9, "make the video smaller or shorter")]
)
def test_memory_is_said_where_a_step_needs_much_of_it(host, monkeypatch, needed, words):
    import comfy.model_management

    seen = []

    def memory_required(shape, cond_shapes):
        seen.append((list(shape), dict(cond_shapes)))
        return needed

    inner = SimpleNamespace(
        memory_required=memory_required, extra_conds_shapes=lambda **cond: {"tokens": [1, 16, cond["count"]]}
    )
    monkeypatch.setattr(comfy.model_management, "get_total_memory", lambda device: 4e9)
    model = SimpleNamespace(model=inner, load_device="cpu")
    passes = {"p": [[None, {"count": 7}]], "n": [[None, {"count": 3}]]}
    lines = module("nodes.bridge.outlook").memory_lines(model, (1, 16, 5, 8, 12), passes)
    assert words in " ".join(lines) and bool(lines) == bool(words)
    assert seen[-1] == ([1, 16, 5, 8, 12], {"tokens": [[1, 16, 7]]})
