"""Files with several cameras offer the choice, and mirrored cameras are read by the axis that is mirrored."""

from __future__ import annotations

import importlib.util
import json

import numpy as np
import pytest

from comfyui_fulldit.control.camera import CameraTrajectory
from comfyui_fulldit.control.camera.formats import FORMATS, MIRRORS, read_camera, write_camera
from comfyui_fulldit.control.camera.formats.choice import choose, choose_folder
from comfyui_fulldit.control.camera.presets import preset
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.fit import Fit
from comfyui_fulldit.control.load import read_camera_path


def still(x: float) -> str:
    return f"[1 0 0 0] [0 1 0 0] [0 0 1 0] [0 {100 * x} 0 1] "


def recammaster(path, cameras=("cam10", "cam02", "cam01")):
    """Two frames, in which camera number n stands n meters to the right."""
    frame = {name: still(int(name[3:])) for name in cameras}
    path.write_text(json.dumps({"frame0": frame, "frame1": frame}))
    return path


def gltf(path):
    """Three cameras, 1, 2 and 3 to the right; the second moves."""
    import base64
    import struct

    data = struct.pack("<8f", 0, 1, 2, 0, 0, 2, 0, 1)
    value = {
        "asset": {"version": "2.0"},
        "nodes": [
            {"name": n, "camera": 0, "translation": [x, 0, 0]} for x, n in ((1, "wide"), (2, "Dolly"), (3, "top"))
        ],
        "cameras": [{"type": "perspective", "perspective": {"yfov": 1.0, "aspectRatio": 1.5, "znear": 0.1}}],
        "buffers": [{"byteLength": 32, "uri": "data:;base64," + base64.b64encode(data).decode()}],
        "bufferViews": [{"buffer": 0, "byteLength": 8}, {"buffer": 0, "byteOffset": 8, "byteLength": 24}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 2, "type": "SCALAR"},
            {"bufferView": 1, "componentType": 5126, "count": 2, "type": "VEC3"},
        ],
        "animations": [
            {
                "channels": [{"sampler": 0, "target": {"node": 1, "path": "translation"}}],
                "samplers": [{"input": 0, "output": 1}],
            }
        ],
    }
    path.write_text(json.dumps(value))
    return path


def colmap(folder, names, x=0.0):
    folder.mkdir(parents=True)
    (folder / "cameras.txt").write_text("1 PINHOLE 30 20 30 30 15 10\n")
    lines = (f"{i} 1 0 0 0 {-x - i} 0 0 1 {name}\n\n" for i, name in enumerate(names, 1))
    (folder / "images.txt").write_text("".join(lines))
    return folder


@pytest.mark.parametrize(
    "wanted, x", [("", 1), ("cam02", 2), ("CAM02", 2), ("2", 2), ("10", 10), ("03", None), ("x", None)]
)
def test_a_camera_of_recammaster_is_chosen_by_name_or_number(tmp_path, wanted, x):
    file = recammaster(tmp_path / "a.json")
    if x is None:
        with pytest.raises(UserError, match=f"no camera '{wanted}'; choose one of its 3 cameras: cam01, cam02, cam10"):
            read_camera(file, camera=wanted)
        return
    path = read_camera(file, camera=wanted)
    assert path.c2w[0, 0, 3] == pytest.approx(x)
    assert bool(path.notes) == (not wanted), "what was left unread is said where nobody chose"


def test_names_come_before_numbers_and_numbers_before_places():
    names = ["cam00", "cam01", "left"]
    assert [choose(names, wanted)[0] for wanted in ("0", "1", "3", "left", " LEFT ")] == [0, 1, 2, 2, 2]
    assert choose(names, "", default=1) == (
        1,
        ("The file holds 3 cameras (cam00, cam01, left): cam01 was read. Set camera to read another.",),
    )
    assert choose(["only"], "") == (0, ()), "one camera is not worth a word"
    assert choose(["7b", "x1"], "1")[0] == 1
    with pytest.raises(UserError, match="no camera '0'"):
        choose(["a", "b"], "0")


