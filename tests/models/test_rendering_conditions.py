"""A bundle of conditions whose camera is followed by rendering: what is needed, what is rendered, and what is said."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from comfyui_fulldit.control.camera.presets import preset
from comfyui_fulldit.control.camera.trajectory import UNIT
from comfyui_fulldit.control.conditions import (
    CameraCondition,
    Conditions,
    DepthCondition,
    SourceCondition,
    VideoSize,
)
from comfyui_fulldit.control.depth import DepthClip, normalize_depth
from comfyui_fulldit.control.depth.along_camera import carry_clip
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.fit import Fit
from comfyui_fulldit.models.families.by_rendering import WEIGHTS, rendered_notes
from comfyui_fulldit.models.families.matrix import FAMILIES
from comfyui_fulldit.models.families.notes import check_notes, facet_notes, leave_out
from comfyui_fulldit.models.rendering import (
    hole_warnings,
    lacks,
    moves_camera,
    render_clip,
    render_conditions,
    rendering_digest,
)

FRAMES, HEIGHT, WIDTH = 5, 32, 48
RENDERING = [family for family in FAMILIES.values() if family.support("camera").how == "rendered"]
WORDS = {"source": "It is seen from the path.", "depth": "It is that of the source."}


def frames(seed: int = 0, count: int = FRAMES) -> np.ndarray:
    return np.random.default_rng(seed).random((count, HEIGHT, WIDTH, 3), np.float32)


def metric_depth(count: int = FRAMES, seed: int = 1) -> DepthClip:
    """Meters, smooth, other ones in each frame."""
    phase = np.arange(count)[:, None, None] + seed
    v, u = np.mgrid[:HEIGHT, :WIDTH]
    return normalize_depth(2 + 0.3 * np.sin(u / 7 + phase) + v / HEIGHT, "depth")


def bundle(
    source: np.ndarray | None = None,
    depth: DepthClip | None = None,
    without: tuple[str, ...] = (),
    movement: str = "truck_right",
    unit: str = UNIT,
    **weights: dict[str, float],
) -> Conditions:
    """Conditions with a camera, a source video and its depth. weights: strength and range of each, by its name."""
    path = preset(movement, frames=FRAMES, aspect=1.5).replace(unit=unit)
    items = [
        CameraCondition(trajectory=path, **weights.get("camera", {})),
        SourceCondition(frames=frames() if source is None else source, **weights.get("of_source", {})),
        DepthCondition(clip=depth or metric_depth(), **weights.get("of_depth", {})),
    ]
    kept = tuple(item for item in items if item.name not in without)
    return Conditions(VideoSize(FRAMES, HEIGHT, WIDTH, 16.0), kept)


def notes_of(conditions: Conditions, family: str = "vace"):
    return rendered_notes(facet_notes(conditions, FAMILIES[family]), conditions, WORDS, render_conditions)


def camera_note(conditions: Conditions):
    (note,) = [note for note in notes_of(conditions) if note.facet == "camera"]
    return note


# ---- what is rendered ------------------------------------------------------------------------------------------------


def test_it_is_the_rendering_of_the_source_by_its_depth_along_the_path():
    held = bundle()
    found = render_conditions(held)
    expected = render_clip(torch.from_numpy(frames()), metric_depth(), held.get(CameraCondition).trajectory)
    assert torch.equal(found.images, expected.images) and torch.equal(found.holes, expected.holes)
    assert np.array_equal(found.depth.values, expected.depth.values) and found.report[:-1] == expected.report[:-1]
    assert found.images.shape == (FRAMES, HEIGHT, WIDTH, 3) and found.holes[1:].any()
    assert torch.equal(found.images[0], torch.from_numpy(frames()[0])) and not found.holes[0].any()  # as it is


def test_of_an_image_that_is_held_the_first_frame_counts():
    """Whether it was held before, or by the fit of the conditions, and whether its depth was held as well."""
    image, depth = frames(count=1), metric_depth()
    first = DepthClip(depth.values[:1], depth.recipe)
    path = bundle().get(CameraCondition).trajectory
    expected = render_clip(torch.from_numpy(image), first, path)
    still = np.repeat(image, FRAMES, 0)
    both = DepthClip(np.repeat(first.values, FRAMES, 0), depth.recipe)
    for clip in (both, depth):
        found = render_conditions(bundle(still, clip))
        assert torch.equal(found.images, expected.images) and torch.equal(found.holes, expected.holes)
        assert any("stand still" in text for text in found.report)
        assert ("the first was taken" in " ".join(found.report)) == (clip is depth)
    items = (bundle().items[0], SourceCondition(frames=image), DepthCondition(clip=first))
    fitted = Conditions(VideoSize(FRAMES, HEIGHT, WIDTH, 16.0), items).fitted(Fit.of("crop", "hold"))
    assert torch.equal(render_conditions(fitted).images, expected.images)


def test_depth_of_one_frame_under_a_moving_source_is_said():
    depth = metric_depth()
    held = DepthClip(np.repeat(depth.values[:1], FRAMES, 0), depth.recipe)
    assert "gets wrong distances" in render_conditions(bundle(depth=held)).report[-1]
    assert not any("wrong distances" in text for text in render_conditions(bundle()).report)


def test_a_source_of_another_size_is_rendered_at_the_videos():
    """Twice the size in other proportions: cropped, as all conditions are, then rendered."""
    large = np.random.default_rng(3).random((FRAMES, 2 * HEIGHT, 4 * WIDTH, 3), np.float32)
    deep = metric_depth().resized(2 * HEIGHT, 2 * WIDTH)
    made = bundle(large, deep).fitted(Fit.of("crop", "refuse"))
    assert "was cropped to the proportions" in " ".join(made.notes)
    found = render_conditions(made)
    assert found.images.shape == (FRAMES, HEIGHT, WIDTH, 3)
    assert torch.equal(found.images[0], torch.from_numpy(made.get(SourceCondition).frames[0]))
    with pytest.raises(UserError, match="The source video has 9 frames|the source video has 9 frames, the video 5"):
        bundle(frames(count=9)).fitted(Fit.of("crop", "refuse"))


def test_the_digest_differs_where_the_rendering_does():
    """By the path, its unit, the frames, the depth and what its numbers mean; not by strengths and ranges."""
    depth = metric_depth()
    same = [bundle(), bundle(camera={"strength": 0.3, "end": 0.5}, of_depth={"start": 0.2})]
    others = [
        bundle(movement="truck_left"),
        bundle(unit="meters"),
        bundle(frames(5)),
        bundle(depth=metric_depth(seed=3)),
        bundle(depth=DepthClip(depth.values, {**depth.recipe, "range": [0.1, 0.9]})),
    ]
    digests = [rendering_digest(held) for held in (*same, *others)]
    assert digests[0] == digests[1] and len(set(digests)) == 1 + len(others)


# ---- what is said, and refused ---------------------------------------------------------------------------------------


def test_the_families_that_follow_a_camera_by_rendering_say_what_they_need():
    assert [family.id for family in RENDERING] == ["bernini-r", "vace", "fun-control"]
    for family in RENDERING:
        support = family.support("camera")
        assert "needs a source video and its depth" in support.sentence and support.strength and support.span


def test_the_note_says_the_share_of_holes_and_the_scale():
    held = bundle()
    note, share = camera_note(held), float(render_conditions(held).shares.mean())
    assert note.how == "rendered" and note.sentence.startswith(FAMILIES["vace"].support("camera").sentence)
    assert f"{FRAMES} frames of {WIDTH}x{HEIGHT}. {share:.1%} are holes, at most" in note.sentence
    assert "Near (1) is at a distance of 0." in note.sentence and f"in units of the path ({UNIT})" in note.sentence
    assert "the path is added to its movement" in note.sentence
    others = {one.facet: one for one in notes_of(held) if one.facet != "camera"}
    assert {facet: (one.how, one.sentence) for facet, one in others.items()} == {
        facet: ("rendered", sentence) for facet, sentence in WORDS.items()
    }


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        (
            ("source",),
            "there is no source video: connect source_video (the clip, or one image with fit_time hold)",
        ),
        (("depth",), "there is no depth: connect depth (that of the source video) to Conditions"),
        (("source", "depth"), "there is no source video and no depth: connect source_video"),
    ],
    ids=["source", "depth", "both"],
)
@pytest.mark.parametrize("family", [family.id for family in RENDERING])
def test_what_is_missing_is_named_with_what_to_connect(family, missing, expected):
    conditions = bundle(without=missing)
    assert lacks(conditions) == missing
    notes = notes_of(conditions, family)
    with pytest.raises(UserError) as error:
        check_notes(notes, FAMILIES[family])
    message = str(error.value)
    assert expected in message and "leave_out" in message and "Wan Fun Control by rendering" in message
    assert [note.facet for note in notes if note.how == "refused" and note.facet == "camera"] == ["camera"]
    left, said = leave_out(conditions, notes)
    assert "camera" not in left.names and any(note.how == "ignored" for note in said)
    with pytest.raises(UserError, match="camera, depth and source are needed"):
        render_conditions(conditions)


def test_a_strength_of_0_is_the_same_as_not_giving_it():
    assert lacks(bundle(of_source={"strength": 0})) == ("source",) and lacks(bundle(of_depth={"strength": 0})) == (
        "depth",
    )
    assert not moves_camera(bundle(camera={"strength": 0})) and moves_camera(bundle())
    assert "there is no depth" in camera_note(bundle(of_depth={"strength": 0})).sentence


def test_the_cameras_strength_and_range_count_and_that_is_said():
    by_facet = {note.facet: note.sentence for note in notes_of(bundle(of_source={"end": 0.5}))}
    assert by_facet["source"] == f"{WORDS['source']} {WEIGHTS}" and by_facet["depth"] == WORDS["depth"]
    by_facet = {note.facet: note.sentence for note in notes_of(bundle(camera={"strength": 0.5}))}
    assert WEIGHTS in by_facet["source"] and WEIGHTS in by_facet["depth"]


def test_depth_without_a_scale_is_said_with_the_scale_that_is_used():
    relative = DepthClip(metric_depth().values, {"kind": "disparity"})
    sentence = camera_note(bundle(depth=relative)).sentence
    assert "far end was put 0.1 of its range before that" in sentence and "Near (1) is at a distance of" in sentence
    assert "far end was put" not in camera_note(bundle()).sentence


def test_a_path_of_another_unit_is_said_and_refused_where_the_depth_has_none():
    note = camera_note(bundle(unit="meters"))
    assert note.how == "rendered" and "were taken to be in that unit too: meters" in note.sentence
    relative = DepthClip(metric_depth().values, {"kind": "disparity"})
    note = camera_note(bundle(depth=relative, unit="meters"))
    assert note.how == "refused" and "moves in meters but the depth is relative" in note.sentence
    assert note.sentence.startswith("The source video cannot be rendered along the path: the camera moves")
    assert note.sentence.endswith(".") and not note.sentence.endswith("..")


def test_a_camera_that_leaves_what_the_source_shows_is_warned_about():
    turned = bundle()
    path = turned.get(CameraCondition).trajectory
    c2w = path.c2w.copy()
    for frame, angle in enumerate(np.radians(np.linspace(0, 170, FRAMES))):
        c2w[frame, :, :3] = [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
    camera = CameraCondition(trajectory=path.replace(c2w=c2w))
    held = dataclasses.replace(turned, items=(camera, *turned.items[1:]))
    note = camera_note(held)
    assert note.how == "rendered" and "at most 100.0%" in note.sentence and "shorter path" not in note.sentence
    (warning,) = hole_warnings(render_conditions(held).shares)
    assert "the camera has left all that the source shows: take a shorter path" in warning
    assert hole_warnings(render_conditions(turned).shares)[0].startswith("Holes are more than 30% in 2")
    assert hole_warnings(np.array([0, 0.3])) == []
    (some,) = hole_warnings(np.array([0, 0.2, 0.31, 0.5]))
    assert "more than 30% in 2 of the frames, first in frame 2" in some


def test_depth_that_moves_already_is_refused():
    """It would move twice: the depth of Depth along Camera and Render along Camera belongs to the new video."""
    held = bundle()
    for carried in (
        carry_clip(metric_depth(), held.get(CameraCondition).trajectory).clip,
        render_conditions(held).depth,
    ):
        note = camera_note(bundle(depth=carried))
        assert note.how == "refused" and "carried along a camera path already" in note.sentence
