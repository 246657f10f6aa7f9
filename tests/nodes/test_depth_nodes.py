"""The depth nodes: every source, long clips in pieces, along a camera, and input that cannot be used."""

from __future__ import annotations

import inspect
import json

import numpy as np
import pytest
import torch

from comfyui_fulldit.control.camera.presets import preset
from comfyui_fulldit.control.depth import DepthClip, normalize_depth
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.scenes import FAR, render

CLIP = {"range": "clip", "low": 0.02, "high": 0.98}
FIXED = {"range": "fixed", "near": 2.0, "far": 0.1}
SCENE = {"source": "world", "scene": 12, "frames": 17, "width": 96, "height": 64}


def run(host, node, **inputs):
    return host.nodes[node].execute(**inputs)


def extract(host, source, span=CLIP, **inputs):
    """depth, preview and report."""
    return run(host, "FullDiTExtractDepth", source=source, range=span, **inputs).args


@pytest.fixture(scope="module")
def clip():
    """A rendered scene: images (17, 64, 96, 3) and exact depth (17, 64, 96), infinite where sky."""
    made = render([12], 17, 64, 96)
    depth = made.depth[0].numpy()
    return made.video[0].permute(1, 2, 3, 0).contiguous(), np.where(depth >= FAR * 0.999, np.inf, depth), made


class Manager:
    """As much of VideoHelperSuite's Meta Batch Manager as a node sees."""

    def __init__(self, frames_per_batch):
        self.frames_per_batch, self.inputs, self.has_closed_inputs = frames_per_batch, {}, False


# Sources


def test_every_choice_of_the_page_is_a_source(host):
    from comfyui_fulldit.nodes.sockets.depth_sources import SOURCES

    schema = host.schemas["FullDiTExtractDepth"]
    options = {entry.id: [option.key for option in entry.options] for entry in schema.inputs if entry.options}
    assert options["source"] == list(SOURCES) and options["range"] == ["clip", "frame", "fixed"]


def test_every_source_takes_the_inputs_that_the_page_shows_for_it(host):
    from comfyui_fulldit.nodes.sockets.depth_sources import SOURCES

    combo = host.schemas["FullDiTExtractDepth"].inputs[0]
    for option in combo.options:
        keywords = {
            name
            for name, parameter in inspect.signature(SOURCES[option.key]).parameters.items()
            if parameter.kind is parameter.KEYWORD_ONLY
        }
        assert keywords == {entry.id for entry in option.inputs}, option.key


def test_an_unknown_source_is_refused(host):
    with pytest.raises(UserError, match="'source' is 'sonar'; choose one of embedded, "):
        extract(host, {"source": "sonar"})


def test_the_small_estimator_says_that_it_is_for_the_demo(host, clip):
    depth, preview, report = extract(host, {"source": "embedded"}, images=clip[0])
    assert depth.values.shape == (17, 64, 96) and preview.shape == (17, 64, 96, 3)
    assert np.array_equal(preview[..., 1].numpy(), depth.values)
    assert "for the demo" in report and "Stabilized: points change by" in report
    truth = normalize_depth(clip[1], "depth").values
    assert np.corrcoef(depth.values.ravel(), truth.ravel())[0, 1] > 0.8
    assert json.loads(report.split("Recipe: ")[1])["kind"] == "disparity"


def test_an_estimator_without_images_is_refused(host):
    with pytest.raises(UserError, match="No images are connected"):
        extract(host, {"source": "embedded"})


def test_a_procedural_scene_gives_its_exact_depth(host, clip):
    depth, _, report = extract(host, SCENE)
    expected = normalize_depth(clip[1], "depth", sky=np.isinf(clip[1]))
    assert np.array_equal(depth.values, expected.values) and depth.recipe["range"] == expected.recipe["range"]
    assert "Stabilized" not in report


def test_a_procedural_scene_that_is_too_large_is_refused(host):
    with pytest.raises(UserError, match="more than a procedural scene"):
        extract(host, {**SCENE, "frames": 1025, "width": 2048, "height": 2048})


def test_a_procedural_scene_under_a_meta_batch_manager_is_refused(host):
    with pytest.raises(UserError, match="not a video that comes in pieces"):
        extract(host, SCENE, meta_batch=Manager(8))


