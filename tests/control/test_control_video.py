"""Control videos from footage, masks and files, by clips that a person can picture."""

import numpy as np
import pytest

from comfyui_fulldit.control.conditions import Conditions, ControlVideoCondition, VideoSize, load_conditions
from comfyui_fulldit.control.control_video import KINDS, ControlVideo
from comfyui_fulldit.control.control_video.detect import FROM_FRAMES, FROM_MASKS, detect, from_masks
from comfyui_fulldit.control.control_video.flow import FULL_SPEED, color_flow, detect_flow, flow_of_colors
from comfyui_fulldit.control.control_video.regions import boxes_of, labels_of
from comfyui_fulldit.control.control_video.skeleton import COLORS, LIMBS, POINTS, draw_skeletons
from comfyui_fulldit.control.control_video.tracks import detect_tracks, draw_tracks, points_of_tracks
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.fit import Fit
from comfyui_fulldit.control.media import write_video

VIDEO = VideoSize(5, 32, 48)


def square(frames: int = 5, height: int = 64, width: int = 96, step: int = 2) -> np.ndarray:
    """A square that moves to the right by `step` pixels a frame over noise that stands still."""
    rng = np.random.default_rng(0)
    clip = np.repeat(0.2 + 0.05 * rng.random((1, height, width, 1)), frames, 0).repeat(3, -1).astype(np.float32)
    texture = 0.7 + 0.3 * rng.random((24, 24, 1)).astype(np.float32)
    for t in range(frames):
        left = 20 + step * t
        clip[t, 20:44, left : left + 24] = texture
    return clip


@pytest.mark.parametrize("kind", FROM_FRAMES)
def test_what_is_detected_is_a_control_video_like_the_footage(kind):
    clip = square()
    found = detect(kind, clip)
    assert found.kind == kind and found.frames.shape == clip.shape and found.frames.dtype == np.float32
    assert found.frames.min() >= 0 and found.frames.max() <= 1 and found.frames.std() > 0.01
    np.testing.assert_array_equal(found.frames, detect(kind, clip).frames)
    blank = detect(kind, np.full((2, 64, 96, 3), 0.5, np.float32)).frames
    assert blank.std() == 0, "an image without anything in it has no edges and does not move"


@pytest.mark.parametrize("kind", ["canny", "soft_edge", "scribble", "mlsd"])
def test_edges_lie_along_the_outline(kind):
    clip = np.zeros((1, 96, 96, 3), np.float32)
    clip[0, 30:70, 30:70] = 1
    edges = detect(kind, clip).frames[0, ..., 0]
    rows, columns = np.nonzero(edges > 0.5)
    away = np.minimum(np.abs(np.abs(rows - 49.5) - 20), np.abs(np.abs(columns - 49.5) - 20))
    assert len(rows) > 60 and away.max() <= 4 and edges[45:55, 45:55].max() == edges[:20].max() == 0


def test_the_wheel_has_the_colors_of_the_directions_and_is_read_back():
    speed = FULL_SPEED * 100
    flow = np.zeros((1, 2, 100, 2), np.float32)
    flow[0, 0, 0], flow[0, 0, 1], flow[0, 0, 2] = (speed, 0), (-speed, 0), (0, speed)
    red, cyan, yellow = color_flow(flow)[0, 0, :3]
    np.testing.assert_allclose(red, [1, 0, 0], atol=0.1)
    assert cyan[2] > 0.9 and cyan[0] < 0.1 and yellow[0] > 0.9 and yellow[1] > 0.5 and yellow[2] < 0.1
    np.testing.assert_array_equal(color_flow(flow)[0, 1, 50], [1, 1, 1])
    rng = np.random.default_rng(1)
    any_flow = rng.uniform(-0.7, 0.7, (2, 8, 100, 2)).astype(np.float32) * speed
    assert np.abs(flow_of_colors(color_flow(any_flow)) - any_flow).max() < 0.03 * speed
    fast = np.broadcast_to(np.float32([3 * speed, 0]), (1, 2, 100, 2))
    np.testing.assert_allclose(flow_of_colors(color_flow(fast)), fast / 3, atol=0.1)
    assert flow_of_colors(np.zeros((1, 2, 100, 3), np.float32)).max() == 0, "padding does not move"


