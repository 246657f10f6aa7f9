"""SCAIL-2 on tiny random weights: masks of who is where, references and a driving video, as core's own nodes have"
" them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from .driver_cases import conditions, difference, identity, module, noise_for, plan_of, predict
from .tiny_models import FakeVAE, load, windowed, write_wan

pytestmark = pytest.mark.comfyui

SIZE, FRAMES = (32, 64), 9
ACTS, SAME = 1e-4, 1e-5


@pytest.fixture(scope="module")
def model(host, tmp_path_factory):
    torch.set_num_threads(1)
    return load(write_wan(tmp_path_factory.mktemp("scail") / "any.safetensors", "scail-2"))


def where(side: str, frames: int = FRAMES) -> np.ndarray:
    """The left or the right part of every frame."""
    mask = np.zeros((frames, *SIZE), np.float32)
    mask[:, 4:28, slice(4, 28) if side == "left" else slice(36, 60)] = 1
    return mask


def person(seed: int, side: str, name: str | None = None, frames: int = FRAMES, **more):
    return identity(seed, 40, 24, name or side, mask_video=where(side, frames), **more)


def held(who=None, frames: int = FRAMES, source=1, **more):
    who = [person(1, "left", frames=frames), person(2, "right", frames=frames)] if who is None else who
    return conditions(who, source=source, frames=frames, size=SIZE, **more)


def test_the_family_is_told_by_its_keys(model):
    facts = module("nodes.drivers.registry").facts_of(model)
    assert facts.name == "SCAIL-2 14B" and facts.in_channels == 20


def test_the_driving_mask_is_that_of_cores_node(host):
    """The same masks as a SAM3 track through Create SCAIL-2 Colored Mask, in its mode of replacement."""
    from comfy.ldm.sam3.tracker import pack_masks
    from comfy_extras.nodes_scail import SCAIL2ColoredMask

    who = [person(n, side, f"{n}") for n, side in enumerate(("left", "right", "left"))]
    logits = torch.from_numpy(np.stack([one.mask_video for one in who], 1)) - 0.5
    track = {"packed_masks": pack_masks(logits), "n_frames": FRAMES, "orig_size": SIZE}
    expected = SCAIL2ColoredMask.execute(track, "", "none", True).args[0]
    assert torch.equal(module("nodes.drivers.scail").driving_mask(who), expected)


def test_each_reference_is_labeled_in_the_color_of_its_mask(host):
    """Three identities on one canvas, and a second image of the middle one as a reference of its own."""
    from comfy_extras.nodes_scail import DEFAULT_PALETTE

    gray = [np.full((40, 24, 3), 0.2 * n, np.float32) for n in (1, 2, 3)]
    half = np.zeros((40, 24), np.float32)
    half[:20] = 1
    make = module("control.identity").Identity
    who = [make("a", (gray[0],)), make("b", (gray[1], gray[0])), make("c", (gray[2],), mask=half)]
    images, labels = module("nodes.drivers.scail").reference_images(who, 64, 96)
    assert images.shape == labels.shape == (2, 64, 96, 3)
    for index, color in enumerate(DEFAULT_PALETTE[:3]):
        inside = (labels[0] == torch.tensor(color)).all(-1)
        assert inside.sum() > 300
        off = (images[0][inside] - 0.2 * (index + 1)).abs()
        assert off.median() < 0.01 and off.max() < 0.3  # edges are mixed with white
    outside = (labels[0] == 0).all(-1)
    assert images[0][outside].min() > 0.9 and outside.any()
    assert set(map(tuple, labels[1].reshape(-1, 3).unique(dim=0).tolist())) == {(0.0, 0.0, 0.0), DEFAULT_PALETTE[1]}


def test_the_network_reads_what_cores_node_makes(model):
    """Core's own node, given the same images by hand."""
    from comfy_extras.nodes_scail import WanSCAILToVideo

    driver = module("nodes.drivers.scail")
    everything, vae = held(), FakeVAE()
    options = plan_of(model, everything, vae=vae).plan.passes["p"][0][1]
    who = module("nodes.drivers.prepare").identities_of(everything)
    images, labels = driver.reference_images(who, *SIZE)
    source = torch.from_numpy(everything.items[-1].frames)
    blank = [[torch.zeros(1, 1, 1), {}]]
    made = WanSCAILToVideo.execute(
        blank,
        blank,
        vae,
        SIZE[1],
        SIZE[0],
        FRAMES,
        1,
        1.0,
        0.0,
        1.0,
        0,
        0,
        True,
        images,
        None,
        source,
        driver.driving_mask(who),
        labels,
    ).args[0][0][1]
    assert options["ref_mask_flag"] is made["ref_mask_flag"] is False
    for key in ("pose_video_latent", "driving_mask_28ch", "ref_mask_28ch"):
        assert torch.equal(options[key], made[key]), key
    assert all(torch.equal(a, b) for a, b in zip(options["reference_latents"], made["reference_latents"], strict=True))
    # Blue and red, the first two of the palette, stand in channels of their own.
    channels = options["driving_mask_28ch"].reshape(1, -1, 4, 7, 2, 4)
    assert channels[0, 0, 0, 3, :, :2].max() > 0.5 and channels[0, 0, 0, 1, :, 2:].max() > 0.5


