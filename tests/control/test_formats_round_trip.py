"""Every format: what is written comes back, as exactly as the format carries it, and is recognised by its content."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from comfyui_fulldit.control.camera import CameraTrajectory, rotations
from comfyui_fulldit.control.camera.formats import FORMATS, endings, read_camera, write_camera
from comfyui_fulldit.control.camera.formats.common import UNKNOWN
from comfyui_fulldit.control.camera.presets import preset
from comfyui_fulldit.control.errors import UserError

FIXTURES = Path(__file__).parent / "camera_files"
MODULES = {"usd-core": "pxr", "ufbx": "ufbx", "": "json"}
WRITTEN = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(
            importlib.util.find_spec(MODULES[entry.needs]) is None, reason=f"{entry.needs} is not installed"
        ),
    )
    for name, entry in FORMATS.items()
    if entry.writes
]


def wild(frames: int = 23, seed: int = 0, centred: bool = False) -> CameraTrajectory:
    """A path that no shortcut survives: any rotation, far from the origin, a zoom, an off-centre principal point."""
    random = np.random.default_rng(seed)
    rotation = rotations.from_vector(np.cumsum(random.normal(0, 0.6, (frames, 3)), 0))
    position = np.cumsum(random.normal(0, 3, (frames, 3)), 0) + (120, -40, 7)
    zoom = np.exp(np.linspace(0, 0.8, frames))[:, None] * (0.9, 1.6)
    middle = np.full((frames, 2), 0.5) if centred else np.repeat([[0.47, 0.55]], frames, 0)
    return CameraTrajectory(
        np.concatenate([rotation, position[..., None]], 2), np.concatenate([zoom, middle], 1), fps=24
    )


def errors(first: CameraTrajectory, second: CameraTrajectory) -> tuple[float, float]:
    """The largest rotation error in degrees, and translation error as a share of the path's extent."""
    off = np.linalg.norm(first.c2w[:, :, :3] - second.c2w[:, :, :3], axis=(1, 2))
    place = np.linalg.norm(first.c2w[:, :, 3] - second.c2w[:, :, 3], axis=1)
    extent = np.linalg.norm(first.c2w[:, :, 3], axis=1).max()
    # |R - S| = 2 sqrt(2) sin(angle / 2), which unlike arccos is exact for small angles.
    return float(np.degrees(2 * np.arcsin(off.max() / 2**1.5))), float(place.max() / max(extent, 1e-12))


def place_for(name: str, folder) -> object:
    return folder / f"camera{FORMATS[name].endings[0]}"


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize(
    "path", [wild(), preset("arc_left", 9, fps=12), preset("static", 1)], ids=["wild", "arc", "one"]
)
def test_round_trip(tmp_path, name, path):
    carries = FORMATS[name].carries
    target = place_for(name, tmp_path)
    write_camera(path, target, name)
    again = read_camera(target)
    turned, moved = errors(path, again)
    assert turned <= 1e-5 and moved <= 1e-6 and again.frames == path.frames
    if "intrinsics" in carries:
        assert again.intrinsics[:, :2] == pytest.approx(path.intrinsics[:, :2], rel=1e-6)
    if "principal point" in carries:
        assert again.intrinsics[:, 2:] == pytest.approx(path.intrinsics[:, 2:], abs=1e-6)
    if "fps" in carries and path.frames > 1:
        assert again.fps == pytest.approx(path.fps, rel=1e-4)
    if "unit" in carries:
        assert again.unit == path.unit
    assert [entry.name for entry in tmp_path.iterdir()] == [target.name], "no temporary file stays"


@pytest.mark.parametrize("name", WRITTEN)
def test_the_content_tells_the_format_whatever_the_file_is_called(tmp_path, name):
    target = place_for(name, tmp_path)
    write_camera(wild(5), target, name)
    renamed = target.rename(tmp_path / ("model" if target.is_dir() else "something.dat"))
    assert errors(wild(5), read_camera(renamed))[1] <= 1e-6


def test_an_ending_alone_chooses_the_usual_format(tmp_path):
    write_camera(wild(3), tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text())["format"] == "fulldit-camera"
    write_camera(wild(3), tmp_path / "a.txt")
    assert len((tmp_path / "a.txt").read_text().splitlines()[1].split()) == 19
    assert {".json", ".txt", ".npy", ".tum", ".glb"} <= set(endings()) and ".fbx" not in endings(write=True)


def test_names_that_cannot_be_written_are_refused(tmp_path):
    with pytest.raises(UserError, match="realestate10k"):
        write_camera(wild(3), tmp_path / "a.json", "vhs")
    assert not list(tmp_path.iterdir())


def test_pixel_aspect_and_unit_survive_in_our_own_format(tmp_path):
    path = wild().replace(pixel_aspect=1.5, unit=UNKNOWN)
    write_camera(path, tmp_path / "a.json")
    again = read_camera(tmp_path / "a.json")
    assert again.pixel_aspect == 1.5 and again.unit == UNKNOWN and np.array_equal(again.c2w, path.c2w)


def blender(ending: str) -> CameraTrajectory:
    """The same animated camera (under a moving parent, with a zoom and a shifted lens) as Blender 5.0 exports it."""
    return read_camera(FIXTURES / f"blender{ending}")


@pytest.mark.parametrize("ending", [".glb", ".gltf", ".usdc", ".fbx"])
def test_what_blender_exports_is_what_the_script_in_docs_exports(ending):
    library = {".usdc": "pxr", ".fbx": "ufbx"}.get(ending)
    if library and importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    truth, path = blender(".json"), blender(ending)
    turned, moved = errors(truth, path)
    # Blender computes and exports in single precision.
    assert turned < 1e-4 and moved < 1e-6 and path.frames == 12 and path.fps == 24 and path.unit == "metre"
    if ending != ".gltf":
        assert path.intrinsics[:, :2] == pytest.approx(truth.intrinsics[:, :2], rel=1e-6), "with the zoom"
    if ending == ".usdc":
        assert path.intrinsics == pytest.approx(truth.intrinsics, rel=1e-6), "with the shift of the lens"


def test_blenders_camera_stands_where_a_person_sees_it():
    """5 m before the origin (Blender's -y), 1.5 m up, tilted 5 degrees down, panned 10 left on a parent at 3."""
    path = blender(".json")
    forward = path.c2w[0, :, 2]
    assert forward[1] == pytest.approx(np.sin(np.radians(5)), abs=1e-6), "looks a little down"
    assert np.degrees(np.arctan2(forward[0], forward[2])) == pytest.approx(-13, abs=1e-4), "and to the left"
    assert path.c2w[0, 1, 3] == pytest.approx(-1.5, abs=1e-6) and path.c2w[0, 2, 3] < -4.9
