"""The nodes of masks and references: what they make, and what they do with input that cannot be used."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from comfyui_fulldit.control.conditions import IdentityCondition
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.identity.mask_input import parse_frame_numbers

FRAMES, HEIGHT, WIDTH = 7, 64, 96


def run(host, node, **inputs):
    return host.nodes[node].execute(**inputs)


def disc(x: float, y: float = 32.0, radius: float = 12.0, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A round mask."""
    rows, columns = np.mgrid[:height, :width] + 0.5
    return ((columns - x) ** 2 + (rows - y) ** 2 < radius**2).astype(np.float32)


def clip(frames: int = FRAMES, step: float = 4.0) -> tuple[torch.Tensor, np.ndarray]:
    """A red speckled disc going to the right before blue-green speckles, and its exact track."""
    rng = np.random.default_rng(3)
    behind = rng.uniform(0, 0.35, (HEIGHT // 4, WIDTH // 4, 3)).repeat(4, 0).repeat(4, 1) * (0.3, 1, 1.6)
    face = rng.uniform(0.5, 1, (HEIGHT // 4, 64, 3)).repeat(4, 0).repeat(4, 1) * (1, 0.2, 0.1)
    track = np.stack([disc(24 + step * number) for number in range(frames)])
    video = np.stack(
        [
            np.where(mask[..., None] > 0, face[:, 128 - round(step * n) : 128 - round(step * n) + WIDTH], behind)
            for n, mask in enumerate(track)
        ]
    )
    return torch.from_numpy(video.astype(np.float32)), track


def alike(one, other) -> float:
    one, other = np.asarray(one) > 0.5, np.asarray(other) > 0.5
    return (one & other).sum() / max(1, (one | other).sum())


# Propagate Mask


def test_a_mask_of_one_frame_becomes_a_track(host):
    video, track = clip()
    out = run(host, "FullDiTPropagateMask", images=video, mask=torch.from_numpy(track[3:4]), at="3", refine=True)
    found, report = out.args
    assert found.shape == (FRAMES, HEIGHT, WIDTH) and found.dtype == torch.float32
    assert min(alike(*pair) for pair in zip(found, track, strict=True)) > 0.85
    assert (found[3].numpy() == track[3]).all()
    assert (
        report.startswith("7 frames from the mask at frame 3: found in frames 0-6,")
        and "Frames to look at: none" in report
    )
    assert out.kwargs["ui"]["text"] == [report]


def test_masks_belong_to_the_frames_that_are_named(host):
    video, track = clip()
    few = torch.from_numpy(track[[0, 6]])
    found, report = run(host, "FullDiTPropagateMask", images=video, mask=few, at="0 -1", refine=False).args
    assert "the masks at frames 0, 6" in report
    assert (found[0].numpy() == track[0]).all() and (found[6].numpy() == track[6]).all()
    # One per frame, most of them black.
    sparse = torch.zeros(FRAMES, HEIGHT, WIDTH)
    sparse[2] = torch.from_numpy(track[2])
    found, report = run(host, "FullDiTPropagateMask", images=video, mask=sparse, at="", refine=True).args
    assert "the mask at frame 2:" in report and alike(found[6], track[6]) > 0.7
    whole = torch.from_numpy(track)
    _, report = run(host, "FullDiTPropagateMask", images=video, mask=whole, at="1, 5", refine=False).args
    assert "Of 7 masks, those at frame 1, 5 were used" in report


def test_a_black_mask_says_where_the_thing_is_gone(host):
    video, track = clip()
    few = torch.from_numpy(np.stack([track[0], np.zeros_like(track[0])]))
    found, report = run(host, "FullDiTPropagateMask", images=video, mask=few, at="0, 4", refine=False).args
    assert found[3].max() == 1 and not found[4:].any() and "0 to 3 only" in report


def test_a_mask_of_another_size_is_resized_and_said(host):
    video, _ = clip()
    half = torch.from_numpy(disc(12, 16, 6, HEIGHT // 2, WIDTH // 2)[None])
    found, report = run(host, "FullDiTPropagateMask", images=video, mask=half, at="0", refine=True).args
    assert alike(found[0], disc(24)) > 0.9 and "resized from 48x32 to 96x64" in report


def test_a_clip_of_one_frame_gives_its_mask_back(host):
    video, track = clip(1)
    mask = torch.from_numpy(track)
    found, report = run(host, "FullDiTPropagateMask", images=video, mask=mask, at="", refine=True).args
    assert (found.numpy() == track).all() and report.startswith("1 frame from the mask at frame 0")


@pytest.mark.parametrize(
    ("mask", "at", "says"),
    [
        (torch.zeros(1, HEIGHT, WIDTH), "0", "The mask is black"),
        (torch.zeros(FRAMES, HEIGHT, WIDTH), "", "All 7 masks are black"),
        (torch.from_numpy(disc(24)), "0, 3", "1 mask came, 'at' names 2 frames, and the video has 7"),
        (torch.ones(5, HEIGHT, WIDTH), "", "5 masks came, 'at' is empty"),
        (torch.ones(5, HEIGHT, WIDTH), "0", "a mask for each frame that 'at' names"),
        (torch.ones(1, 64, 64), "0", "cannot belong"),
        (torch.ones(1, HEIGHT, WIDTH), "7", "frames 0 to 6"),
        (torch.ones(2, HEIGHT, WIDTH), "0, -7", "named twice"),
        (torch.ones(1, HEIGHT, WIDTH), "first", "'first' is not a frame"),
        (torch.ones(1, HEIGHT, WIDTH), "1.5", "whole numbers"),
        (torch.full((1, HEIGHT, WIDTH), float("nan")), "0", "NaN"),
        (torch.full((1, HEIGHT, WIDTH), 255.0), "0", "0 and 1"),
    ],
)
def test_masks_that_cannot_be_propagated_are_refused(host, mask, at, says):
    with pytest.raises(UserError, match=says):
        run(host, "FullDiTPropagateMask", images=clip()[0], mask=mask, at=at, refine=True)


def test_naming_a_frame_with_a_black_mask_is_refused(host):
    masks = torch.zeros(FRAMES, HEIGHT, WIDTH)
    masks[2:5] = torch.from_numpy(disc(24))
    with pytest.raises(UserError, match="frame 0 is black, those at 2-4 are not"):
        run(host, "FullDiTPropagateMask", images=clip()[0], mask=masks, at="0", refine=True)


def test_propagation_shows_progress_and_ends_when_it_is_canceled(host, monkeypatch):
    import comfy.model_management
    import comfy.utils

    steps, totals = [], []

    class Bar:
        def __init__(self, total):
            totals.append(total)

        def update(self, count):
            steps.append(count)
            if stopping and len(steps) == 3:
                monkeypatch.setattr(comfy.model_management, "throw_exception_if_processing_interrupted", stop)

    class Interrupted(BaseException):
        pass

    def stop():
        raise Interrupted

    monkeypatch.setattr(comfy.utils, "ProgressBar", Bar)
    video, track = clip()
    given = {"images": video, "mask": torch.from_numpy(track[:1]), "at": "0", "refine": False}
    stopping = False
    run(host, "FullDiTPropagateMask", **given)
    assert totals == [FRAMES] and sum(steps) == FRAMES
    steps.clear()
    stopping = True
    with pytest.raises(Interrupted):
        run(host, "FullDiTPropagateMask", **given)
    assert len(steps) == 3


def test_frame_numbers_may_be_separated_and_counted_from_the_end():
    assert parse_frame_numbers(" 0,12; 24\n-1", 30) == [0, 12, 24, 29] and parse_frame_numbers(" ", 3) == []


# Masks from SAM3 Track


def sam3(masks: np.ndarray | None, size=(HEIGHT, WIDTH), frames: int = 4, **more) -> dict:
    """SAM3_TRACK_DATA as core makes it: eight pixels a byte, lowest bit first."""
    packed = None if masks is None else torch.from_numpy(np.packbits(masks > 0, axis=-1, bitorder="little"))
    return {"packed_masks": packed, "n_frames": frames, "scores": [], "orig_size": size, **more}


def objects() -> np.ndarray:
    """(4, 4, 64, 64): 0 small and right, 1 large and left and late, 2 never seen, 3 in the middle."""
    masks = np.zeros((4, 4, 64, 64), np.uint8)
    masks[:, 0, 8:20, 48:60] = 1
    masks[2:, 1, 8:56, 2:26] = 1
    masks[1:, 3, 8:28, 28:44] = 1
    return masks


@pytest.mark.parametrize(
    ("order", "objects_", "expected"),
    [
        ("given", "", [0, 1, 3]),
        ("area", "", [1, 3, 0]),
        ("seen", "", [0, 3, 1]),
        ("left", "", [1, 3, 0]),
        ("area", "3, 0", [3, 0]),
    ],
)
def test_objects_of_sam3_go_to_the_slots(host, order, objects_, expected):
    out = run(host, "FullDiTMasksFromTrack", track=sam3(objects(), scores=[0.9, 0.8]), order=order, objects=objects_)
    *tracks, report = out.args
    assert [tuple(track.shape) for track in tracks] == [(4, HEIGHT, WIDTH)] * 3
    for slot, number in enumerate(expected):
        wide = objects()[:, number].repeat(3, -1)[..., ::2]  # 64 columns over 96
        assert alike(tracks[slot], wide) > 0.9, number
        assert f"track{slot + 1}: object {number}" in report
    assert not any(track.any() for track in tracks[len(expected) :])
    assert report.startswith("4 objects in 4 frames.")
    assert "object 0, found with a score of 90%, in frames 0-3" in report
    assert "Left out: " in report and out.kwargs["ui"]["text"] == [report]


@pytest.mark.parametrize("data", [sam3(None), sam3(np.zeros((4, 2, 64, 64))), sam3(np.zeros((4, 0, 64, 64)))])
def test_sam3_without_objects_gives_black_tracks_and_says_so(host, data):
    *tracks, report = run(host, "FullDiTMasksFromTrack", track=data, order="area", objects="").args
    assert [tuple(track.shape) for track in tracks] == [(4, HEIGHT, WIDTH)] * 3 and not any(t.any() for t in tracks)
    assert "found nothing in 4 frames" in report


@pytest.mark.parametrize(
    ("data", "objects_", "says"),
    [
        (sam3(objects()), "4", "there are the objects 0 to 3"),
        (sam3(objects()), "0 0", "named twice"),
        (sam3(objects()), "0 1 2 3", "there are 3 slots"),
        (sam3(objects()), "all", "'all' is not an object"),
        ({"masks": 1}, "", "masks and no packed_masks"),
        (torch.zeros(3), "", "Tensor and no packed_masks"),
        ({"packed_masks": torch.zeros(4, 2, 64, 64)}, "", "float32 of shape"),
        ({"packed_masks": None, "n_frames": 4}, "", "nor how large"),
        ({"packed_masks": None, "n_frames": 4, "orig_size": 5}, "", "nor how large"),
        ({"packed_masks": None, "n_frames": 4, "orig_size": (8, "wide")}, "", "nor how large"),
        ({"packed_masks": None, "n_frames": 4, "orig_size": (8, 8), "scores": 0.5}, "", "are no numbers"),
        ({"packed_masks": None, "n_frames": 4, "orig_size": (10**9, 8)}, "", "says that it has 8 x 1000000000 pixels"),
        ({"packed_masks": None, "n_frames": 10**9, "orig_size": (480, 832)}, "", "more than any video"),
        ({"packed_masks": None, "n_frames": 4, "orig_size": (float("nan"), 8)}, "", "nor how large"),
        ({"packed_masks": None, "n_frames": 4, "orig_size": (float("inf"), 8)}, "", "nor how large"),
    ],
)
def test_sam3_data_that_cannot_be_used_is_refused(host, data, objects_, says):
    with pytest.raises(UserError, match=says):
        run(host, "FullDiTMasksFromTrack", track=data, order="given", objects=objects_)


def test_a_sam3_track_without_its_size_keeps_sams_own(host):
    data = sam3(objects())
    del data["orig_size"]
    assert run(host, "FullDiTMasksFromTrack", track=data, order="given", objects="").args[0].shape == (4, 64, 64)


def test_a_long_sam3_track_needs_little_more_than_the_tracks_it_gives(host):
    """400 frames of 504x504 with 8 objects: 100 MB a track unpacked, so reading whole objects at once would show."""
    import tracemalloc

    masks = np.zeros((400, 8, 504, 504 // 8), np.uint8)
    masks[:, 2:, 100:140, 20:28] = 255
    data = {"packed_masks": torch.from_numpy(masks), "n_frames": 400, "scores": [], "orig_size": (64, 64)}
    tracemalloc.start()
    tracks = run(host, "FullDiTMasksFromTrack", track=data, order="area", objects="").args[:3]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert all(track.any() for track in tracks)
    assert peak < 3 * 400 * 64 * 64 * 4 + 25e6


# Identity Map Preview


def identity(host, name="ball", track=None, **more):
    given = {"image": torch.rand(1, 20, 20, 3), "strength": 1.0, **more}
    return run(host, "FullDiTIdentity", name=name, track=track, **given).args[0]


def test_the_map_shows_slots_in_their_colors(host):
    left, right = torch.zeros(5, 32, 48), torch.zeros(5, 32, 48)
    left[:, 8:24, 4:20] = 1
    right[:3, 8:24, 16:40] = 1
    slots = {"identity0": identity(host, track=left), "identity1": identity(host, "cube", right), "identity2": None}
    out = run(host, "FullDiTIdentityMap", identities=slots, opacity=0.25)
    painted, over, report = out.args
    assert painted.shape == over.shape == (5, 32, 48, 3)
    assert painted[0, 10, 6].tolist() == [1, 0, 0] and painted[0, 10, 30].tolist() == [0, 1, 0]
    assert painted[0, 10, 18].tolist() == [0, 1, 0] and painted[4, 10, 18].tolist() == [1, 0, 0]  # the later in front
    assert painted[0, 0, 0].tolist() == [0, 0, 0] and over[0, 0, 0].tolist() == [0.5] * 3
    assert over[0, 10, 6].tolist() == pytest.approx([0.625, 0.375, 0.375])
    assert report.splitlines()[0] == "5 frames of 48x32."
    assert "red: 'ball', in frames 0-4" in report and "green: 'cube', in frames 0-2" in report
    assert "'cube' is seen in frames 0 to 2 only" in report
    # No cell is black: of five frames the node shows four, in two rows of two.
    assert out.kwargs["ui"] == {"images": [{"shape": (2 * 160 + 6, 2 * 240 + 6, 3)}], "text": [report]}


def test_the_map_lies_over_the_video_in_the_videos_size(host):
    track = torch.zeros(4, 16, 24)
    track[:, 4:12, 4:12] = 1
    video = torch.rand(4, 32, 48, 3)
    painted, over, report = run(host, "FullDiTIdentityMap", track2=track, images=video, opacity=0.5).args
    assert painted.shape == (4, 16, 24, 3) and over.shape == (4, 32, 48, 3)
    assert painted[0, 6, 6].tolist() == [0, 1, 0] and "green: 'track2'" in report and "red" not in report
    assert torch.equal(over[:, :, 30:], video[:, :, 30:])
    assert over[1, 16, 16].tolist() == pytest.approx((video[1, 16, 16] / 2 + torch.tensor([0, 0.5, 0])).tolist())
    # One image stands under every frame, another length is spread; both are allowed, the second is said.
    one = run(host, "FullDiTIdentityMap", track2=track, images=video[:1], opacity=0.0).args
    assert torch.equal(one[1], video[:1].expand(4, -1, -1, -1)) and "spread" not in one[2]
    spread = run(host, "FullDiTIdentityMap", track2=track, images=torch.cat([video, video]), opacity=0.0).args
    assert len(spread[1]) == 4 and "video has 8 frames, the tracks 4" in spread[2]


def test_an_empty_track_gives_a_black_map_and_a_warning(host):
    """Empty slots, as a painter or SAM 3 gives them: a map of what is there, and a sentence."""
    empty = torch.zeros(1, 16, 24)
    painted, _, report = run(host, "FullDiTIdentityMap", track1=empty, track3=empty, opacity=0.5).args
    assert painted.shape == (1, 16, 24, 3) and not painted.any()
    assert "red: 'track1', in no frame" in report and "'track3' is empty in every frame" in report
    slots = {"identity0": identity(host, track=empty + 1), "identity1": identity(host, "cup")}
    report = run(host, "FullDiTIdentityMap", identities=slots, opacity=0.5).args[2]
    assert "green: 'cup', without a track" in report and "is it inverted?" in report


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "nothing to show"),
        ({"track1": torch.ones(4, 8, 8), "track2": torch.ones(5, 8, 8)}, "'track2' has 5 frames, that of 'track1' 4"),
        ({"track1": torch.full((4, 8, 8), 2.0)}, "0 and 1"),
        ({"track1": torch.ones(4, 8, 8), "images": torch.full((4, 8, 8, 3), 255.0)}, "0 and 1"),
    ],
)
def test_tracks_that_cannot_be_shown_are_refused(host, given, says):
    with pytest.raises(UserError, match=says):
        run(host, "FullDiTIdentityMap", opacity=0.5, **given)


def test_identities_and_tracks_at_once_are_refused(host):
    slots = {"identity0": identity(host, track=torch.ones(2, 8, 8))}
    with pytest.raises(UserError, match="leave one of them out"):
        run(host, "FullDiTIdentityMap", identities=slots, track1=torch.ones(2, 8, 8), opacity=0.5)
    with pytest.raises(UserError, match="without a track|nothing to show"):
        run(host, "FullDiTIdentityMap", identities={"identity0": identity(host)}, opacity=0.5)


def test_tracks_of_another_size_are_stretched_and_said(host):
    given = {"track1": torch.ones(2, 16, 24), "track2": torch.ones(2, 16, 16)}
    report = run(host, "FullDiTIdentityMap", opacity=0.5, **given).args[2]
    assert "'track2' is 16x16, that of 'track1' 24x16" in report


# Crop Reference


def test_a_reference_is_cropped_to_the_models_size(host):
    image = torch.zeros(1, 60, 100, 3)
    image[..., 2] = 1
    image[:, 20:40, 10:30] = torch.tensor([1.0, 0, 0])
    mask = torch.zeros(1, 60, 100)
    mask[:, 20:40, 10:30] = 1
    cropped, cover = run(host, "FullDiTCropReference", image=image, mask=mask).args
    assert cropped.shape == (1, 480, 832, 3) and cover.shape == (1, 480, 832)
    assert cropped[0, 240, 416].tolist() == pytest.approx([1, 0, 0])
    assert cropped[0, 5, 5].tolist() == pytest.approx([0.5] * 3)
    kept, same = run(host, "FullDiTCropReference", image=image, mask=mask, keep_background=True).args
    assert torch.equal(same, cover) and kept[0, 5, 250].tolist() == pytest.approx([0, 0, 1])
    # What comes out is what Identity takes, and is framed as it would frame it.
    slot = run(host, "FullDiTIdentity", name="box", image=cropped, mask=cover).args[0]
    assert slot.mask.sum() == pytest.approx((0.88 * 480) ** 2, rel=0.02)
    inverted = run(host, "FullDiTCropReference", image=image, mask=1 - mask, invert_mask=True).args
    assert torch.equal(inverted[1], cover)


def test_a_mask_of_the_background_is_noticed_and_the_switch_is_named(host):
    """As Load Image gives it: white where the image is transparent."""
    image = torch.rand(1, 60, 100, 3)
    background = torch.ones(1, 60, 100)
    background[:, 20:40, 10:30] = 0
    for node, given in (("FullDiTCropReference", {}), ("FullDiTIdentity", {"name": "cup"})):
        (said,) = run(host, node, image=image, mask=background, **given).kwargs["ui"]["text"]
        assert "as masks of a background are: switch invert_mask" in said
        assert run(host, node, image=image, mask=background, invert_mask=True, **given).kwargs["ui"]["text"] == [""]
        assert run(host, node, image=image, mask=1 - background, **given).kwargs["ui"]["text"] == [""]
        assert run(host, node, image=image, **given).kwargs["ui"]["text"] == [""]


def test_without_a_mask_the_alpha_or_the_whole_image_is_the_reference(host):
    image = torch.rand(2, 40, 40, 4)
    image[..., 3] = 0
    image[0, 10:30, 10:30, 3] = 1
    image[1, :8, :8, 3] = 1
    cropped, cover = run(host, "FullDiTCropReference", image=image, width=64, height=32).args
    assert cropped.shape == (2, 32, 64, 3) and (cover.flatten(1).sum(1) > 600).all()
    whole, cover = run(host, "FullDiTCropReference", image=image[..., :3], width=64, height=32).args
    assert whole.shape == (2, 32, 64, 3) and cover.mean() == pytest.approx(0.5, abs=0.02)


def test_views_are_chosen_from_a_video(host):
    video, track = clip()
    masks = torch.from_numpy(track)
    masks[1] = 0  # not used, so its emptiness does not matter
    given = {"image": video, "width": 64, "height": 32, "frames": "6, 0"}
    image, cover = run(host, "FullDiTCropReference", mask=masks, **given).args
    assert image.shape == (2, 32, 64, 3)
    alone = run(host, "FullDiTCropReference", mask=masks[6:], **{**given, "image": video[6:], "frames": ""}).args
    assert torch.equal(alone[0][0], image[0]) and torch.equal(alone[1][0], cover[0])
    assert torch.equal(run(host, "FullDiTCropReference", mask=masks[[6, 0]], **given).args[0], image)
    with pytest.raises(UserError, match="empty"):
        run(host, "FullDiTCropReference", mask=masks, **{**given, "frames": ""})
    with pytest.raises(UserError, match="frames 0 to 6"):
        run(host, "FullDiTCropReference", mask=masks, **{**given, "frames": "7"})


@pytest.mark.parametrize(
    ("mask", "says"),
    [
        (torch.zeros(1, 60, 100), "empty"),
        (torch.zeros(1, 64, 64), "cannot belong"),
        (torch.ones(2, 60, 100), "2 masks came with 1 images"),
        (torch.full((1, 60, 100), float("inf")), "infinity"),
    ],
)
def test_references_that_cannot_be_cropped_are_refused(host, mask, says):
    with pytest.raises(UserError, match=says):
        run(host, "FullDiTCropReference", image=torch.rand(1, 60, 100, 3), mask=mask)


# Identities with tracks that are not as they should be


@pytest.mark.parametrize(
    ("track", "spread", "says"),
    [
        (torch.ones(4, 32, 48), False, "4 frames, the video 5"),
        (torch.zeros(5, 16, 16), False, None),
        (torch.ones(1, 32, 48), True, None),
    ],
)
def test_conditions_resize_tracks_and_refuse_another_length_unless_spread(host, track, spread, says):
    given = {
        "frames": 5,
        "width": 48,
        "height": 32,
        "spread": spread,
        "identities": {"identity0": identity(host, track=track)},
    }
    if says:
        with pytest.raises(UserError, match=says):
            run(host, "FullDiTConditions", **given)
        return
    out = run(host, "FullDiTConditions", **given)
    (slot,) = out.args[0].get(IdentityCondition).identities
    assert slot.mask_video.shape == (5, 32, 48)
    if not track.any():
        assert "empty in every frame" in out.kwargs["ui"]["text"][0]