def test_flow_and_tracks_follow_the_square():
    clip = square(step=2)
    flow = detect_flow(clip)
    assert flow.shape == (5, 64, 96, 2)
    np.testing.assert_allclose(flow[:, 26:38, 34:40].mean((1, 2)), [[2, 0]] * 5, atol=0.4)
    assert np.abs(flow[:, :10]).mean() < 0.2
    points, visible = detect_tracks(clip)
    on_square = (np.abs(points[0] - [31.5, 31.5]) < 9).all(1) & visible.all(0)
    assert on_square.sum() >= 4
    np.testing.assert_allclose((points[-1] - points[0])[on_square].mean(0), [8, 0], atol=0.5)
    with pytest.raises(UserError, match="a clip of two frames or more was expected"):
        detect("flow", clip[:1])


def test_drawn_points_are_read_back():
    rng = np.random.default_rng(3)
    start = np.stack(np.meshgrid(np.arange(6, 90, 14), np.arange(6, 60, 14)), -1).reshape(1, -1, 2)
    points = np.concatenate([start, start + rng.uniform(-2, 2, (3, *start.shape[1:]))])
    visible = rng.random(points.shape[:2]) > 0.2
    visible[0] = True
    found, seen = points_of_tracks(draw_tracks(points, visible, 64, 96))
    order = np.linalg.norm(found[0][:, None] - points[0], axis=-1).argmin(1)
    np.testing.assert_array_equal(seen, visible[:, order])
    assert np.abs(found - points[:, order])[seen].max() < 0.6
    nothing, none = points_of_tracks(np.zeros((2, 64, 96, 3), np.float32))
    assert nothing.shape == (2, 0, 2) and none.shape == (2, 0)


def test_masks_become_colors_and_boxes():
    masks = np.zeros((2, 3, 20, 30), np.float32)
    masks[0, :, 2:8, 3:11] = 1
    masks[1, 1:, 10:15, 20:30] = 1
    assert boxes_of(masks)[0].tolist() == [[3, 2, 11, 8]] * 3
    assert boxes_of(masks)[1].tolist() == [[-1] * 4, [20, 10, 30, 15], [20, 10, 30, 15]]
    colors, boxes = from_masks("segmentation", masks).frames, from_masks("boxes", masks).frames
    assert colors[0, 12, 25].max() == 0 and colors[1, 12, 25].max() > 0.5
    np.testing.assert_allclose(boxes[1, 2, 3], colors[1, 4, 5], atol=1 / 255)
    assert boxes[1, 5, 7].max() == 0 and boxes[1, 7, 10].max() > 0.5 and boxes[1, 8, 11].max() == 0
    labels, count = labels_of(colors)
    assert count == 2 and labels[0, 4, 5] != labels[1, 12, 25] >= 0 > labels[0, 12, 25]
    assert labels_of(np.zeros((1, 4, 4, 3), np.float32))[1] == 0
    for draw in FROM_MASKS.values():
        assert draw(masks).shape == (3, 20, 30, 3)


def test_skeletons_have_openposes_colors_and_leave_out_what_is_hidden():
    pose = np.full((1, 1, 18, 2), 200.0)
    visible = np.zeros((1, 1, 18), bool)
    neck, shoulder, elbow = POINTS.index("neck"), POINTS.index("right shoulder"), POINTS.index("right elbow")
    for point, place in ((neck, (60, 20)), (shoulder, (20, 20)), (elbow, (20, 60))):
        pose[0, 0, point], visible[0, 0, point] = place, True
    image = draw_skeletons(pose, visible, 96, 128)[0] * 255
    np.testing.assert_allclose(image[20, 60], COLORS[neck], atol=2)
    np.testing.assert_allclose(image[20, 40], np.array(COLORS[LIMBS.index((neck, shoulder))]) * 0.6, atol=3)
    np.testing.assert_allclose(image[40, 20], np.array(COLORS[LIMBS.index((shoulder, elbow))]) * 0.6, atol=3)
    visible[0, 0, elbow] = False
    assert draw_skeletons(pose, visible, 96, 128)[0, 40, 20].max() == 0