def test_a_gltf_file_reads_the_moving_camera_or_the_chosen_one(tmp_path):
    file = gltf(tmp_path / "a.gltf")
    moving = read_camera(file)
    assert moving.c2w[[0, -1], 0, 3] == pytest.approx([2, 2]) and moving.frames == 25
    assert "3 cameras (wide, Dolly, top): Dolly was read" in moving.notes[0]
    assert read_camera(file, camera="top").c2w[:, 0, 3] == pytest.approx([3])
    assert read_camera(file, camera="1").c2w[:, 0, 3] == pytest.approx([1])


def test_a_usd_file_offers_its_cameras(tmp_path):
    pytest.importorskip("pxr")
    text = "#usda 1.0\n"
    for x, name in enumerate(("Wide", "Tele"), 1):
        text += f'def Camera "{name}"\n{{\n double3 xformOp:translate = ({100 * x}, 0, 0)\n'
        text += ' uniform token[] xformOpOrder = ["xformOp:translate"]\n}\n'
    (tmp_path / "a.usda").write_text(text)
    assert read_camera(tmp_path / "a.usda", camera="tele").c2w[0, 0, 3] == pytest.approx(2)
    first = read_camera(tmp_path / "a.usda")
    assert first.c2w[0, 0, 3] == pytest.approx(1) and "2 cameras (Wide, Tele): Wide was read" in first.notes[0]


def test_colmap_offers_its_models_and_the_cameras_of_a_rig(tmp_path):
    for number in (0, 1, 10):
        colmap(tmp_path / "scan" / "sparse" / str(number), ["1.png", "2.png"], x=100 * number)
    first = read_camera(tmp_path / "scan")
    assert first.c2w[0, 0, 3] == pytest.approx(1) and "3 models (0, 1, 10): 0 was read" in first.notes[0]
    assert read_camera(tmp_path / "scan", camera="10").c2w[0, 0, 3] == pytest.approx(1001)
    rig = colmap(tmp_path / "rig", ["rig/left/1.png", "rig/right/1.png", "rig/left/2.png", "rig/right/2.png"])
    assert read_camera(rig).c2w[:, 0, 3] == pytest.approx([1, 3])
    assert read_camera(rig, camera="right").c2w[:, 0, 3] == pytest.approx([2, 4])
    with pytest.raises(UserError, match="choose one of its 2 folders of images: left, right"):
        read_camera(rig, camera="top")


def test_folders_that_are_no_cameras_are_one_path():
    assert choose_folder(["1/image.png", "2/image.png"], "") == ([0, 1], ())
    with pytest.raises(UserError, match="leave it empty"):
        choose_folder(["1/image.png", "2/image.png"], "2")


@pytest.mark.parametrize("name", ["fulldit", "matrices", "realestate10k", "tum"])
def test_a_file_of_one_camera_refuses_the_choice(tmp_path, name):
    write_camera(preset("static", 3), tmp_path / "a", name)
    with pytest.raises(UserError, match="holds only one: leave it empty"):
        read_camera(tmp_path / "a", camera="2")


def mirrored_realestate(path: CameraTrajectory, axis: int) -> str:
    """The text of a program whose cameras have one axis the other way: determinant -1."""
    w2c = path.w2c()
    w2c[:, axis] *= -1
    rows = (" ".join(map(repr, [0, 0.9, 1.6, 0.5, 0.5, 0, 0, *matrix.ravel().tolist()])) for matrix in w2c)
    return "a\n" + "\n".join(rows)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_mirrored_camera_is_read_by_its_axis(tmp_path, axis):
    truth = preset("arc_left", 7)
    (tmp_path / "a.txt").write_text(mirrored_realestate(truth, axis))
    c2w = truth.c2w.copy()
    c2w[:, :, axis] *= -1
    (tmp_path / "a.json").write_text(json.dumps(c2w.tolist()))
    np.save(tmp_path / "a.npy", c2w)
    for file in tmp_path.iterdir():
        with pytest.raises(UserError, match="mirrored .*set mirror to that axis, x, y or z"):
            read_camera(file)
        assert read_camera(file, mirror="xyz"[axis]).c2w == pytest.approx(truth.c2w)


