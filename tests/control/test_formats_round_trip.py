"""Every format: written files read back as exactly as the format allows, and are recognized by their content."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from comfyui_fulldit.control.camera import CameraTrajectory, rotations
from comfyui_fulldit.control.camera.formats import FORMATS, UNKNOWN_UNIT, file_extensions, read_camera, write_camera
from comfyui_fulldit.control.camera.presets import preset
from comfyui_fulldit.control.errors import UserError

FIXTURES = Path(__file__).parent / "camera_files"
MODULES = {"usd-core": "pxr", "ufbx": "ufbx", "": "json"}
WRITTEN = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(
            importlib.util.find_spec(MODULES[entry.requires]) is None, reason=f"{entry.requires} is not installed"
        ),
    )
    for name, entry in FORMATS.items()
    if entry.writable
]


def wild(frames: int = 23, seed: int = 0, centered: bool = False) -> CameraTrajectory:
    """A path that no shortcut survives: any rotation, far from the origin, a zoom, an off-center principal point."""
    random = np.random.default_rng(seed)
    rotation = rotations.from_rotvec(np.cumsum(random.normal(0, 0.6, (frames, 3)), 0))
    position = np.cumsum(random.normal(0, 3, (frames, 3)), 0) + (120, -40, 7)
    zoom = np.exp(np.linspace(0, 0.8, frames))[:, None] * (0.9, 1.6)
    middle = np.full((frames, 2), 0.5) if centered else np.repeat([[0.47, 0.55]], frames, 0)
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


def target_path(name: str, folder) -> object:
    return folder / f"camera{FORMATS[name].extensions[0]}"


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize(
    "path", [wild(), preset("arc_left", 9, fps=12), preset("static", 1)], ids=["wild", "arc", "one"]
)
def test_a_written_file_reads_back_as_exactly_as_the_format_allows(tmp_path, name, path):
    preserved = FORMATS[name].preserves
    target = target_path(name, tmp_path)
    write_camera(path, target, name)
    again = read_camera(target)
    turned, moved = errors(path, again)
    assert turned <= 1e-5 and moved <= 1e-6 and again.frames == path.frames
    if "intrinsics" in preserved:
        assert again.intrinsics[:, :2] == pytest.approx(path.intrinsics[:, :2], rel=1e-6)
    if "principal point" in preserved:
        assert again.intrinsics[:, 2:] == pytest.approx(path.intrinsics[:, 2:], abs=1e-6)
    if "fps" in preserved and path.frames > 1:
        assert again.fps == pytest.approx(path.fps, rel=1e-4)
    if "unit" in preserved:
        assert again.unit == path.unit
    assert [entry.name for entry in tmp_path.iterdir()] == [target.name], "no temporary file stays"


@pytest.mark.parametrize("name", WRITTEN)
def test_the_content_tells_the_format_whatever_the_name_of_the_file(tmp_path, name):
    target = target_path(name, tmp_path)
    write_camera(wild(5), target, name)
    renamed = target.rename(tmp_path / ("model" if target.is_dir() else "something.dat"))
    assert errors(wild(5), read_camera(renamed))[1] <= 1e-6


def test_an_extension_alone_chooses_the_usual_format(tmp_path):
    write_camera(wild(3), tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text())["format"] == "fulldit-camera"
    write_camera(wild(3), tmp_path / "a.txt")
    assert len((tmp_path / "a.txt").read_text().splitlines()[1].split()) == 19
    assert {".json", ".txt", ".npy", ".tum", ".glb"} <= set(file_extensions()) and ".fbx" not in file_extensions(
        write=True
    )


def test_an_unknown_format_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(UserError, match="realestate10k"):
        write_camera(wild(3), tmp_path / "a.json", "vhs")
    assert not list(tmp_path.iterdir())


def test_pixel_aspect_and_unit_survive_in_our_own_format(tmp_path):
    path = wild().replace(pixel_aspect=1.5, unit=UNKNOWN_UNIT)
    write_camera(path, tmp_path / "a.json")
    again = read_camera(tmp_path / "a.json")
    assert again.pixel_aspect == 1.5 and again.unit == UNKNOWN_UNIT and np.array_equal(again.c2w, path.c2w)


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


def colmap_model(folder, points: str = "10.5 20.5 -1 30.5 40.5 7", names: tuple = ("b10.png", "b9.png")) -> Path:
    """A model as COLMAP writes it, with points; its second image comes first by name."""
    folder.mkdir()
    (folder / "cameras.txt").write_text("# Camera list\n3 SIMPLE_RADIAL 640 480 500 320 240 0.01\n")
    (folder / "images.txt").write_text(
        f"# Image list\n7 1 0 0 0 0 0 2 3 {names[0]}\n{points}\n2 0 0 1 0 0 0 0 3 {names[1]}\n{points}\n"
    )
    return folder


@pytest.mark.parametrize("points", ["", "10.5 20.5 -1 30.5 40.5 7", "10.5 20.5 -1 " * 2000])
@pytest.mark.parametrize("names", [("b10.png", "b9.png"), ("10 of 10.jpg", "9 of 10.jpg")])
def test_a_colmap_model_with_points_reads(tmp_path, points, names):
    """World-to-camera (0, 0, 2) puts the camera 2 behind the origin; half a turn about y looks the other way."""
    path = read_camera(colmap_model(tmp_path / "model", points, names))
    assert path.frames == 2 and path.c2w[1, :, 3] == pytest.approx([0, 0, -2])
    assert path.c2w[0, :, :3] == pytest.approx(np.diag([-1.0, 1, -1]))
    assert path.intrinsics[0] == pytest.approx([500 / 640, 500 / 480, 0.5, 0.5])


def test_a_colmap_model_reads_by_one_of_its_files_or_from_above(tmp_path):
    model = colmap_model(tmp_path / "sparse")
    assert read_camera(model / "images.txt").frames == 2 and read_camera(tmp_path).frames == 2
    (model / "cameras.txt").rename(tmp_path / "cameras.txt")
    with pytest.raises(UserError, match="one file of a COLMAP model"):
        read_camera(model / "images.txt")


@pytest.mark.parametrize(
    "file, content, says",
    [
        ("cameras.txt", "3 PINHOLE 640 480 500\n", "line 1 of cameras.txt has 1 parameters; its model PINHOLE has 4"),
        ("cameras.txt", "3 MAGIC 640 480 500\n", "line 1 of cameras.txt has the model 'MAGIC'"),
        ("cameras.txt", "4 PINHOLE 640 480 500 500 1 1\n", "has the camera 3, which the model lacks"),
        ("images.txt", "# Images\n\n1 0 0 0 0 0 0 0 3 a.png\n", "length 0"),
        ("images.txt", "1 1 0 0\n", "line 1 of images.txt has 4 entries"),
        ("images.txt", "1 1 0 zero 0 0 0 0 3 a.png\n", "line 1 of images.txt holds something"),
    ],
)
def test_damaged_colmap_models_say_the_line(tmp_path, file, content, says):
    model = colmap_model(tmp_path / "model")
    (model / file).write_text(content)
    with pytest.raises(UserError, match=says):
        read_camera(model)


def test_a_gltf_reads_no_file_but_those_beside_it(tmp_path):
    value = json.loads((FIXTURES / "blender.gltf").read_text())
    secret = tmp_path / "secret.bin"
    secret.write_bytes((FIXTURES / "blender.bin").read_bytes())
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "linked.bin").symlink_to(secret)
    for uri in ("../secret.bin", str(secret), "file://secret.bin", "..%2Fsecret.bin", "linked.bin", "..\\secret.bin"):
        value["buffers"][0]["uri"] = uri
        (tmp_path / "inside" / "a.gltf").write_text(json.dumps(value))
        with pytest.raises(UserError, match="beside it|not there"):
            read_camera(tmp_path / "inside" / "a.gltf")


def test_a_usd_opens_no_file_but_those_beside_it(tmp_path):
    pytest.importorskip("pxr")
    (tmp_path / "inside").mkdir()
    write_camera(wild(3), tmp_path / "other.usda")
    write_camera(wild(3), tmp_path / "inside" / "other.usda")
    layer = tmp_path / "inside" / "a.usda"
    for name, fine in (("other.usda", True), ("../other.usda", False), (str(tmp_path / "other.usda"), False)):
        layer.write_text(f"#usda 1.0\n(\n    subLayers = [@{name}@]\n)\n")
        if fine:
            assert read_camera(layer).frames == 3
        else:
            with pytest.raises(UserError, match="not a file beside it"):
                read_camera(layer)


def test_scenes_without_their_library_name_what_to_install(tmp_path, monkeypatch):
    write_camera(wild(3), tmp_path / "a.usda")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="reading USD needs.*pip install usd-core"):
        read_camera(tmp_path / "a.usda")


def test_keyed_gltf_animations_are_sampled_in_time(tmp_path):
    """Two keys a second apart, cubic: rest, speed up, slow down, rest; 24 samples a second."""
    import base64
    import struct

    numbers = [0.0, 1.0, *(0, 0, 0), *(0, 0, 0), *(0, 0, 0), *(0, 0, 0), *(0, 0, -8), *(0, 0, 0)]
    data = struct.pack("<20f", *numbers)
    value = {
        "asset": {"version": "2.0"},
        "nodes": [{"children": [1], "scale": [2, 2, 2]}, {"camera": 0}],
        "cameras": [{"type": "perspective", "perspective": {"yfov": np.pi / 2, "znear": 0.1}}],
        "buffers": [{"byteLength": 80, "uri": "data:;base64," + base64.b64encode(data).decode()}],
        "bufferViews": [{"buffer": 0, "byteLength": 8}, {"buffer": 0, "byteOffset": 8, "byteLength": 72}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 2, "type": "SCALAR"},
            {"bufferView": 1, "componentType": 5126, "count": 6, "type": "VEC3"},
        ],
        "animations": [
            {
                "channels": [{"sampler": 0, "target": {"node": 1, "path": "translation"}}],
                "samplers": [{"input": 0, "output": 1, "interpolation": "CUBICSPLINE"}],
            }
        ],
    }
    (tmp_path / "a.gltf").write_text(json.dumps(value))
    path = read_camera(tmp_path / "a.gltf", aspect=2.0)
    assert path.frames == 25 and path.fps == 24 and path.intrinsics[0, :2] == pytest.approx([0.25, 0.5])
    assert path.c2w[[0, 12, 24], 2, 3] == pytest.approx([0, 8, 16]), "the parent doubles the way"
    assert path.c2w[6, 2, 3] == pytest.approx(16 * 0.15625), "3 u^2 - 2 u^3 at a quarter"


FAST = [name for name, entry in FORMATS.items() if entry.writable and not entry.requires]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(FAST),
    vectors=st.lists(st.tuples(*[st.floats(-4, 4)] * 6), min_size=1, max_size=6),
    scale=st.sampled_from([1e-3, 1.0, 1e4]),
    fps=st.sampled_from([0.5, 8.0, 23.976, 25.0, 60.0, 240.0]),
)
def test_any_path_survives_any_format(tmp_path, name, vectors, scale, fps):
    values = np.array(vectors)
    c2w = np.concatenate([rotations.from_rotvec(values[:, :3]), scale * values[:, 3:, None]], 2)
    path = CameraTrajectory(c2w, (0.9, 1.6, 0.5, 0.5), fps=fps)
    target = target_path(name, tmp_path / name)
    write_camera(path, target, name)
    again = read_camera(target)
    turned, moved = errors(path, again)
    assert turned <= 1e-5 and moved <= 1e-6 and again.frames == path.frames
    if "fps" in FORMATS[name].preserves and path.frames > 1:
        assert again.fps == pytest.approx(fps, rel=1e-3)
