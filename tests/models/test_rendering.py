"""Images along a camera path, in numbers that a person can check: what moves where, what hides what, what is a hole."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from comfyui_fulldit.control.camera import CameraTrajectory
from comfyui_fulldit.control.depth import DepthClip, normalize_depth
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.images import resize
from comfyui_fulldit.models.rendering import places, render_along, render_clip, splat
from comfyui_fulldit.models.rendering.surface import resize_disparity, sharpen

HEIGHT, WIDTH = 40, 60
FOCAL = 30  # pixels: 90 degrees wide
RED, BLUE, BLACK = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, 0.0, 0.0)


def path(
    *positions: tuple[float, float, float], pans: tuple[float, ...] = (), zooms: tuple[float, ...] = ()
) -> CameraTrajectory:
    """Cameras at these positions in meters, turned right by degrees, with the focal length times `zooms`."""
    c2w = np.tile(np.eye(3, 4), (len(positions), 1, 1))
    c2w[:, :, 3] = positions
    for frame, angle in enumerate(np.radians(pans)):
        c2w[frame, :, :3] = [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
    lens = np.tile([FOCAL / WIDTH, FOCAL / HEIGHT, 0.5, 0.5], (len(positions), 1))
    lens[:, :2] *= np.array(zooms or [1.0] * len(positions))[:, None]
    return CameraTrajectory(c2w, lens, unit="meters")


def noise(height: int = HEIGHT, width: int = WIDTH, frames: int = 1, seed: int = 0) -> torch.Tensor:
    """An image in which every pixel has a color of its own."""
    return torch.rand(frames, height, width, 3, generator=torch.Generator().manual_seed(seed))


def flat(depth: float, height: int = HEIGHT, width: int = WIDTH) -> torch.Tensor:
    return torch.full((1, height, width), depth)


def waves(size: float = 0.1) -> torch.Tensor:
    """A smooth surface about 2 m away."""
    v, u = np.mgrid[:HEIGHT, :WIDTH]
    return torch.from_numpy(2 + size * np.sin(u / 5) * np.cos(v / 6)).float()[None]


def columns(mask: torch.Tensor) -> list[int]:
    return mask.nonzero().flatten().tolist()


def test_a_red_square_uncovers_the_blue_wall_to_its_right_where_the_camera_moves_right():
    """A meter to the right is 30 / 2 = 15 pixels at 2 m, and 30 / 10 = 3 pixels at 10 m."""
    image, depth = torch.tensor(BLUE).repeat(1, HEIGHT, WIDTH, 1), flat(10.0)
    image[:, 10:20, 30:40] = torch.tensor(RED)
    depth[:, 10:20, 30:40] = 2
    images, holes, seen = render_along(image, depth, path((0, 0, 0), (1, 0, 0)), linear=False)
    assert torch.equal(images[0], image[0]) and not holes[0].any()
    row = images[1, 15]
    assert columns((row == torch.tensor(RED)).all(-1)) == list(range(15, 25))
    # The wall's left part, to column 29, ends at 26; its right part, from column 40 on, begins at 37.
    assert columns(holes[1, 15]) == [*range(27, 37), 57, 58, 59]
    assert columns((row == torch.tensor(BLUE)).all(-1)) == [*range(15), 25, 26, *range(37, 57)]
    assert (images[1][holes[1]] == 0).all() and seen[1][holes[1]].isnan().all()
    assert (seen[1, 15, 15:25] == 2).all() and seen[1, 15, 26] == 10
    # Above and below the square only the image's edge is a hole, and the mirror image has the hole to the left.
    assert columns(holes[1, 5]) == columns(holes[1, 25]) == [57, 58, 59]
    mirrored = render_along(image.flip(2), depth.flip(2), path((0, 0, 0), (-1, 0, 0)), linear=False)
    assert torch.equal(mirrored.images[1].flip(1), images[1]) and torch.equal(mirrored.holes[1].flip(1), holes[1])


@pytest.mark.parametrize("linear", [True, False])
def test_a_camera_that_does_not_move_shows_the_image_itself_whatever_its_depth(linear):
    image, depth = noise(), noise(seed=1)[..., 0] * 5 + 0.1
    depth[:, 3, 4], depth[:, 5] = torch.nan, torch.inf
    images, holes, seen = render_along(image, depth, path(*[(0, 0, 0)] * 3), linear=linear)
    assert torch.equal(images, image.expand(3, -1, -1, -1)) and not holes.any()
    assert torch.allclose(seen[2], depth[0], equal_nan=True)


@pytest.mark.parametrize(("right", "down"), [(3, 0), (-7, 0), (0, 5), (0, -2), (4, -6)])
def test_a_wall_shifts_by_focal_length_times_movement_over_distance(right, down):
    image = noise()
    moved = path((0, 0, 0), (right * 3 / FOCAL, down * 3 / FOCAL, 0))
    images, holes, seen = render_along(image, flat(3.0), moved, linear=False)
    expected = torch.zeros(HEIGHT, WIDTH, 3)
    rows = slice(max(0, -down), HEIGHT - max(0, down))
    shown = slice(max(0, -right), WIDTH - max(0, right))
    expected[rows, shown] = image[0, rows.start + down : rows.stop + down, shown.start + right : shown.stop + right]
    assert torch.equal(images[1], expected)
    assert torch.equal(holes[1], (expected == 0).all(-1)) and (seen[1][~holes[1]] - 3).abs().max() < 1e-5


def test_half_a_pixel_is_the_mean_of_two_and_the_nearer_of_two_where_no_color_is_mixed():
    image = noise()
    moved = path((0, 0, 0), (0.5 * 3 / FOCAL, 0, 0))
    mixed = render_along(image, flat(3.0), moved).images[1]
    assert torch.allclose(mixed[:, :-1], (image[0, :, :-1] + image[0, :, 1:]) / 2, atol=1e-4)
    nearest = render_along(image, flat(3.0), moved, linear=False).images[1]
    either = ((nearest[:, :-1] == image[0, :, :-1]) | (nearest[:, :-1] == image[0, :, 1:])).all(-1)
    assert either.all()


@pytest.mark.parametrize("depth", [torch.inf, 4.0])
def test_a_turning_camera_sees_the_homography_of_the_image_whatever_its_depth(depth):
    angle = np.radians(12)
    image = noise()
    images, holes, _ = render_along(image, flat(depth), path(*[(0, 0, 0)] * 2, pans=(0, 12)), linear=False)
    v, u = np.mgrid[:HEIGHT, :WIDTH]
    ray = np.stack([(u - 29.5) / FOCAL, (v - 19.5) / FOCAL, np.ones_like(u)], -1)
    turned = ray @ np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]).T
    at = turned[..., :2] / turned[..., 2:] * FOCAL + np.array([29.5, 19.5])
    inside = (at > -0.5).all(-1) & (at[..., 0] < WIDTH - 0.5) & (at[..., 1] < HEIGHT - 0.5)
    # Within a thousandth of a pixel of the border between two, either may be taken; pixels at the rim reach further.
    rim = np.abs(np.stack([at + 0.5, at + 0.5 - [WIDTH, HEIGHT]])).min((0, -1)) < 1.1 * splat.MARGIN
    sure = (np.abs((at + 0.5) % 1 - 0.5) < 0.499).all(-1) & ~rim
    assert np.array_equal(holes[1].numpy()[sure], ~inside[sure])
    nearest = np.clip(np.round(at).astype(int), 0, [WIDTH - 1, HEIGHT - 1])
    expected = image[0].numpy()[nearest[..., 1], nearest[..., 0]]
    assert np.array_equal(images[1].numpy()[sure & inside], expected[sure & inside])


@pytest.mark.parametrize("zoom", [1.3, 2.0, 5.0])
def test_what_comes_nearer_has_no_cracks(zoom):
    """By a lens and by a step: a plane, a slope and waves fill the image without a hole."""
    slope = 1 / (0.2 + 0.3 * torch.linspace(0, 1, HEIGHT)[:, None].expand(HEIGHT, WIDTH))[None]
    for depth in (flat(2.0), slope, waves()):
        zoomed = render_along(noise(), depth, path((0, 0, 0), (0, 0, 0), zooms=(1, zoom)))
        nearer = render_along(noise(), depth, path((0, 0, 0), (0, 0, 2 - 2 / zoom)))
        assert not zoomed.holes.any() and not nearer.holes[1, 8:-8, 8:-8].any()


def test_a_camera_that_moves_back_shows_less_in_the_same_place():
    images, holes, seen = render_along(noise(), flat(2.0), path((0, 0, 0), (0, 0, -2)))
    assert columns(~holes[1, 20]) == list(range(15, 45)) and columns(~holes[1, :, 30]) == list(range(10, 30))
    assert (seen[1][~holes[1]] - 4).abs().max() < 1e-5


def test_behind_the_camera_and_beyond_the_image_there_are_only_holes():
    looks = path((0, 0, 0), (0, 0, 3), (0, 0, 0), (20, 0, 0), pans=(0, 0, 180, 0))
    images, holes, seen = render_along(noise(), flat(2.0), looks)
    assert not holes[0].any() and holes[1:].all() and (images[1:] == 0).all() and seen[1:].isnan().all()


def test_the_back_of_a_surface_is_not_shown():
    looks = path((0, 0, 0), (0, 0, 1), (0, 0, 4), pans=(0, 0, 180))
    holes = render_along(noise(), flat(2.0), looks).holes
    assert not holes[1].any() and holes[2].all()


def test_unknown_depth_is_a_hole_once_the_camera_moves():
    depth = flat(3.0)
    depth[:, 10:20, 10:20], depth[:, 25:30, 10:20] = torch.nan, 0
    holes = render_along(noise(), depth, path((0, 0, 0), (0.1, 0, 0))).holes
    assert not holes[0].any() and holes[1, 10:20, 9:19].all() and holes[1, 25:30, 9:19].all()
    assert holes[1, :, :-1].sum() == 150


# ---- gaps -----------------------------------------------------------------------------------------------------------


def rough() -> torch.Tensor:
    """A wall whose depth is off by up to 0.7 %: seen from the side, its pixels drift apart by a third of one."""
    return 2 * (1 + 0.007 * (noise(seed=3)[..., 0] * 2 - 1))


def test_cracks_of_rough_depth_are_closed(monkeypatch):
    moved = path((0, 0, 0), (1.5, 0, 0))
    _, holes, seen = render_along(noise(), rough(), moved)
    assert not holes[1, 1:-1, :36].any() and (seen[1, 1:-1, :36] - 2).abs().max() < 0.05
    monkeypatch.setattr(places.Places, "close_gaps", lambda *_: None)
    assert render_along(noise(), rough(), moved).holes[1, 1:-1, :36].sum() > 10


def test_what_shows_through_a_crack_is_covered_too(monkeypatch):
    """A far wall to the left comes to lie behind the rough one and would show through."""
    image, depth = torch.tensor(BLUE).repeat(1, HEIGHT, WIDTH, 1), torch.full((1, HEIGHT, WIDTH), 40.0)
    image[:, :, 30:], depth[:, :, 30:] = torch.tensor(RED), rough()[:, :, 30:]
    moved = path((0, 0, 0), (1.5, 0, 0))
    # 30 * 1.5 / 2 = 22.5 pixels: the rough wall begins at column 7.5, the far one moves by 1.
    images = render_along(image, depth, moved).images
    assert (images[1, 1:-1, 8:26] == torch.tensor(RED)).all()
    monkeypatch.setattr(places.Places, "close_gaps", lambda *_: None)
    assert not (render_along(image, depth, moved).images[1, 1:-1, 8:26] == torch.tensor(RED)).all()


@pytest.mark.parametrize("slit", [1, 2])
def test_the_space_between_two_things_stays_open_however_narrow(slit):
    image, depth = torch.tensor(BLUE).repeat(1, HEIGHT, WIDTH, 1), flat(10.0)
    for part in (slice(20, 30), slice(30 + slit, 40)):
        image[:, :, part], depth[:, :, part] = torch.tensor(RED), 2
    images, holes, _ = render_along(image, depth, path((0, 0, 0), (0.4, 0, 0)), linear=False)
    # The posts move by 6 pixels, the wall by 1.2: what is seen between them is a part of the wall that a post hid.
    assert holes[1, :, 24 : 24 + slit].all()
    assert (images[1, :, 14:24] == torch.tensor(RED)).all()
    assert (images[1, :, 24 + slit : 34] == torch.tensor(RED)).all()


# ---- depth as it comes ----------------------------------------------------------------------------------------------


def square(blur: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """A red square before a blue wall, and its depth, blurred over so many pixels to each side."""
    image, disparity = torch.tensor(BLUE).repeat(1, HEIGHT, WIDTH, 1), flat(0.1)
    image[:, 10:30, 20:40], disparity[:, 10:30, 20:40] = torch.tensor(RED), 0.5
    if blur:
        padded = torch.nn.functional.pad(disparity, (blur,) * 4, mode="replicate")
        disparity = torch.nn.functional.avg_pool2d(padded, 2 * blur + 1, 1)
    return image, 1 / disparity


@pytest.mark.parametrize("blur", [1, 2])
def test_blurred_edges_of_depth_bridge_the_hole_unless_they_are_sharpened(blur):
    moved = path((0, 0, 0), (0.8, 0, 0))  # 12 pixels of the square, 2.4 of the wall: a hole of 9.6
    exact = render_along(*square(), moved).holes[1, 20, :40].sum()
    bridged = render_along(*square(blur), moved).holes[1, 20, :40].sum()
    sharpened = render_along(*square(blur), moved, soft_edges=True).holes[1, 20, :40].sum()
    assert exact in (9, 10) and sharpened >= 9 and bridged <= 6


def test_sharpening_leaves_planes_edges_and_thin_things():
    plane = torch.linspace(0.1, 0.9, HEIGHT)[:, None] + torch.linspace(0, 0.5, WIDTH)[None]
    step = plane.clone()
    step[:, 30:] += 0.5
    thin = plane.clone()
    thin[:, 30] = 2
    bent = plane.clamp(min=0.4)  # as depth clips are cut off at their far end
    for disparity in (plane, step, thin, bent):
        assert torch.equal(sharpen(disparity), disparity)


def test_depth_of_another_size_is_linear_on_surfaces_and_sharp_at_edges():
    plane = 0.2 + 0.01 * torch.arange(20.0).expand(16, 20)
    larger = resize_disparity(plane, (32, 40))
    assert torch.allclose(larger[:, 1:-1].diff(dim=1), torch.tensor(0.005), atol=1e-6)
    step = torch.where(torch.arange(20) < 10, 0.2, 0.8).expand(16, 20)
    assert resize_disparity(step, (32, 40)).unique().tolist() == pytest.approx([0.2, 0.8])
    assert resize_disparity(step, (8, 10)).unique().tolist() == pytest.approx([0.2, 0.8])
    image, depth = square()
    moved = path((0, 0, 0), (0.8, 0, 0))
    coarse = render_along(image, depth[:, ::2, ::2], moved)
    fine = render_along(image, depth, moved)
    assert (coarse.holes != fine.holes).float().mean() < 0.02


# ---- clips ----------------------------------------------------------------------------------------------------------


def test_a_clip_is_seen_frame_by_frame_from_its_own_time():
    clip, depth = noise(frames=3), torch.cat([waves(size) for size in (0.1, 0.2, 0.3)])
    moved = path((0, 0, 0), (0.2, 0, 0), (0.4, 0, 0.1))
    images, holes, _ = render_along(clip, depth, moved)
    for frame in range(3):
        alone = render_along(clip[frame][None], depth[frame][None], moved)
        assert torch.equal(images[frame], alone.images[frame]) and torch.equal(holes[frame], alone.holes[frame])


def test_a_clip_seen_by_its_own_camera_is_the_clip():
    clip, depth = noise(frames=3), torch.cat([waves()] * 3)
    own = path((0, 0, 0), (0.2, 0, 0), (0.4, 0, 0.1), pans=(0, 3, 6))
    images, holes, _ = render_along(clip, depth, own, source_path=own)
    assert torch.equal(images, clip) and not holes.any()
    still = path(*[(0, 0, 0)] * 3)
    assert torch.equal(render_along(clip, depth, still).images, clip)
    # It is the camera's place that counts: two that move alike, one a step ahead of the other, see the same wall.
    ahead = render_along(clip, torch.cat([flat(2.0)] * 3), path(*[(x, 0, 0) for x in (0, 0.4, 0.8)]), source_path=own)
    behind = render_along(clip[:1], flat(2.0), path((0, 0, 0), (0.4, 0, 0)), linear=False)
    assert ahead.holes[2].any() and behind.holes[1].sum() > ahead.holes[1].sum() > 0


# ---- sizes ----------------------------------------------------------------------------------------------------------


def test_a_larger_image_is_scaled_down_to_cover_the_result_and_what_is_beyond_comes_into_view():
    image = noise(80, 120)
    small = render_along(image, flat(3.0, 80, 120), path((0, 0, 0), (0.1, 0, 0)), (40, 60))
    assert torch.equal(small.images[0], torch.from_numpy(resize(image[0].numpy(), 40, 60)))
    # A square result shows the middle of the image at first; turning right, it sees more of it and no hole.
    turned = path((0, 0, 0), (0, 0, 0), pans=(0, 8))
    tall = render_along(image, flat(3.0, 80, 120), turned, (40, 40))
    assert torch.equal(tall.images[0], torch.from_numpy(resize(image[0].numpy(), 40, 60))[:, 10:50])
    assert not tall.holes[1, 5:-5].any()
    cropped = render_along(image[:, :, 20:100], flat(3.0, 80, 80), turned, (40, 40))
    assert cropped.holes[1, 5:-5].any()


def test_a_smaller_image_is_enlarged_without_holes():
    images, holes, _ = render_along(noise(20, 30), flat(3.0, 20, 30), path((0, 0, 0), (0, 0, 0)), (48, 72))
    assert images.shape == (2, 48, 72, 3) and not holes.any()
    assert (images[0].mean() - noise(20, 30).mean()).abs() < 0.02


def test_the_size_of_the_work_does_not_change_the_result(monkeypatch):
    moved, depth = path((0, 0, 0), (0.3, 0.1, 1.2), pans=(0, 10)), waves(0.5)
    whole = render_along(noise(), depth, moved)
    monkeypatch.setattr(splat, "BAND", 3 * WIDTH)
    monkeypatch.setattr(splat, "MOST_OTHERS", 50)
    for one, other in zip(whole, render_along(noise(), depth, moved), strict=True):
        assert torch.equal(one.nan_to_num(-1), other.nan_to_num(-1))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 12), st.integers(1, 12), st.floats(0.01, 100))
def test_whatever_depth_and_movement_every_pixel_is_a_color_of_the_image_or_a_hole(seed, height, width, spread):
    generator = np.random.default_rng(seed)
    depth = torch.from_numpy(generator.uniform(-0.2, 1, (1, height, width)) * spread).float()
    depth[torch.from_numpy(generator.random((1, height, width)) < 0.1)] = torch.inf
    image = noise(height, width, seed=seed) * 0.5 + 0.25
    position = tuple(generator.uniform(-2, 2, 3))
    moved = path((0, 0, 0), position, pans=(0, generator.uniform(-180, 180)))
    size = (int(generator.integers(1, 16)), int(generator.integers(1, 16)))
    for linear in (True, False):
        images, holes, seen = render_along(image, depth, moved, size, linear=linear, soft_edges=linear)
        assert (images[holes] == 0).all() and seen[1][holes[1]].isnan().all() and (seen[1][~holes[1]] > 0).all()
        shown = images[~holes]
        assert not shown.numel() or (shown.min() >= 0.25 - 1e-5 and shown.max() <= 0.75 + 1e-5)


# ---- what cannot be used, and what is said --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frames", "depth", "options", "says"),
    [
        (noise()[0], flat(2.0), {}, "images have shape"),
        (noise()[..., :2], flat(2.0), {}, "images have shape"),
        (noise(), flat(2.0)[0], {}, "depth has shape"),
        (noise(frames=3), flat(2.0).expand(3, -1, -1), {}, "3 frames and the camera path 2 poses"),
        (noise(frames=2), flat(2.0), {}, "depth has 1 frames, the images 2"),
        (noise(), flat(2.0, 40, 40), {}, "depth is 40x40"),
        (noise(), flat(2.0), {"source_path": path((0, 0, 0), (0, 0, 1))}, "own camera has 2 poses"),
        (noise(), flat(2.0), {"source_path": path((0, 0, 0)).replace(unit="inches")}, "in 'inches'"),
    ],
)
def test_what_does_not_belong_together_is_refused(frames, depth, options, says):
    with pytest.raises(UserError, match=says):
        render_along(frames, depth, path((0, 0, 0), (0.1, 0, 0)), **options)


def test_every_frame_is_a_step_and_a_step_may_end_the_work():
    taken = []

    def step() -> None:
        taken.append(1)
        if len(taken) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_along(noise(), flat(2.0), path(*[(0, 0, 0)] * 5), step=step)
    assert len(taken) == 2


def test_the_report_says_holes_and_scale():
    depth = normalize_depth(square()[1].numpy(), "depth", near=2.0, far=10.0)
    result = render_clip(square()[0], depth, path((0, 0, 0), (0.8, 0, 0)), soft_edges=False)
    holes = render_along(*square(), path((0, 0, 0), (0.8, 0, 0))).holes
    assert torch.equal(result.holes, holes) and result.shares == pytest.approx(holes.float().mean((1, 2)).tolist())
    said = " ".join(result.report)
    assert said.startswith("2 frames of 60x40.") and f"at most {result.shares[1]:.1%}, in frame 1" in said
    assert "Near (1) is at a distance of 2 and far (0) at 10, in units of the path (meters)." in said
    assert "taken to be in that unit too: meters" in said and "stand still" in said
    assert result.depth.values.shape == (2, HEIGHT, WIDTH) and result.depth.recipe["holes"] == pytest.approx(
        float(holes.float().mean()), abs=1e-5
    )
    # Holes take the background, so the depth of the second frame is that of the wall there.
    assert np.abs(result.depth.values[1][holes[1].numpy()]).max() < 1e-6
    assert result.depth.values[1][20, 10] == pytest.approx(1, abs=1e-5)


def test_relative_depth_is_said_with_the_distances_that_it_was_given():
    disparity = (1 / square()[1] - 0.1).numpy() / 0.4
    depth, relative = DepthClip(disparity, {"kind": "disparity"}), path((0, 0, 0), (0.8, 0, 0))
    with pytest.raises(UserError, match="moves in meters but the depth is relative"):
        render_clip(square()[0], depth, relative)
    relative = relative.replace(unit="median depth of the first frame")
    result = render_clip(square()[0], depth, relative, offset=0.25)
    said = " ".join(result.report)
    # The median is the wall's value, 0: it is at 1, and near at 0.25 / 1.25 of that.
    assert "Near (1) is at a distance of 0.2 and far (0) at 1" in said and "put 0.25 of its range before" in said


def test_a_camera_that_leaves_what_is_shown_is_said():
    depth = normalize_depth(square()[1].numpy(), "depth")
    gone = " ".join(render_clip(square()[0], depth, path((0, 0, 0), (0, 0, 0), pans=(0, 120))).report)
    assert "In frame 1 the camera has left all that the source shows" in gone
    much = " ".join(render_clip(square()[0], depth, path((0, 0, 0), (0, 0, 0), pans=(0, 40))).report)
    assert "Holes are more than 30% in 1 of the frames, first in frame 1" in much
    clip = square()[0].expand(2, -1, -1, -1)
    long = DepthClip(np.repeat(depth.values, 2, 0), depth.recipe)
    still = path((0, 0, 0), (0, 0, 0))
    assert "connect its path" in render_clip(clip, long, still).report[-1]
    first = " ".join(render_clip(clip[:1], long, still).report)
    assert "of its depth clip of 2 frames, the first was taken" in first
