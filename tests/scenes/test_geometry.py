"""Depth, identity and camera against geometry written down a second time, without the tracer."""

import numpy as np
import pytest
import torch

from comfyui_fulldit.scenes import FAR, WorldOptions, make_scene, render
from comfyui_fulldit.scenes.cameras import SEEN, UNSEEN, make_path
from comfyui_fulldit.scenes.solids import TORUS_RING, TORUS_TUBE

# How far a point in unit coordinates is from a solid's surface, by its implicit equation.
SURFACE = {
    "ball": lambda p: np.linalg.norm(p, axis=-1) - 1,
    "egg": lambda p: np.linalg.norm(p, axis=-1) - 1,
    "cube": lambda p: np.abs(p).max(-1) - 1,
    "cylinder": lambda p: np.maximum(np.hypot(p[:, 0], p[:, 2]), np.abs(p[:, 1])) - 1,
    "cone": lambda p: np.maximum(np.hypot(p[:, 0], p[:, 2]) - (p[:, 1] + 1) / 2, p[:, 1] - 1),
    "pill": lambda p: (
        np.linalg.norm(
            np.stack([p[:, 0], 2 * np.sign(p[:, 1]) * np.maximum(np.abs(p[:, 1]) - 0.5, 0), p[:, 2]], -1), axis=-1
        )
        - 1
    ),
    "pyramid": lambda p: np.maximum(2 * np.maximum(np.abs(p[:, 0]), np.abs(p[:, 2])) - p[:, 1] - 1, p[:, 1] - 1),
    "diamond": lambda p: np.abs(p).sum(-1) - 1,
    "hexagonal prism": lambda p: np.maximum(
        np.max([p[:, 0] * np.cos(a) + p[:, 2] * np.sin(a) for a in np.arange(6) * np.pi / 3], 0) - np.cos(np.pi / 6),
        np.abs(p[:, 1]) - 1,
    ),
    "ring": lambda p: np.hypot(np.hypot(p[:, 0], p[:, 1]) - TORUS_RING, p[:, 2]) - TORUS_TUBE,
}


