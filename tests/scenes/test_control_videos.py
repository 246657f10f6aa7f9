"""Figures, surfaces and control videos of the world against geometry that is written down a second time."""

import hashlib

import numpy as np
import pytest
import torch

from comfyui_fulldit.control.conditions import ControlVideoCondition
from comfyui_fulldit.control.control_video import KINDS
from comfyui_fulldit.control.control_video.flow import color_flow
from comfyui_fulldit.control.control_video.skeleton import POINTS
from comfyui_fulldit.scenes import WorldOptions, make_scene, render
from comfyui_fulldit.scenes.bodies import Body
from comfyui_fulldit.scenes.control_videos import ShownScene, draw_kinds, joints_in_image, tracked_points
from comfyui_fulldit.scenes.figures import GAITS, JOINTS, PARTS, pose
from comfyui_fulldit.scenes.solids import MISS

FIGURES = WorldOptions(version=3, figures=1.0)


def shown(seed: int, frames: int = 5, height: int = 64, width: int = 96, options: WorldOptions = FIGURES) -> ShownScene:
    clips = render([seed], frames, height, width, options=options)
    return ShownScene(clips.scenes[0], clips.video[0], clips.depth[0], clips.identity[0])


def test_world_2_is_what_it_was():
    """The embedded weights have seen it: no draw and no pixel of it may change."""
    clips = render([0, 7, 1_000_000_003], 3, 32, 48)
    pixels = (clips.video * 255).round().to(torch.uint8).numpy()
    assert (
        hashlib.sha256(pixels.tobytes()).hexdigest()
        == "4b59ddf67f6212511d0086a995dd1ed77b9ba6a6083406a3b29f10ba7d21f126"
    )
    assert not any(item.joints is not None for scene in clips.scenes for item in scene.objects)


def test_scenes_of_world_3_without_a_figure_are_the_same_whatever_the_share():
    for seed in range(12):
        none, all_ = (make_scene(seed, 5, 1.5, WorldOptions(version=3, figures=share)) for share in (0.0, 1.0))
        np.testing.assert_array_equal(none.camera.c2w, all_.camera.c2w)
        changed = [a.solid != b.solid for a, b in zip(none.objects, all_.objects, strict=True)]
        assert sum(changed) == 1 and all_.objects[changed.index(True)].solid == "figure"
    scenes = [make_scene(seed, 2, 1.5, WorldOptions(version=3)) for seed in range(300)]
    share = np.mean([any(item.joints is not None for item in scene.objects) for scene in scenes])
    assert 0.27 < share < 0.43


@pytest.mark.parametrize("gait", ["", *GAITS])
def test_limbs_keep_their_lengths_and_feet_stay_above_the_ground(gait):
    joints = pose(gait, np.sin(np.linspace(0, 6, 25)))
    assert joints.shape == (25, len(JOINTS), 3)
    for first, second, _ in PARTS[1:]:
        lengths = np.linalg.norm(joints[:, first] - joints[:, second], axis=1)
        np.testing.assert_allclose(lengths, lengths[0], atol=1e-9)
    ankles = joints[:, [JOINTS.index("right ankle"), JOINTS.index("left ankle")], 1]
    assert ankles.max() + 0.1 <= 1.0 + 1e-9  # the sole is a radius below the ankle
    assert joints[:, JOINTS.index("right wrist"), 0].max() < joints[:, JOINTS.index("left wrist"), 0].min()


