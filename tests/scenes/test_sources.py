"""Source videos: the same scene from another camera, or with another object, exact against scenes rendered by hand."""

from __future__ import annotations

import numpy as np
import pytest

from comfyui_fulldit.scenes import WorldOptions, make_scene, render
from comfyui_fulldit.scenes.cameras import MIN_HEIGHT
from comfyui_fulldit.scenes.sources import source_scene
from comfyui_fulldit.scenes.trace import Tracer

SIZE = (5, 32, 48)
OPTIONS = WorldOptions()


def pairs(count=40, options=OPTIONS):
    scenes = [make_scene(seed, 17, 1.5, options) for seed in range(count)]
    return [(scene, source_scene(scene, options, 1.5)) for scene in scenes]


@pytest.mark.parametrize("options", [OPTIONS, WorldOptions(family="unseen"), WorldOptions(version=3)])
def test_a_source_differs_by_its_camera_or_by_one_object(options):
    kinds = []
    for scene, source in pairs(options=options):
        assert source.surroundings is scene.surroundings and source.frames == scene.frames
        others = [k for k, (a, b) in enumerate(zip(scene.objects, source.objects, strict=True)) if a is not b]
        kinds.append("object" if others else "camera")
        if not others:
            continue
        assert source.camera is scene.camera and len(others) == 1
        old, new = scene.objects[others[0]], source.objects[others[0]]
        assert new.solid != old.solid and not set(new.colors) & set(old.colors)
        assert (new.center == old.center).all() and new.half_size[1] == old.half_size[1]
    assert 0.4 < kinds.count("camera") / len(kinds) < 0.9


def test_what_is_another_one_can_be_said():
    aspect = 1.5
    for seed in range(6):
        scene = make_scene(seed, 5, aspect, OPTIONS)
        camera, thing = (source_scene(scene, OPTIONS, aspect, other) for other in ("camera", "object"))
        assert camera.objects == scene.objects and camera.camera is not scene.camera
        assert thing.objects != scene.objects and thing.camera is scene.camera


def test_another_camera_begins_with_the_first_pose_and_lens_and_stays_above_the_ground():
    moved = [(a.camera, b.camera) for a, b in pairs(80) if a.objects == b.objects]
    for own, other in moved:
        assert other.c2w[0] == pytest.approx(own.c2w[0]) and other.intrinsics[0] == pytest.approx(own.intrinsics[0])
        rotation = other.c2w[:, :, :3]
        assert rotation @ np.swapaxes(rotation, 1, 2) == pytest.approx(np.broadcast_to(np.eye(3), rotation.shape))
        assert (other.c2w[:, 1, 3] <= max(own.c2w[0, 1, 3], -MIN_HEIGHT) + 1e-9).all()
        assert other.movement != own.movement or other.movement == "static"
    assert any(other.movement == "static" for _, other in moved)


@pytest.mark.parametrize("version", [2, 3])
def test_it_is_rendered_as_clips_are(version):
    options = WorldOptions(version=version, supersample=False)
    clips = render([3, 4], *SIZE, options=options)
    for index in range(2):
        source, clip = clips.source(index), clips.video[index].permute(1, 2, 3, 0).numpy()
        assert source.shape == clip.shape and source.dtype == np.float32
        assert (source == clips.source(index)).all(), "the same seed gives the same source"
    if version == 2:
        scene = source_scene(make_scene(3, 5, 1.5, options), options, 1.5)
        expected = Tracer(scene, clips.video.device).render(32, 48, False)[0]
        assert clips.source(0) == pytest.approx(expected.permute(1, 2, 3, 0).numpy())
    assert np.abs(clips.source(0) - clips.video[0].permute(1, 2, 3, 0).numpy()).max() > 0.1


def test_the_clips_themselves_are_those_of_before():
    """The source has random numbers of its own: asking for it changes no scene."""
    first = render([5], *SIZE)
    first.conditions(0)
    assert (render([5], *SIZE).video == first.video).all()
