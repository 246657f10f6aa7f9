"""The camera nodes: files in and out, every operation as the page sends it, images and warnings."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from comfyui_fulldit.control.camera import motion_range as reach
from comfyui_fulldit.control.camera.formats import FORMATS, UNKNOWN_UNIT, read_camera, write_camera
from comfyui_fulldit.control.camera.presets import preset
from comfyui_fulldit.control.errors import UserError


def run(host, node, **inputs):
    return host.nodes[node].execute(**inputs)


def trained(path):
    """What the nodes see of a MODEL that was trained on this path alone."""
    return SimpleNamespace(model=SimpleNamespace(camera_motion_range=reach.measure_motion_range([path])))


def test_every_format_that_is_written_comes_back(host):
    path = preset("arc_left", frames=9, fov=60.0).replace(fps=24.0)
    entry = next(i for i in host.schemas["FullDiTSaveCamera"].inputs if i.id == "format")
    assert entry.options and set(entry.options) == {name for name, f in FORMATS.items() if f.writable}
    for name in entry.options:
        if FORMATS[name].requires:
            continue
        saved = run(host, "FullDiTSaveCamera", camera=path, format=name, filename_prefix=f"shots/{name}")
        (file,) = saved.args
        assert f"9 frames in output/shots/{name}_00001_" in saved.kwargs["ui"]["text"][0]
        back = read_camera(file).relative()
        assert np.abs(back.c2w[:, :, :3] - path.c2w[:, :, :3]).max() < 1e-6, name
        if "intrinsics" in FORMATS[name].preserves:
            assert back.fov()[0, 0] == pytest.approx(60, abs=1e-3), name


def test_saving_twice_keeps_both_and_never_leaves_the_output_folder(host):
    path = preset("pan_left", frames=3)
    files = [run(host, "FullDiTSaveCamera", camera=path, format="npy", filename_prefix="twice").args[0] for _ in "ab"]
    assert files[0] != files[1] and all(read_camera(file).frames == 3 for file in files)
    for prefix in ("../evil", "/etc/evil", "a/../../evil", ""):
        with pytest.raises(UserError, match="output folder"):
            run(host, "FullDiTSaveCamera", camera=path, format="npy", filename_prefix=prefix)
    assert not (host.folder / "evil_00001_.npy").exists()


def test_files_of_subfolders_are_listed_and_hidden_ones_are_not(host):
    from comfyui_fulldit.nodes import folders

    base = host.folder / "input"
    for name in ("scan/sparse/images.txt", "scan/sparse/cameras.txt", "3d/shot.json", ".secret/a.json", "notes.md"):
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).write_text("1")
    listed = folders.camera_files((".json", ".txt"))
    assert "scan/sparse/images.txt" in listed and "3d/shot.json" in listed
    assert not {"scan/sparse/cameras.txt", ".secret/a.json", "notes.md"} & set(listed)
    before = folders.camera_file_modified(base / "scan/sparse/images.txt")
    import os

    os.utime(base / "scan/sparse/cameras.txt", ns=(before + 10**9, before + 10**9))
    assert folders.camera_file_modified(base / "scan/sparse/images.txt") == before + 10**9


def test_the_error_of_a_malformed_file_names_the_file_and_the_line(host):
    (host.folder / "input" / "broken.txt").write_text("1 2 3\n1 2\n")
    with pytest.raises(UserError, match="broken.txt.*line"):
        run(host, "FullDiTLoadCamera", file="broken.txt", frames=0, scale=1.0)
    write_camera(preset("dolly_in", frames=7), host.folder / "input" / "seven.json")
    assert run(host, "FullDiTLoadCamera", file="seven.json", frames=0, scale=1.0).args[0].frames == 7


def test_a_file_of_several_cameras_says_which_was_read_and_offers_the_others(host):
    """Camera n stands n meters to the right; mirrored, to the left."""
    frame = {f"cam0{n}": f"[1 0 0 0] [0 1 0 0] [0 0 1 0] [0 {100 * n} 0 1]" for n in (1, 2)}
    (host.folder / "input" / "two.json").write_text(json.dumps({"frame0": frame, "frame1": frame}))
    first = run(host, "FullDiTLoadCamera", file="two.json", frames=0, scale=1.0)
    assert (
        first.args[0].c2w[0, 0, 3] == pytest.approx(1) and "2 cameras (cam01, cam02)" in first.kwargs["ui"]["text"][0]
    )
    second = run(host, "FullDiTLoadCamera", file="two.json", frames=0, scale=1.0, camera=" cam02 ", mirror="x")
    assert second.args[0].c2w[0, 0, 3] == pytest.approx(-2) and not second.kwargs["ui"]


def test_every_operation_runs_with_its_default_values(host):
    path, second = preset("orbit_right", frames=9), preset("pan_left", frames=5)
    entry = host.schemas["FullDiTTransformCamera"].inputs[1]
    assert len(entry.options) >= 12
    for option in entry.options:
        values = {i.id: second if i.io_type == "FULLDIT_CAMERA" else i.default for i in option.inputs}
        (changed,) = run(
            host, "FullDiTTransformCamera", camera=path, operation={"operation": option.key, **values}
        ).args
        assert changed.frames in (9, 13, 17), option.key


@pytest.mark.parametrize(
    ("operation", "check"),
    [
        ({"operation": "reverse"}, lambda a, b: np.allclose(b.c2w, a.c2w[::-1])),
        (
            {"operation": "scale movement", "distance": 2.0, "turn": 1.0, "zoom": 1.0},
            lambda a, b: b.distance()[-1] == pytest.approx(2 * a.distance()[-1]),
        ),
        (
            {"operation": "focal length", "focal_mm": 18.0, "sensor_mm": 36.0, "keep_zoom": True},
            lambda a, b: b.fov()[0, 0] == pytest.approx(90),
        ),
        ({"operation": "resample", "frames": 5, "fps": 0.0}, lambda a, b: (b.frames, b.fps) == (5, a.fps)),
        ({"operation": "resample", "frames": 5, "fps": 24.0}, lambda a, b: b.fps == 24),
        (
            {"operation": "look at", "x": 0.0, "y": 0.0, "z": 5.0, "keep_roll": False},
            lambda a, b: np.allclose(np.cross(b.c2w[:, :, 2], [0, 0, 5] - b.c2w[:, :, 3]), 0),
        ),
    ],
)
def test_each_operation_changes_the_path_as_its_name_says(host, operation, check):
    path = preset("truck_right", frames=9)
    (changed,) = run(host, "FullDiTTransformCamera", camera=path, operation=operation).args
    assert check(path, changed)


def test_the_preview_draws_and_describes_the_path(host):
    path = preset("orbit_left", frames=5, amount=30.0)
    sheet = run(host, "FullDiTCameraPreview", camera=path, layout="sheet", height=160)
    assert [len(image) for image in sheet.args[:3]] == [1, 1, 1]
    assert sheet.args[0].shape == sheet.args[1].shape == (1, 160, 240, 3) and sheet.args[2].shape[2] == 240
    assert "turns by up to 30 degrees" in sheet.args[3] and sheet.kwargs["ui"]["text"] == [sheet.args[3]]
    assert sheet.kwargs["ui"]["images"] == [{"shape": (320, 240, 3)}]  # the path above the curves
    frames = run(host, "FullDiTCameraPreview", camera=path, layout="frames", height=160)
    assert [len(image) for image in frames.args[:3]] == [5, 5, 5]
    for image in (*sheet.args[:3], *frames.args[:3]):
        assert image.min() >= 0 and image.max() <= 1


def test_the_preview_warns_beyond_what_the_model_was_trained_on(host):
    def report(path, model):
        return run(host, "FullDiTCameraPreview", camera=path, layout="sheet", height=128, model=model).args[3]

    known = preset("pan_right", frames=9, amount=20.0)
    assert "Within what the model was trained on." in report(known, trained(known))
    more = preset("pan_right", frames=9, amount=60.0)
    assert "pans to the right by 60 degrees; the model was trained on at most 20" in report(more, trained(known))
    assert "does not say" in report(more, SimpleNamespace(model=SimpleNamespace()))
    assert "trained" not in report(more, None)
    other = preset("truck_left", frames=9, amount=0.1)
    assert "unit: median depth" in report(other, None)
    assert "unit: unknown" in report(other.replace(unit=UNKNOWN_UNIT), None)
    assert "as if it were the model's" in report(other.replace(unit=UNKNOWN_UNIT), trained(other))


def test_the_pan_of_a_clip_is_estimated(host):
    """A textured wall far away, filmed by a camera that turns 8 degrees to the right."""
    torch, cv2 = pytest.importorskip("torch"), pytest.importorskip("cv2")
    random = np.random.default_rng(0)
    wall = cv2.GaussianBlur(random.random((300, 700, 3)).astype(np.float32), (0, 0), 2.0)
    wall = (wall - wall.min()) / np.ptp(wall)
    path = preset("pan_right", frames=6, amount=8.0, ease="linear", fov=60.0)
    width, height = 240, 160
    lens = np.array(
        [[path.intrinsics[0, 0] * width, 0, width / 2], [0, path.intrinsics[0, 1] * height, height / 2], [0, 0, 1]]
    )
    far = np.array([[lens[0, 0], 0, 350], [0, lens[1, 1], 150], [0, 0, 1]])  # the wall as the first camera sees it
    frames = [
        cv2.warpPerspective(wall, lens @ pose[:, :3].T @ np.linalg.inv(far), (width, height)) for pose in path.c2w
    ]
    images, mask = torch.from_numpy(np.stack(frames)), torch.zeros(1, 32, 48)
    found = run(host, "FullDiTCameraFromVideo", images=images, fps=12.0, fov=60.0, moving=mask)
    camera, report = found.args
    turned = np.degrees(np.arctan2(camera.relative().c2w[-1, 0, 2], camera.relative().c2w[-1, 2, 2]))
    assert turned == pytest.approx(8, abs=0.3) and camera.fps == 12 and camera.fov()[0, 0] == pytest.approx(60)
    assert "turning" in report and "given" in report and found.kwargs["ui"]["text"] == [report]
    with pytest.raises(UserError, match="too few points|texture"):
        run(host, "FullDiTCameraFromVideo", images=torch.zeros(4, 64, 96, 3), fps=8.0, fov=0.0)


def test_plucker_for_wan_packs_four_frames_and_crops_instead_of_stretching(host):
    path = preset("truck_right", frames=9, amount=0.5, ease="linear", fov=60.0, aspect=1.5)
    embedding, width, height, length = run(
        host, "FullDiTCameraToPlucker", camera=path, width=64, height=32, length=9, scale=2.0
    ).args
    assert embedding.shape == (1, 24, 3, 32, 64) and (width, height, length) == (64, 32, 9)
    rays = embedding[0].unflatten(0, (6, 4)).numpy()  # coordinate, frame of four, latent frame
    moment, direction = rays[:3], rays[3:]
    assert np.allclose(np.linalg.norm(direction, axis=0), 1, atol=1e-6)
    assert np.allclose(moment[:, :, 0], 0)  # the first frame, four times
    # The last frame: position (1, 0, 0) crossed with the ray.
    last = direction[:, 3, 2]
    assert np.allclose(moment[:, 3, 2], np.stack([0 * last[0], -last[2], last[1]]), atol=1e-6)
    # 60 degrees across stay (a half pixel in from the border); the pixels are square.
    edge = direction[:, 0, 0, 15, 63] / direction[2, 0, 0, 15, 63]
    assert edge[0] == pytest.approx(np.tan(np.radians(30)) * 63 / 64, rel=1e-5)
    down = direction[:, 0, 0, 31, 31] / direction[2, 0, 0, 31, 31]
    assert down[1] / edge[0] == pytest.approx(31 / 63, rel=1e-5)
    with pytest.raises(UserError, match="use 9 or 13"):
        run(host, "FullDiTCameraToPlucker", camera=path, width=64, height=32, length=10)


def test_a_text_joins_several_movements(host):
    movement = {"movement": "combination", "text": "pan_right:20@0-0.5 + dolly_in:0.3@0.5-1"}
    (path,) = run(host, "FullDiTCameraPreset", movement=movement, frames=9, fps=8.0, ease="linear").args
    assert np.allclose(path.c2w[4, :, :3], preset("pan_right", frames=2, amount=20.0).c2w[-1, :, :3])
    assert np.linalg.norm(path.c2w[4, :, 3]) < 1e-9
    assert np.linalg.norm(path.c2w[-1, :, 3]) == pytest.approx(0.3)
    with pytest.raises(UserError, match="Part 2.*dolly_inn"):
        broken = {"movement": "combination", "text": "pan_right + dolly_inn:0.3"}
        run(host, "FullDiTCameraPreset", movement=broken, frames=9, fps=8.0, ease="linear")


def test_the_help_page_lists_what_every_written_format_keeps(host):
    page = (Path(__file__).resolve().parents[2] / "web" / "docs" / "FullDiTSaveCamera.md").read_text(encoding="utf-8")
    for name, entry in FORMATS.items():
        if entry.writable:
            (row,) = [line for line in page.splitlines() if line.startswith(f"| `{name}` |")]
            kept = row.rstrip("| ").rpartition("| ")[2]
            assert set(kept.replace("pixel aspect", "pixel_aspect").split(", ")) == set(entry.preserves), name