def test_depth_anything_is_downloaded_only_on_request(host, clip):
    with pytest.raises(UserError) as error:
        extract(host, {"source": "depth_anything_v2", "model": "Small", "download": "no"}, images=clip[0])
    for said in ("depth-anything/Depth-Anything-V2-Small-hf", "99.2 MB", "Apache-2.0", "3152477c", "download to 'yes'"):
        assert said in str(error.value), said
    assert not (host.folder / "models" / "depthanything").exists()
    with pytest.raises(UserError, match="CC-BY-NC-4.0.*download to 'ask'"):
        extract(host, {"source": "depth_anything_v2", "model": "Large", "download": "no"}, images=clip[0])
    with pytest.raises(UserError, match="'Mine' is gone"):
        extract(host, {"source": "depth_anything_v2", "model": "Mine"}, images=clip[0])


def test_the_users_own_depth_anything_is_listed_and_used(host, clip, monkeypatch):
    """The network itself is tested in tests/models; here a folder is found and its answer taken."""
    from types import SimpleNamespace

    from comfyui_fulldit.models.estimators import depth_anything
    from comfyui_fulldit.nodes.bridge.depth_anything import model_names

    folder = host.folder / "models" / "depthanything" / "Mine-hf"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "depth_anything"}')
    (folder / "model.safetensors").write_bytes(b"weights")
    asked = []

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1), requires_grad=False)

        def forward(self, pixel_values):
            return SimpleNamespace(predicted_depth=pixel_values.mean(1)[:, ::14, ::14] + 3)

    monkeypatch.setattr(depth_anything, "load_depth_anything", lambda place, device: asked.append(place) or Network())
    assert model_names() == ["Small", "Base", "Large", "Mine-hf"]
    source = {"source": "depth_anything_v2", "model": "Mine-hf", "download": "no"}
    depth, _, report = extract(host, source, images=clip[0][:3], stabilise=False)
    assert asked == [folder] and depth.values.shape == (3, 64, 96) and "Depth Anything V2 Mine-hf" in report


@pytest.mark.parametrize("kind", ["DA3", "MoGe"])
def test_geometry_of_core_becomes_depth(host, clip, kind):
    images, depth, _ = clip
    sky = np.isinf(depth)
    given = {"image": images, "depth": torch.from_numpy(np.where(sky, 30.0, depth).astype(np.float32))}
    if kind == "DA3":
        given |= {"mode": "mono", "sky": torch.from_numpy(sky.astype(np.float32) * 0.4)}
    else:
        given |= {"mask": torch.from_numpy(~sky)}
    source = {"source": "geometry", "geometry": given, "confidence": 0.0}
    found, _, report = extract(host, source, stabilise=False)
    expected = normalize_depth(depth, "depth", sky=sky)
    assert np.abs(found.values - expected.values).max() < 1e-6
    assert {"DA3": "Depth Anything 3 looked", "MoGe": "MoGe looks"}[kind] in report
    # Its own images stabilize it; a camera helps, since distances are known.
    steady = extract(host, source, camera=clip[2].trajectory(0))
    assert "Stabilized" in steady[2] and "left out" not in steady[2]


def test_a_geometry_without_depth_is_refused(host, clip):
    with pytest.raises(UserError, match="no depth"):
        extract(host, {"source": "geometry", "geometry": {"image": clip[0]}})
    with pytest.raises(UserError, match="No geometry"):
        extract(host, {"source": "geometry"})


def depth_video(clip):
    """The exact depth as images: near is bright."""
    return torch.from_numpy(normalize_depth(clip[1], "depth").values)[..., None].expand(-1, -1, -1, 3)


def test_a_depth_video_is_read_in_its_stated_direction(host, clip):
    values = normalize_depth(clip[1], "depth").values
    video = depth_video(clip)
    found, _, report = extract(host, {"source": "depth_video", "depth": video, "kind": "disparity"})
    assert np.abs(found.values - normalize_depth(values, "disparity").values).max() < 1e-6
    assert "connect the images" in report
    dark = extract(host, {"source": "depth_video", "depth": 1 - video, "kind": "inverted"})[0]
    assert np.abs(dark.values - found.values).max() < 1e-5


def test_a_depth_video_of_one_frame_is_a_clip(host, clip):
    source = {"source": "depth_video", "depth": depth_video(clip)[:1], "kind": "disparity"}
    assert extract(host, source, images=clip[0][:1])[0].frames == 1