def test_a_left_handed_world_is_mirrored_with_its_cameras(tmp_path):
    """Unity: x right, y up, z forward. A camera that rises and looks down by 30 degrees does so here."""
    down = np.radians(30)
    unity = np.eye(4)
    unity[:3, 1], unity[:3, 2] = (0, np.cos(down), np.sin(down)), (0, -np.sin(down), np.cos(down))
    unity[:3, 3] = 0, 2, 0
    assert np.linalg.det(unity[:3, :3]) == pytest.approx(1), "nothing shows that it is mirrored"
    (tmp_path / "a.json").write_text(json.dumps([np.eye(4).tolist(), unity.tolist()]))
    path = read_camera(tmp_path / "a.json", mirror="y")
    assert path.c2w[1, :, 3] == pytest.approx([0, -2, 0]) and path.c2w[1, :, 2] == pytest.approx([0, 0.5, np.cos(down)])


QUICK = [
    name
    for name, entry in FORMATS.items()
    if entry.writable and not (entry.requires and not importlib.util.find_spec("pxr"))
]


@pytest.mark.parametrize("name", QUICK)
def test_every_format_can_be_mirrored(tmp_path, name):
    path = preset("arc_left", 3)
    target = tmp_path / f"a{FORMATS[name].extensions[0]}"
    write_camera(path, target, name)
    flip = np.diag([-1.0, 1, 1])
    again = read_camera(target, mirror="x").relative()
    assert again.c2w[:, :, :3] == pytest.approx(flip @ path.relative().c2w[:, :, :3] @ flip, abs=1e-6)
    assert again.c2w[:, :, 3] == pytest.approx(path.relative().c2w[:, :, 3] * (-1, 1, 1), abs=1e-6)


def test_an_unknown_mirror_is_refused(tmp_path):
    write_camera(preset("static", 2), tmp_path / "a.json")
    with pytest.raises(UserError, match=f"'w'; choose one of {', '.join(MIRRORS)}"):
        read_camera(tmp_path / "a.json", mirror="w")


def test_a_specification_chooses_camera_and_mirror(tmp_path):
    file = recammaster(tmp_path / "a, b=c.json", ("cam01", "cam02"))
    moving = json.loads(file.read_text())
    moving["frame1"] = {"cam01": still(1), "cam02": still(5)}
    file.write_text(json.dumps(moving))
    assert read_camera_path(f"{file},camera=2", 2)[0].c2w[1, 0, 3] == pytest.approx(3)
    assert read_camera_path(f"{file},mirror=x,camera=cam02", 2)[0].c2w[1, 0, 3] == pytest.approx(-3)
    assert read_camera_path(str(file), 2)[0].c2w[1, 0, 3] == 0
    with pytest.raises(UserError, match="does not exist"):
        read_camera_path(f"{file}x,camera=2", 2, fit=Fit())


@pytest.mark.parametrize("scale", [2.0, 0.01])
def test_cameras_below_a_scaled_object_are_read_and_it_is_said(tmp_path, scale):
    path = preset("arc_left", frames=4)
    write_camera(path, tmp_path / "transforms.json", "transforms")
    value = json.loads((tmp_path / "transforms.json").read_text())
    for frame in value["frames"]:
        for row in frame["transform_matrix"][:3]:
            row[:3] = [number * scale for number in row[:3]]
    (tmp_path / "transforms.json").write_text(json.dumps(value))
    read = read_camera(tmp_path / "transforms.json")
    assert read.c2w == pytest.approx(path.c2w, abs=1e-9)
    assert f"scaled by {scale:g}" in read.notes[0]
    value["frames"][1]["transform_matrix"][0][0] *= 3  # a shear is no scale
    (tmp_path / "transforms.json").write_text(json.dumps(value))
    with pytest.raises(UserError, match="not a rotation"):
        read_camera(tmp_path / "transforms.json")