def unproject(clips, index: int) -> np.ndarray:
    """World points (T,H,W,3) of every pixel center, from depth, intrinsics and c2w alone, in float64."""
    depth = clips.depth[index].double().numpy()
    c2w, intrinsics = clips.c2w[index].double().numpy(), clips.intrinsics[index].double().numpy()
    frames, height, width = depth.shape
    v, u = np.meshgrid((np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width, indexing="ij")
    points = []
    for t in range(frames):
        fx, fy, cx, cy = intrinsics[t]
        camera = np.stack([(u - cx) / fx, (v - cy) / fy, np.ones_like(u)], -1) * depth[t][..., None]
        points.append(camera @ c2w[t, :, :3].T + c2w[t, :, 3])
    return np.stack(points)


@pytest.mark.parametrize("family", ["seen", "unseen"])
def test_depth_puts_every_object_pixel_on_the_surface_of_its_solid(family):
    clips = render(range(40, 58), frames=2, options=WorldOptions(family=family, supersample=False))
    met = set()
    for b, scene in enumerate(clips.scenes):
        points = unproject(clips, b)
        for k, thing in enumerate(scene.objects):
            for t in range(scene.frames):
                mine = points[t][clips.identity[b, t].numpy() == k]
                if not len(mine):
                    continue
                local = (mine - thing.center[t]) @ thing.rotation[t] / thing.half_size
                assert np.abs(SURFACE[thing.solid](local)).max() < 4e-3, thing.solid
                assert np.abs(local).max() < 1 + 4e-3
                met.add(thing.solid)
    assert len(met) == {"seen": 6, "unseen": 4}[family]


def test_depth_puts_the_rest_on_the_ground_the_wall_or_at_the_end_of_the_world():
    clips = render(range(8), frames=2, options=WorldOptions(supersample=False))
    for b, scene in enumerate(clips.scenes):
        points, depth = unproject(clips, b), clips.depth[b].numpy()
        ground = np.abs(points[..., 1]) < 1e-3
        wall = np.zeros_like(ground)
        if scene.surroundings.wall is not None:
            wall = np.abs(np.hypot(points[..., 0], points[..., 2]) - scene.surroundings.wall.radius) < 1e-2
        free = clips.identity[b].numpy() < 0
        assert (ground | wall | (depth == FAR))[free].all()
        assert ground[free].mean() > 0.25


def test_the_image_moves_as_the_camera_says():
    """A ground point of the first frame, projected into a later frame, has its color there."""
    options = WorldOptions(cameras=("orbit", "truck", "spline", "roll", "pan"), moving=0.0, objects=(1, 1))
    clips = render(range(6), frames=5, height=128, width=192, options=options)
    for b in range(len(clips)):
        points = unproject(clips, b)[0]
        # The near field's interior: colors at edges are mixtures, far cells melt.
        chosen = (np.abs(points[..., 1]) < 1e-3) & (clips.depth[b, 0].numpy() < 6)
        first = clips.video[b, :, 0].permute(1, 2, 0).numpy()[chosen]

        def there(t: int, c2w: np.ndarray, b=b, points=points, chosen=chosen) -> tuple[np.ndarray, np.ndarray]:
            fx, fy, cx, cy = clips.intrinsics[b, t].double().numpy()
            camera = (points[chosen] - c2w[:, 3]) @ c2w[:, :3]
            u = (fx * camera[:, 0] / camera[:, 2] + cx) * 192 - 0.5
            v = (fy * camera[:, 1] / camera[:, 2] + cy) * 128 - 0.5
            column, row = np.round(u).astype(int), np.round(v).astype(int)
            inside = (column >= 0) & (column < 192) & (row >= 0) & (row < 128) & (camera[:, 2] > 0)
            same = np.zeros_like(inside)
            same[inside] = np.abs(clips.depth[b, t].numpy()[row[inside], column[inside]] - camera[inside, 2]) < 0.15
            image = clips.video[b, :, t].permute(1, 2, 0).numpy()
            return same, image[row.clip(0, 127), column.clip(0, 191)]

        t = 3
        visible, color = there(t, clips.c2w[b, t].double().numpy())
        assert visible.sum() > 500
        right = np.abs(color - first)[visible].mean()
        still_visible, still = there(0, clips.c2w[b, t].double().numpy())
        wrong = np.abs(still - first)[visible].mean()
        assert right < 0.05 and right < 0.6 * wrong, (b, right, wrong)


def test_the_identity_map_paints_slots_and_agrees_with_control():
    from comfyui_fulldit.control.conditions import DepthCondition, IdentityCondition
    from comfyui_fulldit.control.identity.slots import identity_map, reference_image

    clips = render([4], frames=5)
    maps = clips.identity_maps()[0].permute(1, 2, 3, 0).numpy()
    conditions = clips.conditions(0)
    conditions.validate()
    identities = conditions.get(IdentityCondition).identities
    assert len(identities) == int(clips.present[0].sum()) == 3
    np.testing.assert_array_equal(maps, identity_map(identities, 5, 64, 96))
    np.testing.assert_array_equal(clips.disparity()[0, 0].numpy(), conditions.get(DepthCondition).clip.values)
    for k, identity in enumerate(identities):
        # The reference is already cut out and fitted: a second fitting hardly changes it.
        again = reference_image(identity, 64, 96)
        assert np.abs(again - clips.references[0, k].permute(1, 2, 0).numpy()).mean() < 0.04


def test_references_show_the_identity_and_absent_slots_are_gray():
    clips = render(range(10, 18), frames=1)
    for b in range(len(clips)):
        for k in range(3):
            image, mask = clips.references[b, k], clips.reference_masks[b, k]
            assert torch.all(image[:, mask == 0] == 0.5)
            if not clips.present[b, k]:
                assert mask.sum() == 0
                continue
            rows, columns = mask.amax(1).nonzero(), mask.amax(0).nonzero()
            extent = max((rows[-1] - rows[0] + 1).item() / 64, (columns[-1] - columns[0] + 1).item() / 96)
            assert 0.8 <= extent <= 0.97
            # Its colors are those of the object in the clip (light differs, so compare the direction of color).
            seen = clips.video[b, :, 0][:, clips.identity[b, 0] == k]
            assert seen.numel() == 0 or torch.all((image[:, mask == 1].mean(1) - seen.mean(1)).abs() < 0.45)


def path_of(kind: str, sign: int) -> np.ndarray:
    for seed in range(100):
        path = make_path(np.random.default_rng(seed), kind, 9, 4.0, 0.2, np.array([0.0, -0.4, 0.0]), 1.0, 1.5)
        if path.direction == sign:
            return path
    raise AssertionError(kind)


# What a person expects: name, and a number that grows when the words for sign +1 are true.
EXPECTED = {
    "pan": lambda c, k: c[0, 2],  # right: the view turns to +x
    "tilt": lambda c, k: c[1, 2],  # down: the view turns to +y
    "roll": lambda c, k: c[1, 0],  # clockwise: the camera's right side sinks
    "truck": lambda c, k: c[0, 3],
    "pedestal": lambda c, k: c[1, 3],  # sinks: y points down
    "dolly": lambda c, k: c[2, 3],
    "orbit": lambda c, k: c[0, 3],
    "zoom": lambda c, k: k[0],
    "crane": lambda c, k: c[1, 3],
    "pan_dolly": lambda c, k: c[0, 2],
    "dolly_zoom": lambda c, k: c[2, 3] - k[0],
}


@pytest.mark.parametrize("kind", EXPECTED)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_movement_goes_where_its_words_say(kind, sign):
    path = path_of(kind, sign)
    measure = EXPECTED[kind]
    first, last = (measure(path.c2w[t], path.intrinsics[t]) for t in (0, -1))
    assert (last - first) * sign > 0.05


@pytest.mark.parametrize("kind", SEEN + UNSEEN)
def test_every_path_is_rigid_above_ground_and_moves_unless_static(kind):
    for seed in range(5):
        path = make_path(np.random.default_rng(seed), kind, 17, 4.0, 0.2, np.array([0.0, -0.4, 0.0]), 1.0, 1.5)
        rotation = path.c2w[:, :, :3]
        eye = np.broadcast_to(np.eye(3), (17, 3, 3))
        np.testing.assert_allclose(rotation @ rotation.transpose(0, 2, 1), eye, atol=1e-12)
        assert np.linalg.det(rotation).min() > 0.999
        assert path.c2w[:, 1, 3].max() < -0.3
        change = np.abs(path.c2w - path.c2w[:1]).max() + np.abs(path.intrinsics - path.intrinsics[:1]).max()
        assert change < 1e-9 if kind == "static" else change > 0.06


def test_trajectories_start_at_identity_in_units_of_the_median_depth():
    clips = render(range(4), frames=5)
    relative, intrinsics = clips.trajectories()
    assert relative.dtype == intrinsics.dtype == torch.float32
    eye = torch.eye(3, 4).expand(4, 3, 4)
    torch.testing.assert_close(relative[:, 0], eye, atol=1e-6, rtol=0)
    for b in range(4):
        unit = float(np.median(clips.depth[b, 0].numpy()))
        moved = (clips.c2w[b, -1, :, 3] - clips.c2w[b, 0, :, 3]).norm() / unit
        assert abs(relative[b, -1, :, 3].norm() - moved) < 1e-4
        camera = clips.trajectory(b)
        np.testing.assert_allclose(camera.c2w, relative[b].numpy(), atol=1e-5)


def test_the_two_images_of_one_scene_agree_at_two_sizes():
    small, large = (render([21], frames=1, height=h, width=w) for h, w in ((32, 48), (96, 144)))
    shrunk = torch.nn.functional.avg_pool2d(large.video[0, :, 0], 3)
    assert (shrunk - small.video[0, :, 0]).abs().mean() < 0.02
    assert make_scene(21, 1).camera.movement == small.scenes[0].camera.movement