def test_a_depth_video_of_another_length_than_the_images_is_refused(host, clip):
    with pytest.raises(UserError, match="17 depth frames and 5 images"):
        extract(host, {"source": "depth_video", "depth": depth_video(clip), "kind": "auto"}, images=clip[0][:5])


@pytest.fixture(scope="module")
def in_turbo(clip):
    """The depth video in colors, near red."""
    cv2 = pytest.importorskip("cv2")
    gray = (depth_video(clip)[..., 0].numpy() * 255).round().astype(np.uint8)
    colors = np.stack([cv2.applyColorMap(image, cv2.COLORMAP_TURBO)[..., ::-1] for image in gray])
    return torch.from_numpy(colors.astype(np.float32) / 255)


def test_a_depth_video_in_colors_is_read_back(host, clip, in_turbo):
    gray = extract(host, {"source": "depth_video", "depth": depth_video(clip), "kind": "disparity"})[0]
    found, _, report = extract(host, {"source": "depth_video", "depth": in_turbo, "kind": "disparity"})
    assert np.abs(found.values - gray.values).max() < 0.01 and "colored by turbo" in report
    with pytest.raises(UserError, match="depth video is colored by turbo.*no distances"):
        extract(host, {"source": "depth_video", "depth": in_turbo, "kind": "depth"})


def test_a_chunk_of_few_colors_is_read_as_the_first(host, in_turbo):
    flat = in_turbo.clone()
    flat[8:, :24] = flat[8:, 24:48]
    manager, parts = Manager(8), []
    for start in (0, 8):
        images = torch.rand(8, 64, 96, 3)
        source = {"source": "depth_video", "depth": flat[start : start + 8], "kind": "disparity"}
        parts.append(extract(host, source, images=images, meta_batch=manager, stabilise=False)[0].values)
    whole = extract(host, {"source": "depth_video", "depth": flat[:8], "kind": "disparity"}, stabilise=False)[0].values
    assert np.array_equal(parts[0], whole) and np.array_equal(parts[1][:, 24:48], parts[1][:, :24])


def test_depth_condition_reads_colors_back_and_says_so(host, clip, in_turbo):
    gray, _ = run(host, "FullDiTDepth", images=depth_video(clip), kind="disparity").args
    found, _ = run(host, "FullDiTDepth", images=in_turbo, kind="disparity").args
    assert np.abs(found.values - gray.values).max() < 0.01
    assert any("colored by turbo" in text for text in found.recipe["warnings"]) and "warnings" not in gray.recipe


@pytest.mark.parametrize(("value", "says"), [(float("nan"), "NaN"), (0.5, "the same everywhere")])
def test_a_depth_video_without_depth_is_refused(host, clip, value, says):
    video = torch.full_like(depth_video(clip), value)
    with pytest.raises(UserError, match=says):
        extract(host, {"source": "depth_video", "depth": video, "kind": "disparity"})


@pytest.fixture(scope="module")
def sequence(host, clip):
    """The exact depth in millimeters as 16-bit PNG files in the input folder."""
    cv2 = pytest.importorskip("cv2")
    folder = host.folder / "input" / "shots" / "depth"
    folder.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(clip[1]):
        cv2.imwrite(str(folder / f"d_{number:04}.png"), np.where(np.isinf(frame), 0, frame * 1000).astype(np.uint16))
    return {"source": "files", "files": "shots/depth/", "convention": "millimetres"}


def test_files_of_the_input_folder_become_depth(host, clip, sequence):
    from comfyui_fulldit.nodes.folders import depth_sequences

    assert "shots/depth/" in depth_sequences()
    found, _, report = extract(host, sequence)
    expected = normalize_depth(np.where(np.isinf(clip[1]), np.nan, clip[1]), "depth", fill=True)
    assert np.abs(found.values - expected.values).max() < 2e-3 and "17 in 'shots/depth/'" in report


def test_a_part_of_the_files_is_taken_and_reduced(host, sequence):
    part = extract(host, {**sequence, "start": 3, "count": 5, "longest": 48})[0]
    assert part.values.shape == (5, 32, 48)
    with pytest.raises(UserError, match="start earlier"):
        extract(host, {**sequence, "start": 17})