def test_rays_hit_a_body_where_its_surface_is_and_nowhere_before():
    joints = pose("walks", np.linspace(-1, 1, 4))
    body = Body(joints, torch.device("cpu"))
    generator = torch.Generator().manual_seed(0)
    frame = torch.arange(4).repeat(600)
    o = torch.randn(2400, 3, generator=generator) * 0.5 + torch.tensor([0.0, 0.0, -4.0])
    d = torch.randn(2400, 3, generator=generator) * 0.12 + torch.tensor([0.0, 0.0, 1.0])
    t, normal = body.hit(tuple(o.unbind(1)), tuple(d.unbind(1)), frame)

    def distance(points: np.ndarray) -> np.ndarray:
        """To the surface, in float64, from the joints alone."""
        found = []
        for first, second, radius in PARTS:
            a, b = joints[frame.numpy(), first], joints[frame.numpy(), second]
            share = ((points - a) * (b - a)).sum(1) / np.maximum(((b - a) ** 2).sum(1), 1e-12)
            found.append(np.linalg.norm(points - a - share.clip(0, 1)[:, None] * (b - a), axis=1) - radius)
        return np.min(found, 0)

    steps = np.linspace(2, 6, 400)
    along = np.stack([distance((o + d * float(s)).numpy().astype(float)) for s in steps])
    hit = (t < MISS).numpy()
    assert 0.1 < hit.mean() < 0.9
    assert (along[:, ~hit].min(0) > -0.01).all()
    points = (o + d * t[:, None]).numpy().astype(float)
    assert np.abs(distance(points)[hit]).max() < 1e-3
    first_inside = np.array([steps[row.argmax()] for row in (along < -0.01).T])
    deep = hit & (along < -0.01).any(0)
    assert (t.numpy()[deep] <= first_inside[deep] + 1e-6).all()
    outward = torch.nn.functional.normalize(torch.stack(normal, -1), dim=1).numpy()
    leaves = distance(points + 0.02 * outward)[hit] - distance(points)[hit]
    assert (leaves > 0.019).mean() > 0.95 and (leaves < 0.021).all()  # in a crease another part is near


def test_a_point_goes_with_its_limb():
    joints = pose("waves", np.array([0.0, 1.0]))
    body = Body(joints, torch.device("cpu"))
    first, second, radius = next(part for part in PARTS if JOINTS[part[1]] == "right wrist")
    axis = joints[:, second] - joints[:, first]
    side = np.cross(axis[0], [0, 0, 1.0])
    point = joints[0, first] + 0.5 * axis[0] + radius * side / np.linalg.norm(side)
    moved = body.carried(torch.tensor(point[None], dtype=torch.float32), torch.tensor([0]), body, torch.tensor([1]))
    expected_side = np.cross(axis[1], [0, 0, 1.0])  # waving turns the arm in the plane of the image
    expected = joints[1, first] + 0.5 * axis[1] + radius * expected_side / np.linalg.norm(expected_side)
    np.testing.assert_allclose(moved.numpy()[0], expected, atol=1e-5)