@pytest.mark.parametrize("windows", [False, True])
def test_each_condition_acts_in_every_window(model, windows):
    frames = 21 if windows else FRAMES
    used = windowed(model) if windows else model
    left, right = person(1, "left", frames=frames), person(2, "right", frames=frames)
    first = predict(plan_of(used, held([left, right], frames)).plan)[0]
    changes = {
        "reference": held([person(7, "left", frames=frames), right], frames),
        "who is where": held([person(1, "right", "left", frames), person(2, "left", "right", frames)], frames),
        "source": held([left, right], frames, source=9),
    }
    for name, other in changes.items():
        found = predict(plan_of(used, other).plan)[0]
        change = (found - first).abs().amax((0, 1, 3, 4)) / first.abs().max()
        assert change.min() > ACTS, (name, change)


def test_the_strength_of_the_source_and_a_range_of_an_identity(model):
    weak = predict(plan_of(model, held(source_fields={"strength": 0.5})).plan)[0]
    assert difference(predict(plan_of(model, held()).plan)[0], weak) > ACTS
    early = held([person(1, "left", end=0.5), person(2, "right")])
    plan = plan_of(model, early).plan
    assert difference(predict(plan, sigmas=(0.98,))[0], predict(plan_of(model, held()).plan, sigmas=(0.98,))[0]) < SAME
    alone = plan_of(model, held([person(2, "right")])).plan
    assert difference(predict(plan, sigmas=(0.2,))[0], predict(alone, sigmas=(0.2,))[0]) < SAME


def test_a_batch_of_two_is_two_runs(model):
    plan = plan_of(model, held()).plan
    both = noise_for(plan, batch=2)
    together = predict(plan, both)[0]
    for index in range(2):
        assert difference(together[index : index + 1], predict(plan, both[index : index + 1])[0]) < SAME


def test_what_it_lacks_is_said(model):
    error = module("control.errors").UserError
    with pytest.raises(error, match=r"Identity of 'left': SCAIL-2 puts it into the place of someone.*there is none"):
        plan_of(model, held(source=None))
    with pytest.raises(error, match="needs a mask video"):
        plan_of(model, held([person(1, "left"), identity(2, name="bare")]))
    with pytest.raises(error, match="no identity with a mask video"):
        plan_of(model, held([]))
    with pytest.raises(error, match="connect source_video to Conditions"):
        plan_of(model, conditions(size=SIZE))
    with pytest.raises(error, match="takes no camera path"):
        plan_of(model, held(camera=True))
    many = [person(n, "left", f"{n}") for n in range(7)]
    with pytest.raises(error, match="reads 6 reference images at most"):
        plan_of(model, held(many))
    odd = conditions([identity(1, mask_video=np.ones((9, 32, 48), np.float32))], source=1)
    with pytest.raises(error, match="48x32, but SCAIL-2 needs multiples of 32: set width and height to 64 and 32"):
        plan_of(model, odd)