@pytest.fixture
def third_file(host, sequence):
    """A file of the sequence, which is restored after the test."""
    file = host.folder / "input" / "shots" / "depth" / "d_0003.png"
    content = file.read_bytes()
    yield file
    file.write_bytes(content)


def test_the_node_runs_again_when_a_file_changed(host, sequence, third_file):
    node = host.nodes["FullDiTExtractDepth"]
    before = node.fingerprint_inputs(source=sequence)
    third_file.write_bytes(third_file.read_bytes()[:-30])
    assert node.fingerprint_inputs(source=sequence) != before


def test_the_error_of_a_truncated_file_names_the_file(host, sequence, third_file):
    third_file.write_bytes(third_file.read_bytes()[:-30])
    with pytest.raises(UserError, match="d_0003.png' is cut short"):
        extract(host, sequence)


def test_the_error_of_a_missing_file_names_the_frame(host, sequence, third_file):
    third_file.unlink()
    with pytest.raises(UserError, match="lacks the frames 3"):
        extract(host, sequence)


def test_no_file_outside_of_the_input_folder_is_read(host, sequence, tmp_path):
    (host.folder / "secret").mkdir(exist_ok=True)
    (host.folder / "secret" / "d_0000.exr").write_bytes(b"v/1\x01")
    (host.folder / "input" / "link").symlink_to(host.folder / "secret")
    for name in ("../secret", "shots/../../secret", str(host.folder / "secret"), "link", "link/d_0000.exr", "..", "."):
        with pytest.raises(UserError, match="outside ComfyUI's input folder"):
            extract(host, {**sequence, "files": name})
    for name, says in (("", "No depth files"), ("shots/none", "There is no")):
        with pytest.raises(UserError, match=says):
            extract(host, {**sequence, "files": name})
    (host.folder / "input" / "link").unlink()


# Long clips in pieces


@pytest.mark.parametrize("steady", [False, True])
def test_a_long_clip_comes_out_as_one(host, clip, steady):
    """Chunk after chunk under a Meta Batch Manager against the whole, at a fixed range: the same to 1e-3."""
    images = clip[0]
    whole = extract(host, {"source": "embedded"}, FIXED, images=images, stabilise=steady)[0]
    # The first chunk's view of the clip holds for all; against the whole clip's own, that is an estimator's choice.
    manager, parts = Manager(6), []
    for start in (0, 6, 12):
        made = extract(
            host, {"source": "embedded"}, FIXED, images=images[start : start + 6], stabilise=steady, meta_batch=manager
        )
        parts.append(made[0].values)
    joined = np.concatenate(parts)
    assert joined.shape == whole.values.shape and "continue a clip of 12 frames" in made[2]
    from comfyui_fulldit.models.estimators.depth import clip_mean, estimate_depth
    from comfyui_fulldit.nodes.sockets.depth_sources import SOURCES, RawDepth, SourceDepth

    mean = clip_mean(images[:6].numpy())
    estimates = estimate_depth(images.numpy(), mean=mean)
    before = SOURCES["embedded"]
    raw = RawDepth("the same view", estimates, "disparity", absolute=True)
    SOURCES["embedded"] = lambda images, chunk: SourceDepth(raw, images, (64, 96))
    try:
        same = extract(host, {"source": "embedded"}, FIXED, images=images, stabilise=steady)[0]
    finally:
        SOURCES["embedded"] = before
    assert np.abs(joined - same.values).max() < 1e-3
    assert np.abs(joined - whole.values).mean() < 0.05


def test_a_new_clip_begins_without_the_state_of_the_last(host, clip):
    manager = Manager(6)
    first = extract(host, {"source": "embedded"}, images=clip[0][:6], meta_batch=manager)
    assert "first chunk holds" in first[2]
    manager.inputs = {}  # as its reset does when a prompt is queued anew
    again = extract(host, {"source": "embedded"}, images=clip[0][:6], meta_batch=manager)
    assert "continue" not in again[2] and np.array_equal(first[0].values, again[0].values)


def test_two_nodes_under_one_manager_keep_their_own_states(host):
    from comfyui_fulldit.nodes.sockets.meta_batch import load_state, store_state

    manager = Manager(6)
    store_state(manager, "one", "first")
    assert load_state(manager, "another") is None
    store_state(manager, "another", "second")
    assert (load_state(manager, "one"), load_state(manager, "another")) == ("first", "second")


