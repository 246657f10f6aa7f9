"""Render along Camera: what comes out, at which size, and what is said and refused."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from comfyui_fulldit.control.camera.presets import preset
from comfyui_fulldit.control.depth import DepthClip, normalize_depth
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.models.rendering import render_clip
from comfyui_fulldit.scenes import FAR, render


@pytest.fixture(scope="module")
def clip():
    """A rendered scene: images (5, 64, 96, 3), its depth as a clip, and its camera."""
    made = render([12], 5, 64, 96)
    depth = made.depth[0].numpy()
    sky = depth >= FAR * 0.999
    values = normalize_depth(np.where(sky, np.inf, depth), "depth", sky=sky)
    return made.video[0].permute(1, 2, 3, 0).contiguous(), values, made.trajectory(0)


def run(host, **inputs):
    return host.nodes["FullDiTRenderAlong"].execute(**inputs)


def test_an_image_becomes_images_holes_depth_and_a_report(host, clip):
    images, depth, _ = clip
    path = preset("truck_right", frames=5, aspect=1.5)
    output = run(host, images=images[:1], depth=depth, camera=path)
    shown, holes, seen, report = output.args
    assert shown.shape == (5, 64, 96, 3) and shown.dtype == torch.float32 and holes.shape == (5, 64, 96)
    assert torch.equal(shown[0], images[0]) and set(holes.unique().tolist()) == {0.0, 1.0}
    assert isinstance(seen, DepthClip) and seen.values.shape == (5, 64, 96)
    expected = render_clip(images[:1], DepthClip(depth.values[:1], depth.recipe), path)
    assert torch.equal(shown, expected.images) and np.array_equal(seen.values, expected.depth.values)
    share = f"{100 * float(holes[4].mean()):.3g}"
    assert "Holes of each frame in %: 0 " in report and report.endswith(f"{share}.")
    assert "of its depth clip of 5 frames, the first was taken" in report
    message = output.kwargs["ui"]
    assert len(message["images"]) == 1 and message["text"][0] == report.rsplit("\n", 1)[0]


def test_a_clip_is_shot_again_from_its_own_camera(host, clip):
    images, depth, camera = clip
    again = run(host, images=images, depth=depth, camera=camera, clip_camera=camera, soft_edges=False)
    assert torch.equal(again.args[0], images) and not again.args[1].any()
    still = run(host, images=images, depth=depth, camera=camera)
    assert "connect its path" in still.args[3] and still.args[1].any()


@pytest.mark.parametrize(
    ("width", "height", "size"),
    [(0, 0, (64, 96)), (48, 0, (32, 48)), (0, 48, (48, 72)), (64, 64, (64, 64)), (192, 128, (128, 192))],
)
def test_sizes_are_the_images_own_or_follow_from_one_side(host, clip, width, height, size):
    images, depth, _ = clip
    path = preset("pan_left", frames=2, aspect=1.5)
    shown, holes, seen, _ = run(host, images=images[:1], depth=depth, camera=path, width=width, height=height).args
    assert shown.shape == (2, *size, 3) and holes.shape == (2, *size) and seen.values.shape == (2, *size)
    assert not holes[0].any()


def test_what_cannot_be_rendered_is_refused_before_anything_runs(host, clip):
    images, depth, camera = clip
    with pytest.raises(UserError, match="clip has 4 frames and the camera path 5 poses"):
        run(host, images=images[:4], depth=depth, camera=camera)
    with pytest.raises(UserError, match="depth is 64x64"):
        run(host, images=images[:1], depth=depth.resized(64, 64), camera=camera)
    relative = DepthClip(depth.values, {"kind": "disparity"})
    with pytest.raises(UserError, match="the depth is relative"):
        run(host, images=images[:1], depth=relative, camera=camera.replace(unit="meters"))
    with pytest.raises(UserError, match="holds NaN"):
        run(host, images=images[:1] * torch.nan, depth=depth, camera=camera)


def test_a_canceled_run_ends_between_two_frames(host, clip, monkeypatch):
    images, depth, camera = clip
    calls = []

    def interrupted() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise InterruptedError

    monkeypatch.setattr(sys.modules["comfy.model_management"], "throw_exception_if_processing_interrupted", interrupted)
    with pytest.raises(InterruptedError):
        run(host, images=images, depth=depth, camera=camera)
    assert len(calls) == 3


def test_only_a_gpu_with_the_z_buffers_maximum_is_worked_on(host, monkeypatch):
    from comfyui_fulldit.nodes.bridge.rendering import rendering_device

    management, freed = sys.modules["comfy.model_management"], []
    monkeypatch.setattr(management, "free_memory", lambda size, device: freed.append(device), raising=False)
    for name, expected in (("mps", "cpu"), ("cpu", "cpu"), ("cuda:1", "cuda:1")):
        monkeypatch.setattr(management, "get_torch_device", lambda name=name: torch.device(name))
        assert rendering_device() == torch.device(expected)
    assert freed == [torch.device("cuda:1")]


def test_a_strip_whose_other_side_would_be_endless_is_refused_before_the_work(host, clip):
    strip = torch.rand(1, 400, 1, 3)
    depth = DepthClip(np.ones((1, 400, 1), np.float32))
    with pytest.raises(UserError, match="by the proportions of the image, says that it has 4096 x 1638400 pixels"):
        run(host, images=strip, depth=depth, camera=clip[2], width=4096)
