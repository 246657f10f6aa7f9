"""Control videos and sound in the real host: the nodes and what they show, and public models that read them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from .conftest import OUT, ROOT
from .driver_cases import FRAMES, HEIGHT, WIDTH, conditions, difference, module, plan_of, predict
from .test_api import node
from .test_mask_nodes import BUILD
from .test_page import FIT, UPDATE, browser, crop, page, press_run  # noqa: F401 - two of them are fixtures
from .tiny_models import load, write_wan

pytestmark = pytest.mark.comfyui

ACTS, SAME = 1e-3, 1e-5
PLACES = {
    "example": (-420, 0),
    "load": (-420, 420),
    "control": (0, 0),
    "sound": (420, 0),
    "conditions": (840, 0),
    "asked": (1260, 0),
    "seen": (1260, 300),
}
NODES = {"FullDiTControlVideo": "canny, detect: 17 frames", "FullDiTSound": "2.12 s."}


def chain(folder) -> dict:
    """Edges of the example's video, and a sound of its length, as conditions for a model that knows neither."""
    (folder / "input").mkdir(exist_ok=True)
    module("control.sound").write_tone(folder / "input" / "beats.wav", np.arange(17) % 4 / 3, 8.0)
    return {
        "example": node("FullDiTExample"),
        "control": node("FullDiTControlVideo", kind="canny", source="detect", images=["example", 3], strength=1.0),
        "load": node("LoadAudio", audio="beats.wav"),
        "sound": node("FullDiTSound", audio=["load", 0], strength=1.0),
        "conditions": node(
            "FullDiTConditions",
            frames=17,
            width=96,
            height=64,
            spread=False,
            camera_strength=1.0,
            depth_strength=1.0,
            **{"conditions.condition0": ["control", 0], "conditions.condition1": ["sound", 0]},
        ),
        "asked": node("FullDiTPreview", conditions=["conditions", 0], layout="frames", height=64),
        "seen": node("PreviewImage", images=["asked", 0]),
    }


def test_nodes_become_conditions_whose_tokens_are_counted(server, host):
    history = server.wait(server.queue(chain(server.folder)))
    assert history["status"]["status_str"] == "success", history["status"]["messages"][-1]
    text = "\n".join(history["outputs"]["conditions"]["text"])
    assert "canny" in text and "sound" in text and len(history["outputs"]["seen"]["images"]) == 17


def test_the_nodes_show_what_they_made(server, host, page):  # noqa: F811
    """On the page; the nodes are the images of the help pages."""
    page.evaluate(BUILD, [chain(server.folder), PLACES])
    history = server.wait(press_run(page))
    assert history["status"]["status_str"] == "success", history["status"]["messages"][-1]
    text = """(kind) => window.app.graph._nodes.find((n) => n.type === kind)
      .widgets.find((w) => w.name === 'tokens')?.element.textContent"""
    for kind, start in NODES.items():
        page.wait_for_function(f"(kind) => ({text})(kind)?.startsWith({json.dumps(start)})", arg=kind)
        page.wait_for_function(
            "(kind) => window.app.graph._nodes.find((n) => n.type === kind).imgs?.length === 1", arg=kind
        )
    page.evaluate(
        "(tall) => { for (const n of window.app.graph._nodes)"
        " n.setSize([Math.max(n.size[0], tall.includes(n.type) ? 380 : 0),"
        " n.computeSize()[1] + (tall.includes(n.type) ? 40 : 0)]); }",
        list(NODES),
    )
    boxes = page.evaluate(FIT)
    page.evaluate("document.querySelectorAll('[data-testid=queue-notification-banner]').forEach(e => e.remove())")
    page.wait_for_timeout(1500)
    OUT.mkdir(parents=True, exist_ok=True)
    image = OUT / "control_nodes.png"
    page.screenshot(path=image)
    assert page.errors == []
    if UPDATE:
        for box in boxes[:-1]:
            if box["type"] in NODES:
                crop(image, box, ROOT / "web" / "docs" / f"{box['type']}.png", width=480)


