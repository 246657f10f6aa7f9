"""Conditions in a folder come back bit for bit, other programs can read them, and broken folders are refused."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from comfyui_fulldit.control.bundle import BundleOptions, is_bundle, read_bundle, write_bundle
from comfyui_fulldit.control.bundle.write import count_frames
from comfyui_fulldit.control.camera.formats import read_camera
from comfyui_fulldit.control.camera.sequence import sequence
from comfyui_fulldit.control.conditions import (
    CameraCondition,
    Conditions,
    DepthCondition,
    IdentityCondition,
    KnownFramesCondition,
    SourceCondition,
    VideoSize,
)
from comfyui_fulldit.control.depth import DepthClip
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.files import DiskFullError
from comfyui_fulldit.control.identity import Identity
from comfyui_fulldit.control.media import read_image, read_video

F, H, W = 5, 16, 32
ROOT = Path(__file__).resolve().parents[2]


def conditions(seed: int = 0, levels: int | None = None) -> Conditions:
    """Every kind of condition with random values; levels: rounded to so many steps."""
    random = np.random.default_rng(seed)

    def values(*shape):
        drawn = random.random(shape, np.float32)
        return drawn if levels is None else (np.round(drawn * levels).astype(np.float32) / levels)

    camera = sequence("orbit_left:25 + dolly_in:0.3@0.2-0.9", F, fps=7.5, aspect=2.0)
    camera = camera.replace(notes=("a note of the file",))
    one = Identity("red ball", (values(20, 30, 3), values(9, 11, 4)), mask=values(20, 30), mask_video=values(F, H, W))
    two = Identity("object", (values(8, 8, 3),), strength=0.5, start=0.1, end=0.9)
    return Conditions(
        VideoSize(F, H, W, 7.5),
        (
            CameraCondition(trajectory=camera, strength=0.7, start=0.2, end=0.8),
            IdentityCondition(identities=(one, two)),
            DepthCondition(clip=DepthClip(values(F, H, W), {"kind": "depth", "range": [0.1, 2.5]})),
            SourceCondition(frames=values(F, H, W, 3), fps=24.0, strength=0.3),
            KnownFramesCondition(
                images=values(2, H, W, 3), mask=values(2, H, W), at="0, 4", noise=0.1, seed=7, start=0.1
            ),
        ),
        ("The track was resampled.",),
    )


@pytest.mark.parametrize("levels", [255, 65535, None])
def test_everything_comes_back_to_the_last_bit(tmp_path, levels):
    asked = conditions(levels=levels)
    said = write_bundle(asked, tmp_path / "out")
    found, warnings = read_bundle(tmp_path / "out")
    assert found.digest() == asked.digest() and found.notes == asked.notes and not warnings
    assert found.video == asked.video and found.fps == asked.fps and found.names == asked.names
    camera, again = (c.get(CameraCondition).trajectory for c in (asked, found))
    assert (camera.unit, camera.notes, camera.pixel_aspect) == (again.unit, again.notes, again.pixel_aspect)
    assert [i.name for i in found.get(IdentityCondition).identities] == ["red ball", "object"]
    assert found.get(DepthCondition).clip.recipe == asked.get(DepthCondition).clip.recipe
    assert found.get(SourceCondition).fps == 24
    arrays = list((tmp_path / "out").rglob("*.npy"))
    assert bool(arrays) == (levels is None) == any("is exact" in line for line in said)


def test_other_programs_find_a_camera_masks_depth_and_videos(tmp_path):
    asked = conditions(levels=255)
    write_bundle(asked, tmp_path / "out")
    camera = read_camera(tmp_path / "out" / "camera_transforms.json")
    expected = asked.get(CameraCondition).trajectory
    assert np.allclose(camera.c2w, expected.c2w) and np.allclose(camera.intrinsics, expected.intrinsics, atol=1e-6)
    masks = asked.get(IdentityCondition).identities[0].mask_video
    assert np.allclose(read_image(tmp_path / "out/identity_1_red_ball/masks/00003.png")[..., 0], masks[3])
    assert np.allclose(read_image(tmp_path / "out/depth/00004.png")[..., 0], asked.get(DepthCondition).clip.values[4])
    assert read_video(tmp_path / "out" / "identity_1_red_ball" / "masks.mp4").shape == (F, H, W, 3)


def test_the_step_is_called_once_per_frame_and_videos_can_be_left_out(tmp_path):
    asked, steps = conditions(levels=255), []
    write_bundle(asked, tmp_path / "out", BundleOptions("colmap", videos=False), lambda: steps.append(1))
    assert len(steps) == count_frames(asked) == 3 * F + 2 + 2
    assert not list((tmp_path / "out").rglob("*.mp4"))
    assert read_bundle(tmp_path / "out")[0].digest() == asked.digest()


def test_no_condition_at_all_comes_back(tmp_path):
    asked = Conditions(VideoSize(F, H, W))
    write_bundle(asked, tmp_path / "out")
    assert read_bundle(tmp_path / "out")[0].digest() == asked.digest()


def test_nothing_is_left_where_writing_fails(tmp_path, monkeypatch):
    from comfyui_fulldit.control.bundle import write

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(write, "write_json", fail)
    with pytest.raises(DiskFullError, match="no room left for .*out"):
        write_bundle(conditions(levels=255), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


FULL = """
import resource
from pathlib import Path
from comfyui_fulldit.control.bundle import write_bundle
from comfyui_fulldit.control.files import DiskFullError
from tests.control.test_bundle import conditions
asked = conditions()
resource.setrlimit(resource.RLIMIT_FSIZE, ({most}, {most}))
try:
    write_bundle(asked, Path({folder!r}) / "out")