def test_two_nodes_of_control_videos_are_one_condition_and_a_kind_comes_once():
    frames = np.zeros((5, 32, 48, 3))
    one, other = (ControlVideoCondition(videos=(ControlVideo(kind, frames),)) for kind in ("canny", "pose"))
    both = Conditions(VIDEO, (one, other))
    assert both.items[0].kinds == ("canny", "pose")
    both.validate()
    assert len(both.warnings()) == 2 and "shows nothing" in both.warnings()[0]
    with pytest.raises(UserError, match="Two control videos are of the kind 'canny'"):
        Conditions(VIDEO, (one, one)).validate()
    stronger = ControlVideoCondition(videos=(ControlVideo("canny", frames, strength=2.0),))
    assert len({item.digest() for item in (one, other, stronger)}) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "depths"}, "'depths' is unknown: choose among canny, soft_edge"),
        ({"frames": np.zeros((5, 32, 48))}, r"has shape \(5, 32, 48\); \(frames, height, width, 3\) was expected"),
        ({"frames": np.full((5, 32, 48, 3), np.nan)}, "NaN"),
        ({"frames": np.full((5, 32, 48, 3), 255.0)}, "divide 8-bit images by 255"),
    ],
)
def test_what_is_no_control_video_is_refused(changes, message):
    with pytest.raises(UserError, match=message):
        ControlVideo(**{"kind": "canny", "frames": np.zeros((5, 32, 48, 3)), **changes})


def test_other_sizes_and_lengths_are_refused_or_fitted_and_said():
    condition = ControlVideoCondition(videos=(ControlVideo("pose", np.full((9, 32, 32, 3), 0.5)),))
    with pytest.raises(UserError, match="'pose' has 9 frames, the video 5: set `fit_time`"):
        Conditions(VIDEO, (condition,)).fitted(Fit())
    fitted = Conditions(VIDEO, (condition,)).fitted(Fit.of("pad", "resample"))
    assert fitted.items[0].videos[0].frames.shape == (5, 32, 48, 3)
    assert fitted.items[0].videos[0].frames[:, :, 0].max() == 0
    assert [text for text in fitted.notes if "resampled to 5" in text] and "padded" in fitted.notes[-1]
    for weights, message in (({"strength": 9.0}, "strength 9.0"), ({"start": 0.8, "end": 0.2}, "holds from 0.8 to")):
        video = ControlVideo("pose", np.zeros((5, 32, 48, 3)), **weights)
        with pytest.raises(UserError, match=message):
            Conditions(VIDEO, (ControlVideoCondition(videos=(video,)),)).validate()


def test_files_are_read_by_kind_and_footage_is_detected(tmp_path):
    clip = square()
    write_video(tmp_path / "clip.mp4", clip)
    size = VideoSize(5, 64, 96)
    specs = [f"canny=detect:{tmp_path / 'clip.mp4'},strength=0.5,end=0.6", f"pose={tmp_path / 'clip.mp4'}"]
    (condition,) = load_conditions(size, {"control": specs}).items
    edges, pose = condition.videos
    assert (edges.kind, edges.strength, edges.start, edges.end, pose.strength) == ("canny", 0.5, 0, 0.6, 1)
    assert set(np.unique(edges.frames)) == {0, 1} and np.abs(pose.frames - clip).mean() < 0.05


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("edges.mp4", "has no kind: write it as kind=file"),
        ("edges=edges.mp4", "'edges' is unknown: choose among"),
        ("canny=missing.mp4", "missing.mp4"),
        ("canny=x.mp4,strength=much", "The strength of the control video 'canny' is 'much'; a number was expected"),
        ("pose=detect:clip.mp4", "'pose' cannot be detected here: choose among canny"),
    ],
)
def test_specifications_that_say_nothing_are_refused(spec, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_video("clip.mp4", square())
    with pytest.raises(UserError, match=message):
        load_conditions(VIDEO, {"control": [spec]})


def test_kinds_have_words_about_them():
    assert all(len(text) > 20 for text in KINDS.values()) and not {*FROM_FRAMES, *FROM_MASKS} - set(KINDS)