def test_another_object_than_a_meta_batch_manager_is_refused(host, clip):
    with pytest.raises(UserError, match="Meta Batch Manager was expected"):
        extract(host, {"source": "embedded"}, images=clip[0], meta_batch=object())


def test_files_come_in_pieces_and_say_when_they_end(host, clip, sequence):
    manager, parts = Manager(7), []
    fixed = {"range": "fixed", "near": 1.0, "far": 20.0}
    while not manager.has_closed_inputs:
        parts.append(extract(host, sequence, fixed, meta_batch=manager)[0].values)
    assert [len(part) for part in parts] == [7, 7, 3]
    whole = extract(host, sequence, fixed)[0].values
    assert np.array_equal(np.concatenate(parts), whole)


# The other nodes


def test_depth_along_the_true_camera_is_the_clip_s_own(host, clip):
    depth = normalize_depth(clip[1], "depth")
    camera = clip[2].trajectory(0)
    first = DepthClip(depth.values[:1], depth.recipe)
    made, holes, preview, report = run(host, "FullDiTDepthAlong", depth=first, camera=camera).args
    assert made.values.shape == (17, 64, 96) and holes.shape == (17, 64, 96) and preview.shape == (17, 64, 96, 3)
    seen = ~(holes[8].numpy() > 0.5)
    assert np.median(np.abs(made.values[8] - depth.values[8])[seen]) < 0.02
    assert "holes" in report and "stand still" in report
    says, ok, residual, unseen = run(host, "FullDiTDepthAgreement", camera=camera, depth=made).args
    assert ok is True and residual < 0.05 and 0 <= unseen < 1 and "agree" in says


def test_a_wrong_camera_is_reported(host, clip):
    depth = normalize_depth(clip[1], "depth")
    wrong = preset("dolly_in", frames=17, amount=0.8)
    says, ok, residual, _ = run(host, "FullDiTDepthAgreement", camera=wrong, depth=depth).args
    assert ok is False and residual > 0.02 and says


def test_agreement_of_clips_of_other_lengths_is_refused(host, clip):
    depth = normalize_depth(clip[1], "depth")
    with pytest.raises(UserError, match="must be alike"):
        run(host, "FullDiTDepthAgreement", camera=preset("dolly_in", frames=5), depth=depth)


def test_one_frame_neither_agrees_nor_disagrees(host, clip):
    depth = normalize_depth(clip[1], "depth")
    one = DepthClip(depth.values[:1], depth.recipe)
    says, ok, *_ = run(host, "FullDiTDepthAgreement", camera=preset("pan_left", frames=1), depth=one).args
    assert ok is False and "says nothing" in says


def test_control_images_have_a_size_that_the_other_model_takes(host, clip):
    depth = normalize_depth(clip[1], "depth")
    images, report = run(host, "FullDiTDepthPictures", depth=depth, target="vace", width=128, height=80, frames=13).args
    assert images.shape == (13, 80, 128, 3) and "WanVaceToVideo" in report and "spread over 13" in report
    assert run(host, "FullDiTDepthPictures", depth=depth, target="ltx").args[0].shape == (17, 64, 96, 3)
    with pytest.raises(UserError, match="take 13"):
        run(host, "FullDiTDepthPictures", depth=depth, target="vace", frames=14)


def test_the_depth_condition_keeps_its_result_and_takes_near_and_far(host, clip):
    values = normalize_depth(clip[1], "depth").values
    video = torch.from_numpy(values)[..., None].repeat(1, 1, 1, 3)
    before = normalize_depth(video.numpy(), "disparity")
    assert np.array_equal(run(host, "FullDiTDepth", images=video, kind="disparity").args[0].values, before.values)
    fixed = run(host, "FullDiTDepth", images=video, kind="disparity", near=1.0, far=0.0).args[0]
    assert np.abs(fixed.values - values).max() < 1e-6 and fixed.recipe["scope"] == "fixed"
    each = run(host, "FullDiTDepth", images=video, kind="disparity", scope="frame").args[0]
    assert each.recipe["scope"] == "per frame"
    with pytest.raises(UserError, match="near > far"):
        run(host, "FullDiTDepth", images=video, kind="disparity", near=0.1, far=0.9)
