"""Camera files: written files read back, known files of other programs are read, broken ones refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from comfyui_fulldit.control.camera.formats import read_camera, write_camera
from comfyui_fulldit.control.camera.formats.fulldit_json import from_fulldit_json, to_fulldit_json
from comfyui_fulldit.control.camera.presets import preset
from comfyui_fulldit.control.camera.trajectory import project
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.load import read_camera_path


@pytest.mark.parametrize("ending", [".json", ".txt", ".npy"])
@pytest.mark.parametrize("name", ["arc_left", "zoom_in", "handheld"])
def test_a_written_file_reads_back(tmp_path, ending, name):
    path = preset(name, frames=9, fps=12)
    write_camera(path, tmp_path / f"camera{ending}")
    again = read_camera(tmp_path / f"camera{ending}")
    assert again.c2w == pytest.approx(path.c2w, abs=1e-9)
    if ending != ".npy":
        assert again.intrinsics == pytest.approx(path.intrinsics)
        assert again.fps == pytest.approx(12, rel=1e-3)
    if ending == ".json":
        assert again.unit == path.unit and np.array_equal(again.c2w, path.c2w)
    assert [p.name for p in tmp_path.iterdir()] == [f"camera{ending}"]


def test_the_path_is_spread_over_the_frames_asked_for(tmp_path):
    write_camera(preset("truck_right", frames=33, amount=1), tmp_path / "c.json")
    path = read_camera(tmp_path / "c.json", frames=17)
    assert path.frames == 17 and path.c2w[-1, 0, 3] == pytest.approx(1)


def test_a_realestate_line_is_world_to_camera(tmp_path):
    """World-to-camera with t = (-1, 0, 0): the camera stands one to the right of the world's origin."""
    (tmp_path / "a.txt").write_text(
        "https://www.youtube.com/watch?v=abc\n"
        "0 0.9 1.6 0.5 0.5 0 0  1 0 0 0  0 1 0 0  0 0 1 0\n"
        "33333 0.9 1.6 0.5 0.5 0 0  1 0 0 -1  0 1 0 0  0 0 1 0\n"
    )
    path = read_camera(tmp_path / "a.txt")
    assert path.c2w[1, :, 3] == pytest.approx([1, 0, 0])
    assert path.intrinsics[0] == pytest.approx([0.9, 1.6, 0.5, 0.5])
    assert path.fps == pytest.approx(30, abs=0.01)


def test_bare_matrices_get_a_lens_of_50_degrees(tmp_path):
    c2w = preset("pan_left", frames=4).c2w
    square = np.concatenate([c2w, np.tile([[[0, 0, 0, 1.0]]], (4, 1, 1))], 1)
    for number, content in enumerate((square.tolist(), c2w.tolist(), {"c2w": c2w.tolist(), "fps": 24})):
        (tmp_path / f"{number}.json").write_text(json.dumps(content))
        path = read_camera(tmp_path / f"{number}.json")
        assert path.c2w == pytest.approx(c2w) and path.fov()[0, 0] == pytest.approx(50)
    assert path.fps == 24


def test_nerf_transforms_are_converted_from_opengl_axes(tmp_path):
    """In OpenGL a camera that looks along the world's -z has the identity; in OpenCV its forward is then -z."""
    moved = np.eye(4)
    moved[:3, 3] = 1, 2, 3
    content = {"camera_angle_x": np.pi / 2, "w": 200, "h": 100, "frames": [{"transform_matrix": moved.tolist()}]}
    (tmp_path / "transforms.json").write_text(json.dumps(content))
    path = read_camera(tmp_path / "transforms.json")
    assert path.c2w[0] == pytest.approx(np.array([[1, 0, 0, 1], [0, -1, 0, 2], [0, 0, -1, 3]]))
    assert path.intrinsics[0] == pytest.approx([0.5, 1.0, 0.5, 0.5])


def test_the_keyframe_file_in_the_documentation_reads(tmp_path):
    import re
    from pathlib import Path

    page = Path(__file__).resolve().parents[2] / "docs" / "conventions.md"
    (tmp_path / "keys.json").write_text(re.search(r"```json\n(.*?)```", page.read_text(encoding="utf-8"), re.S)[1])
    path = read_camera(tmp_path / "keys.json", default_frames=9, aspect=2.0)
    assert path.frames == 9 and path.c2w[-1, :, 3] == pytest.approx([0.4, -0.2, 0.1])
    assert path.fov()[-1, 0] == pytest.approx(40)
    assert path.intrinsics[0, 1] / path.intrinsics[0, 0] == pytest.approx(2)
    assert project(np.array([[0, 0, 1.0]]), path.w2c(), path.intrinsics)[[0, -1]] == pytest.approx(0.5)
    assert read_camera_path(str(tmp_path / "keys.json"), 13)[0].frames == 13