# ---- public models -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def models(host, tmp_path_factory):
    """A MODEL of the two families that read control videos, and of one that does not."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("control")
    return {
        "vace": load(write_wan(folder / "wan2.1_vace_1.3B.safetensors", "vace")),
        "fun-control": load(write_wan(folder / "fun.safetensors", "fun-control")),
        "phantom": load(write_wan(folder / "wan2.1_t2v_1.3B.safetensors"), "phantom"),
    }


def shown(*kinds: str, seed: int = 0, **weights):
    """Conditions with random control videos of these kinds."""
    parts, control = module("control.conditions"), module("control.control_video")
    draw = np.random.default_rng(seed).random
    videos = tuple(control.ControlVideo(kind, draw((FRAMES, HEIGHT, WIDTH, 3)), **weights) for kind in kinds)
    size = parts.VideoSize(FRAMES, HEIGHT, WIDTH, 16.0)
    return parts.Conditions(size, (parts.ControlVideoCondition(videos=videos),))


def together(first, second):
    return type(first)(first.video, (*first.items, *second.items))


@pytest.mark.parametrize("family", ["vace", "fun-control"])
def test_a_control_video_acts_in_the_place_of_the_depth(models, family):
    first = predict(plan_of(models[family], shown("pose")).plan)[0]
    assert difference(predict(plan_of(models[family], shown("pose", seed=5)).plan)[0], first) > ACTS
    depth = conditions(depth=1)
    gray = shown("pose").items[0].videos[0].frames.copy()
    gray[:] = depth.items[0].clip.values[..., None]
    videos = (module("control.control_video").ControlVideo("pose", gray),)
    same = type(depth)(depth.video, (module("control.conditions").ControlVideoCondition(videos=videos),))
    ours, theirs = (predict(plan_of(models[family], held).plan)[0] for held in (same, depth))
    assert difference(ours, theirs) < SAME


def test_the_control_video_fills_the_region_that_vace_paints(models):
    from .driver_cases import identity, mask_video

    held = together(conditions([identity(1, mask_video=mask_video())], source=2), shown("scribble"))
    control = module("nodes.drivers.vace").control_video(held)
    scribble = torch.from_numpy(held.items[-1].videos[0].frames)
    assert torch.equal(control[:, :, : WIDTH // 2], scribble[:, :, : WIDTH // 2])
    assert not torch.equal(control[:, :, WIDTH // 2 :], scribble[:, :, WIDTH // 2 :])


def test_its_range_is_a_span_of_the_sampling(models):
    plan = plan_of(models["vace"], shown("pose", end=0.5)).plan
    spans = [(options.get("start_percent"), options.get("end_percent")) for _, options in plan.passes["p"]]
    assert len(spans) == 2 and spans[0][1] == pytest.approx(0.5, abs=1e-4)
    first, second = (options["vace_frames"][0] for _, options in plan.passes["p"])
    assert not torch.equal(first, second)


@pytest.mark.parametrize(
    ("family", "held", "message"),
    [
        ("vace", lambda: shown("normals"), "was not trained on this kind, only on scribble, pose, flow, boxes"),
        ("fun-control", lambda: shown("flow"), "was not trained on this kind, only on canny, mlsd, pose"),
        ("vace", lambda: shown("pose", "scribble"), "reads one control video at a time, here 'pose'"),
        ("fun-control", lambda: together(conditions(depth=1), shown("pose")), "and the depth clip is that"),
        ("phantom", lambda: shown("pose"), "takes no control videos.*VACE and Wan Fun Control"),
    ],
)
def test_what_is_refused_is_named_and_can_be_left_out(models, family, held, message):
    with pytest.raises(module("control.errors").UserError, match=message):
        plan_of(models[family], held())
    done = plan_of(models[family], held(), leave_out=True)
    assert any(note.how == "ignored" and note.facet == "control" for note in done.taken.notes)
    assert torch.isfinite(predict(done.plan)[0]).all()


def test_an_embedded_checkpoint_without_them_refuses_both_by_name(host):
    """It was trained without them; nothing is left out in silence."""
    parts, drivers = module("control.conditions"), module("nodes.drivers.fulldit")
    config = module("models.weights.checkpoint").read_config(
        ROOT / "checkpoints" / "fulldit_mini_few_steps.safetensors"
    )
    facts = module("nodes.drivers.plan").ModelFacts(module("models.families.matrix").FAMILIES["fulldit"], config=config)
    sound = parts.SoundCondition(values=np.zeros(FRAMES), rate=16.0)
    held = shown("canny")
    notes = drivers.FullDiTDriver().accept(type(held)(held.video, (*held.items, sound)), facts)
    assert [(note.facet, note.how) for note in notes] == [("control", "refused"), ("sound", "refused")]
    assert "its streams: camera, reference, identity_map, depth" in notes[0].sentence
