"""Arrays of other nodes that are of another shape or kind than their sockets say: each is refused in one sentence."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from comfyui_fulldit.control.camera.presets import preset
from comfyui_fulldit.control.conditions import Conditions, VideoSize
from comfyui_fulldit.control.errors import UserError

F, H, W = 3, 24, 32
TRACKS = {"width": 96, "height": 64, "length": 9, "columns": 6, "rows": 4}


def geometry(**changed):
    """A DA3_GEOMETRY of a path in front of a wall, with some of its entries changed."""
    lens = torch.tensor([[30.0, 0, W / 2], [0, 30.0, H / 2], [0, 0, 1]])
    whole = {
        "depth": torch.full((F, H, W), 2.0),
        "extrinsics": torch.from_numpy(preset("truck_left", F).w2c()[None]).float(),
        "intrinsics": lens.expand(1, F, 3, 3),
    }
    return {**whole, **changed}


def path_from(host, given):
    return host.nodes["FullDiTCameraFromGeometry"].execute(geometry=given, fps=8.0).args[0]


def drawn_before(host, given):
    return host.nodes["FullDiTCameraPath"].execute('{"keys": [{"time": 0}]}', 5, 8.0, 1.5, geometry=given)


def tracks_in(host, given):
    return host.nodes["FullDiTCameraToTracks"].execute(camera=preset("truck_left", 5), geometry=given, **TRACKS).args[0]


def test_the_whole_geometry_is_used_by_all_three(host):
    assert path_from(host, geometry()).frames == F
    assert drawn_before(host, geometry()).kwargs["ui"]["fulldit_backdrop"][0]["count"] == H * W
    assert tracks_in(host, geometry())["track_path"].shape == (9, 24, 2)


@pytest.mark.parametrize("use", [path_from, drawn_before, tracks_in])
@pytest.mark.parametrize(
    "depth",
    [
        torch.zeros(0, H, W),
        torch.zeros(F, H, 0),
        torch.tensor(2.0),
        torch.ones(F),
        torch.ones(1, F, H, W),
        torch.ones(F, H, W, dtype=torch.complex64),
        np.array([["near", "far"]]),
        [[1.0, 2.0], [3.0]],
        "depth",
        5,
    ],
)
def test_depth_of_another_shape_or_kind(host, use, depth):
    with pytest.raises(UserError, match=r"depth.* (has shape|is of|is a) .* expected"):
        use(host, geometry(depth=depth))


@pytest.mark.parametrize("use", [path_from, drawn_before])
@pytest.mark.parametrize(
    "intrinsics", [torch.zeros(0, 3, 3), torch.eye(3)[0], torch.ones(1, F, 2), torch.tensor(4.0), "wide"]
)
def test_a_lens_of_another_shape_or_kind(host, use, intrinsics):
    with pytest.raises(UserError, match=r"intrinsics.* (of shape|has shape|is a) "):
        use(host, geometry(intrinsics=intrinsics))


@pytest.mark.parametrize("focal", [0.0, -30.0, float("nan")])
def test_a_lens_without_a_focal_length(host, focal):
    lens = torch.tensor([[focal, 0, W / 2], [0, focal, H / 2], [0, 0, 1]])
    for points in ({}, {"points": torch.ones(F, H, W, 3)}):
        with pytest.raises(UserError, match="focal lengths of the geometry are .* above 0 were expected"):
            drawn_before(host, geometry(intrinsics=lens.expand(F, 3, 3), **points))


@pytest.mark.parametrize(
    "points", [torch.ones(F, H, W), torch.ones(F, W, H, 3), torch.zeros(0, H, W, 3), torch.tensor(1.0)]
)
def test_points_that_are_not_those_of_the_depth(host, points):
    with pytest.raises(UserError, match="'points' of the geometry has shape .* expected"):
        drawn_before(host, geometry(points=points))


@pytest.mark.parametrize("missing", ["depth", "extrinsics", "intrinsics"])
def test_a_geometry_that_lacks_an_entry(host, missing):
    with pytest.raises(UserError, match="no depth|no cameras"):
        path_from(host, {key: value for key, value in geometry().items() if key != missing})
    with pytest.raises(UserError, match="no depth"):
        tracks_in(host, {"extrinsics": None})


@pytest.mark.parametrize("masks", [torch.zeros(F, H, 0), torch.zeros(F, 0, W), torch.zeros(0, H, W)])
def test_masks_without_a_pixel(host, masks):
    options = {"conditions": Conditions(VideoSize(F, 32, 48, 8.0), ()), "source_fps": 8.0, "fit_space": "crop"}
    with pytest.raises(UserError, match=r"shape .* a MASK \(frames, height, width\) was expected"):
        host.nodes["FullDiTFitVideo"].execute(images=torch.rand(F, H, W, 3), masks=masks, time="keep_speed", **options)


@pytest.mark.parametrize("images", [torch.zeros(F, 0, W, 3), torch.zeros(F, H, 0, 3)])
def test_images_without_a_pixel(host, images):
    with pytest.raises(UserError, match=r"shape .* an IMAGE \(frames, height, width, 3\) was expected"):
        host.nodes["FullDiTDepth"].execute(images=images, kind="disparity")


def test_a_number_in_the_place_of_images(host):
    for node, name in (("FullDiTCameraFromVideo", "images"), ("FullDiTCropReference", "image")):
        with pytest.raises(UserError, match=rf"'{name}' has shape \(\); 3 axes or more were expected of IMAGE"):
            host.nodes[node].execute(**{name: torch.tensor(0.5)})


def test_packed_masks_of_a_kind_that_numpy_has_not(host):
    track = {"packed_masks": torch.zeros(F, 2, H, 4, dtype=torch.bfloat16), "n_frames": F}
    with pytest.raises(UserError, match="masks are torch.bfloat16 of shape .* bytes of shape .* expected"):
        host.nodes["FullDiTMasksFromTrack"].execute(track=track)


@pytest.mark.parametrize(
    ("waveform", "rate"),
    [
        (torch.zeros(1, 1, 0), 8000),
        (torch.tensor(0.5), 8000),
        ("loud", 8000),
        (torch.full((1, 1, 80), float("nan")), 8000),
        (torch.zeros(1, 1, 80), "8 kHz"),
        (torch.zeros(1, 1, 80), float("nan")),
        (torch.zeros(1, 1, 80), 0),
        (torch.zeros(1, 1, 80), 10**400),
    ],
)
def test_a_sound_that_is_none(host, waveform, rate):
    with pytest.raises(UserError, match=r"(sound has samples of shape|waveform (is a|holds NaN)).* expected"):
        host.nodes["FullDiTSound"].execute({"waveform": waveform, "sample_rate": rate})