def broken_files() -> dict[str, tuple[bytes, str]]:
    good = json.dumps(to_fulldit_json(preset("static", frames=3)))
    value = json.loads(good)

    def changed(**fields) -> bytes:
        return json.dumps({**value, **fields}).encode()

    def keys(time: bytes) -> bytes:
        return b'{"format":"fulldit-camera","version":1,"keys":[{"time":' + time + b"}]}"

    return {
        "empty": (b"", "empty"),
        "truncated json": (good[:-40].encode(), "truncated"),
        "not json": (b"[1, 2", "truncated"),
        "other json": (b'{"nodes": [], "links": []}', "nodes, links"),
        "a number in json": (b'{"c2w": 5}', "shape"),
        "other format": (changed(format="colmap"), "colmap"),
        "newer version": (changed(version=9), "version 9"),
        "no frames": (changed(frames=[]), "list with one object"),
        "no keys": (b'{"format": "fulldit-camera", "version": 1, "keys": 3}', "list of objects"),
        "empty keys": (b'{"format": "fulldit-camera", "version": 1, "keys": []}', "at least one key"),
        "a time that is null": (b'{"format":"fulldit-camera","version":1,"keys":[{"time":null}]}', "key 0 has no time"),
        "a time of 400 digits": (keys(b"1" * 400), "'time' of camera key 0 is '1{60}'; a number expected"),
        "a fov of 400 digits": (keys(b'0,"fov":' + b"1" * 400), "'fov' of camera key 0 is '1{60}'; a number expected"),
        "a position of 400 digits": (keys(b'0,"position":[0,0,' + b"1" * 400 + b"]"), "three numbers expected"),
        "a time of 5000 digits": (keys(b"1" * 5000), "its JSON is broken"),
        "an ease of 400 letters": (keys(b'0,"ease":"' + b"e" * 400 + b'"'), "camera key 0 is 'e{60}': choose"),
        "no pose": (changed(frames=[{"intrinsics": [1, 1, 0.5, 0.5]}]), "no 'c2w'"),
        "text as fps": (changed(fps="fast"), "'fps'"),
        "nan": (changed(fps=None), "'fps'"),
        "words": (b"hello\nworld\n", "no line of numbers"),
        "one word": (b"hello", "no line of numbers"),
        "too few numbers": (b"url\n0 1 1 0.5 0.5 0 0 1 0 0 0\n", "19"),
        "not a rotation": (b"0 1 1 .5 .5 0 0 3 0 0 0 0 1 0 0 0 0 1 0", "not a rotation"),
        "binary": (bytes(range(128, 256)), "neither text"),
        "truncated npy": (_npy(np.zeros((4, 4, 4)))[:100], "truncated"),
        "npy of objects": (_npy(np.array([{"a": 1}], dtype=object), pickled=True), "Python objects"),
        "npy of text": (_npy(np.array(["a"])), "not numbers"),
        "npy of another shape": (_npy(np.zeros((4, 2))), "shape"),
        "deep json": (b"[" * 100_000, "truncated"),
        "a text in json": (b'"5"', "not a camera"),
        "a null frame": (changed(frames=[None]), "list with one object"),
        "bad transforms": (b'{"frames": [{"transform_matrix": "x"}]}', "shape"),
    }


def _npy(array: np.ndarray, pickled: bool = False) -> bytes:
    import io

    file = io.BytesIO()
    np.save(file, array, allow_pickle=pickled)
    return file.getvalue()


@pytest.mark.parametrize("what", broken_files())
def test_a_broken_file_is_refused_with_its_reason(tmp_path, what):
    content, says = broken_files()[what]
    (tmp_path / "broken").write_bytes(content)
    with pytest.raises(UserError, match=says) as error:
        read_camera(tmp_path / "broken")
    assert "\n" not in str(error.value) and len(str(error.value)) < len(str(tmp_path)) + 900, "one sentence"


def test_missing_files_folders_and_unknown_extensions_are_refused(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        read_camera(tmp_path / "none.json")
    with pytest.raises(UserError, match="folder"):
        read_camera(tmp_path)
    with pytest.raises(UserError, match="use .json"):
        write_camera(preset("static"), tmp_path / "camera.fbx")
    assert not list(tmp_path.iterdir())


def test_our_json_keeps_poses_to_the_last_bit():
    path = preset("spiral", frames=5)
    assert np.array_equal(from_fulldit_json(to_fulldit_json(path)).c2w, path.c2w)


@pytest.mark.parametrize(
    "content, says",
    [
        ("[" + "[]," * 1_100_000 + "[]]", "more lists and objects"),
        ("1 2 3\n" * 101_000, "more than 100000 lines"),
        ("[" + "0.5," * 200_000 + "1]", "200001 frames"),
    ],
    ids=["lists", "lines", "numbers"],
)
def test_a_file_that_is_too_long_is_refused_before_it_fills_the_memory(tmp_path, content, says):
    (tmp_path / "long").write_text(content)
    with pytest.raises(UserError, match=says):
        read_camera(tmp_path / "long")


def test_an_array_that_claims_more_than_it_holds_is_not_allocated(tmp_path):
    content = _npy(np.zeros((4, 4, 4))).replace(b"(4, 4, 4), }", b"(9999999,4,4),}")
    (tmp_path / "huge.npy").write_bytes(content)
    with pytest.raises(UserError, match="truncated|shape"):
        read_camera(tmp_path / "huge.npy")