except DiskFullError as error:
    print(error)
print(list(Path({folder!r}).iterdir()))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="the largest size of a file is a limit of Unix")
@pytest.mark.parametrize("most", [300, 900, 3000])  # the camera's file, an image, an array
def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path, most):
    """RLIMIT_FSIZE stands for the disk."""
    code = FULL.format(folder=str(tmp_path), most=most)
    done = subprocess.run([sys.executable, "-B", "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    said, left = done.stdout.splitlines()
    assert said.startswith(f"There is no room left for '{tmp_path / 'out'}': free some") and left == "[]", done.stderr


def test_a_folder_that_exists_and_an_unknown_format_are_refused(tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match="exists already"):
        write_bundle(conditions(), tmp_path / "out")
    with pytest.raises(UserError, match="not a camera format"):
        write_bundle(conditions(), tmp_path / "other", BundleOptions("pictures"))
    assert not (tmp_path / "other").exists()


def broken(folder, change) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.update(format="other"), "Export Conditions"),
        (lambda m: m.update(version=2), "version 2"),
        (lambda m: m.update(conditions="none"), "'conditions'"),
        (lambda m: m.update(notes=1.5), "'notes'"),
        (lambda m: m.update(left_out=True), "'left_out'"),
        (lambda m: m["video"].update(frames="5"), "'frames'"),
        (lambda m: m["conditions"][0].update(camera="../camera.json"), "outside"),
        (lambda m: m["conditions"][0].update(camera="a\0b"), "names a file"),
        (lambda m: m["conditions"][0].update(camera="half \ud800"), "names a file"),
        (lambda m: m["conditions"][2]["depth"].update(frames="d" * 300), "names a file"),
        (lambda m: m["conditions"][0].update(name="smell"), "smell"),
        (lambda m: m["conditions"][1]["identities"][0]["mask_video"].update(frames="/etc"), "outside"),
        (lambda m: m["conditions"][1]["identities"][0].update(images=[]), "no image"),
        (lambda m: m["conditions"][2].update(depth=None), "no entry"),
        (lambda m: m["conditions"][2]["depth"].update(count=6), "00005.png"),
        (lambda m: m["conditions"][2]["depth"].update(count=0), "0 frames"),
        (lambda m: m["conditions"][2]["depth"].update(count=10**9), "cut or shrink"),
        (lambda m: m["conditions"][2].update(strength="strong"), "'strength'"),
        (lambda m: m["conditions"][3].update(strength=True), "'strength'"),
        (lambda m: m["video"].update(frames=7), "7"),
    ],
)
def test_a_broken_manifest_is_refused_with_a_sentence(tmp_path, change, words):
    write_bundle(conditions(levels=255), tmp_path / "out")
    broken(tmp_path / "out", change)
    with pytest.raises(UserError, match=words):
        read_bundle(tmp_path / "out")


def test_an_array_that_claims_more_than_it_has_is_refused_before_it_is_made(tmp_path):
    write_bundle(conditions(), tmp_path / "out", BundleOptions(videos=False))
    path = tmp_path / "out" / "depth.npy"
    whole = path.read_bytes()
    for shape, words in ((b"(5, 9999999, 32)", "truncated"), (b"(5, 16, 32, ((", "damaged at its start")):
        path.write_bytes(whole.replace(b"(5, 16, 32), }", shape.ljust(14) + b"}"))
        with pytest.raises(UserError, match=words):
            read_bundle(tmp_path / "out")


def test_files_that_are_missing_or_foreign_are_refused(tmp_path):
    write_bundle(conditions(levels=255), tmp_path / "out")
    (tmp_path / "out" / "depth" / "00002.png").write_bytes(b"not an image")
    with pytest.raises(UserError, match=r"00002\.png"):
        read_bundle(tmp_path / "out")
    (tmp_path / "out" / "manifest.json").write_text("{")
    with pytest.raises(UserError, match="not JSON"):
        read_bundle(tmp_path / "out")
    (tmp_path / "out" / "manifest.json").unlink()
    assert not is_bundle(tmp_path / "out")
    with pytest.raises(UserError, match="manifest"):
        read_bundle(tmp_path / "out")