@pytest.mark.parametrize("seed", [1, 4, 6])
def test_flow_and_tracks_lead_to_the_same_surface_in_the_next_frame(seed):
    """Where a pixel's point goes, the next frame shows the same object at the depth that the point has there."""
    scene = shown(seed, frames=9)
    flow, slot, depth = scene.surfaces.flow().numpy(), scene.slot.numpy(), scene.depth.numpy()
    frames, height, width = slot.shape
    rows, columns = np.mgrid[:height, :width]
    same = []
    for t in range(frames - 1):
        x, y = (np.stack([columns, rows], -1) + flow[t]).round().astype(int).transpose(2, 0, 1)
        inside = (x >= 1) & (x < width - 1) & (y >= 1) & (y < height - 1) & (slot[t] >= 0)
        around = [slot[t + 1][y[inside] + dy, x[inside] + dx] for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
        same.append((np.stack(around) == slot[t][inside]).any(0))
    assert np.concatenate(same).mean() > 0.98  # the rest is hidden in the next frame
    points, visible = tracked_points(scene)
    assert np.abs(flow).max() > 1 and (depth > 0).all()
    assert points.shape == (9, points.shape[1], 2) and visible[0].all() and 12 <= points.shape[1] <= 24
    column, row = points[0].round().astype(int).T
    np.testing.assert_allclose(points[1] - points[0], flow[0, row, column], atol=1e-3)


def test_flow_of_a_camera_that_turns_over_a_still_scene_is_its_homography():
    options = WorldOptions(version=3, figures=0.0, cameras=("pan",), moving=0.0)
    scene = shown(2, frames=4, options=options)
    flow = scene.surfaces.flow().double().numpy()
    path, (height, width) = scene.scene.camera, scene.slot.shape[1:]
    v, u = np.mgrid[:height, :width] + 0.5
    fx, fy, cx, cy = path.intrinsics[0]
    rays = np.stack([(u / width - cx) / fx, (v / height - cy) / fy, np.ones_like(u)], -1)
    turned = rays @ path.c2w[0, :, :3].T @ path.c2w[1, :, :3]
    x, y = (turned[..., k] / turned[..., 2] for k in (0, 1))
    there = np.stack([(x * fx + cx) * width, (y * fy + cy) * height], -1)
    np.testing.assert_allclose(flow[0], there - np.stack([u, v], -1), atol=2e-2)
    assert np.abs(flow[0, ..., 0]).mean() > 0.5
    forth, back = flow[-1], flow[-2]  # the last frame has the movement that led to it
    assert np.sign(forth[..., 0]).mean() == np.sign(back[..., 0]).mean()


def test_normals_are_those_of_the_depth():
    """On smooth surfaces the cross product of neighboring points says the same."""
    scene = shown(3, frames=2)
    points, normals = scene.surfaces.points.double().numpy(), scene.surfaces.normals.numpy()
    across, down = points[:, 1:-1, 2:] - points[:, 1:-1, :-2], points[:, 2:, 1:-1] - points[:, :-2, 1:-1]
    found = np.cross(down, across)
    found /= np.linalg.norm(found, axis=-1, keepdims=True)
    inner = normals[:, 1:-1, 1:-1]
    known = np.linalg.norm(inner, axis=-1) > 0.5
    cosine = (found * inner).sum(-1)[known]
    assert np.median(cosine) > 0.999 and (cosine > 0.98).mean() > 0.85
    toward = (scene.surfaces.camera_normals()[..., 2].numpy() <= 0.3)[scene.slot.numpy() >= 0]
    assert toward.mean() > 0.99  # what is seen does not look away from the camera


def test_joints_lie_on_their_figure():
    for seed in (0, 2, 5, 8):
        scene = shown(seed, frames=4)
        points, visible = joints_in_image(scene)
        (slot,) = (k for k, item in enumerate(scene.scene.objects) if item.joints is not None)
        assert points.shape == (4, 1, len(POINTS), 2)
        t, _, joint = np.nonzero(visible)
        column, row = points[visible].round().astype(int).T
        on_figure = scene.slot.numpy()[t, row, column] == slot
        assert on_figure.mean() > 0.9
        right, left = (POINTS.index(f"{side} shoulder") for side in ("right", "left"))
        assert (points[:, 0, right, 0] < points[:, 0, left, 0]).all()  # it faces the camera


def test_every_kind_is_drawn_for_every_scene_at_its_size():
    clips = render([0], 3, 48, 64, options=FIGURES)
    videos = clips.control_videos(0, tuple(KINDS))
    assert [one.kind for one in videos] == list(KINDS)
    for one in videos:
        assert one.frames.shape == (3, 48, 64, 3) and one.frames.std() > 0.005, one.kind
    flow = videos[list(KINDS).index("flow")].frames
    scene = ShownScene(clips.scenes[0], clips.video[0], clips.depth[0], clips.identity[0])
    np.testing.assert_array_equal(flow, color_flow(scene.surfaces.flow().numpy()))
    empty = render([0], 3, 48, 64, options=WorldOptions(version=3, objects=(0, 0)))
    assert all(np.isfinite(one.frames).all() for one in empty.control_videos(0, tuple(KINDS)))


def test_a_clip_has_one_or_two_kinds_by_its_seed_and_poses_only_of_figures():
    drawn = {}
    for seed in range(400):
        scene = make_scene(seed, 2, 1.5, WorldOptions(version=3))
        drawn[seed] = draw_kinds(scene)
        assert drawn[seed] == draw_kinds(scene) and 1 <= len(set(drawn[seed])) <= 2
        has_figure = any(item.joints is not None for item in scene.objects)
        assert has_figure or "pose" not in drawn[seed]
        assert set(draw_kinds(scene, ("canny", "flow"))) <= {"canny", "flow"} and draw_kinds(scene, ()) == ()
    counts = {kind: sum(kind in one for one in drawn.values()) for kind in KINDS}
    assert min(counts.values()) > 25, counts
    condition = render([3], 3, 32, 48, options=FIGURES).conditions(0).get(ControlVideoCondition)
    assert condition.kinds == draw_kinds(make_scene(3, 3, 1.5, FIGURES))
