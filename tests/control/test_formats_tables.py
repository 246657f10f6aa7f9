"""Poses of other programs as tables, arrays and XML, each with a path that a person can picture."""

from __future__ import annotations

import io
import math
import zipfile

import numpy as np
import pytest

from comfyui_fulldit.control.camera.formats import FORMATS, file_extensions, read_camera
from comfyui_fulldit.control.errors import UserError

# Half a turn about y, as x y z w: the camera looks back.
BACK = "0 1 0 0"
EUROC = (
    "#timestamp, p_RS_R_x [m], p_RS_R_y [m], p_RS_R_z [m], q_RS_w [], q_RS_x [], q_RS_y [], q_RS_z [],"
    " v_RS_R_x [m s^-1], v_RS_R_y [m s^-1], v_RS_R_z [m s^-1]\n"
    "1403636580838555648,1,2,3,1,0,0,0,9,9,9\n"
    "1403636580848555648,1,2,4,0,0,1,0,9,9,9\n"
)
TABLES = {
    "csv": f"timestamp,tx,ty,tz,qx,qy,qz,qw\n0,1,2,3,0,0,0,1\n0.01,1,2,4,{BACK.replace(' ', ',')}\n",
    "blanks": f"timestamp tx ty tz qx qy qz qw\n0 1 2 3 0 0 0 1\n0.01 1 2 4 {BACK}\n",
    "names of images beside": "file;frame;x;y;z;qw;qx;qy;qz\n"
    "a 1.png;7;1,0;2,0;3,0;1;0;0;0\na 2.png;8;1,0;2,0;4,0;0;0;1;0\n",
    "long names": 'Time (ms),"Position X","Position Y","Position Z",Quat.W,Quat.X,Quat.Y,Quat.Z\n'
    "0,1,2,3,1,0,0,0\n10,1,2,4,0,0,1,0\n",
    "euroc": EUROC,
    "a comment as header": "# frame_id qw qx qy qz tx ty tz\n0 1 0 0 0 1 2 3\n1 0 0 1 0 1 2 4\n",
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_read_by_the_names_of_its_columns(tmp_path, name):
    """The camera stands at 1 2 3, then one ahead, looking back; a hundred frames a second where the table says so."""
    (tmp_path / "poses.csv").write_text(TABLES[name])
    path = read_camera(tmp_path / "poses.csv")
    assert path.c2w[:, :, 3] == pytest.approx(np.array([[1, 2, 3], [1, 2, 4]]))
    assert path.c2w[:, :, 2] == pytest.approx(np.array([[0, 0, 1], [0, 0, -1]]))
    assert path.fps == pytest.approx(8 if "frame" in TABLES[name] else 100)
    assert any("IMU" in note for note in path.notes) == (name == "euroc")


@pytest.mark.parametrize(
    "text, says",
    [
        ("tx ty tz qx qy qz qw\n1 2 3 0 0 0\n", "line 2 has 6 entries; its header names 7"),
        ("tx ty tz qx qy qz qw\n1 2 3 0 0 0 2\n", "line 2 has a quaternion of length 2, not 1"),
        ("tx,ty,tz,qx,qy,qz,qw\n1,2,,0,0,0,1\n", "line 2 holds something that is not a number"),
        ("tx ty tz qx qy qz qw\n", "no line of numbers"),
        ("tx ty tz rx ry rz\n1 2 3 0 0 0\n", "a header with tx ty tz qx qy qz qw"),
    ],
)
def test_a_damaged_table_says_the_line(tmp_path, text, says):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(UserError, match=says):
        read_camera(tmp_path / "a.csv")


def test_a_missing_row_of_a_table_is_filled_in(tmp_path):
    rows = [f"{frame},{frame},0,0,1,0,0,0" for frame in (1, 2, 3, 6)]
    (tmp_path / "a.csv").write_text("\n".join(["frame,tx,ty,tz,qw,qx,qy,qz", *rows]))
    path = read_camera(tmp_path / "a.csv")
    assert path.c2w[:, 0, 3] == pytest.approx(np.arange(1, 7)) and "Frames 4 to 5 are missing" in path.notes[0]


def test_a_chan_file_is_a_camera_of_nuke(tmp_path):
    """Level at (1, 2, 5) where y is up; then turned left by 90 degrees (about y), up by 30 (x), rolled by 10 (z)."""
    (tmp_path / "a.chan").write_text("1 1 2 5 0 0 0 90\n2 1 2 5 30 90 10 60\n")
    path = read_camera(tmp_path / "a.chan", aspect=2.0)
    assert path.c2w[0] == pytest.approx(np.array([[1, 0, 0, 1], [0, 1, 0, -2], [0, 0, 1, -5]])), "y is down here"
    forward = path.c2w[1, :, 2]
    assert forward == pytest.approx([-math.cos(math.radians(30)), -0.5, 0]), "left and up"
    assert path.c2w[1, 1, 0] == pytest.approx(-math.sin(math.radians(10)) * math.cos(math.radians(30))), (
        "its right is up"
    )
    assert path.intrinsics[:, :2] == pytest.approx(np.array([[0.25, 0.5], [0.433013, 0.866025]]), abs=1e-6)
    assert "rotation order ZXY" in path.notes[0], "the file does not say which it is"
    (tmp_path / "a.chan").write_text("1 1 2 5 0 0 0 90\n2 1 2 5 30 0 0 60\n")
    assert read_camera(tmp_path / "a.chan").notes == (), "one angle has no order"


def test_a_chan_file_is_known_by_its_content_and_filled_in(tmp_path):
    (tmp_path / "a.txt").write_text("1001 0 0 0 0 0 0\n1002 1 0 0 0 2 0\n1003 2 0 0 0 4 0\n1006 5 0 0 0 10 0\n")
    path = read_camera(tmp_path / "a.txt")
    assert path.c2w[:, 0, 3] == pytest.approx(np.arange(6)) and "Frames 1004 to 1005" in path.notes[0]
    assert path.fov()[0, 0] == pytest.approx(50), "the usual lens where it has none"
    (tmp_path / "a.chan").write_text("1 0 0 0 0 0 0 180\n")
    with pytest.raises(UserError, match="field of view is 180"):
        read_camera(tmp_path / "a.chan")
    (tmp_path / "a.txt").write_text("1 0 0 0 0 0 0 1\n2 1 0 0 0 0 0 1\n")
    assert read_camera(tmp_path / "a.txt").c2w[1, 0, 3] == 1, "eight numbers with a quaternion are TUM's"


def poses_bounds(count: int = 3) -> np.ndarray:
    """LLFF's rows of a camera that looks ahead (its axes: down, right, backward) and moves to the right."""
    rows = []
    for x in range(count):
        matrix = np.array([[0.0, 1, 0, x, 100], [1, 0, 0, 7, 200], [0, 0, -1, 8, 50]])
        rows.append([*matrix.ravel(), 0.5, 9.0])
    return np.array(rows)


def test_poses_bounds_is_read_in_llffs_axes(tmp_path):
    np.save(tmp_path / "poses_bounds.npy", poses_bounds())
    path = read_camera(tmp_path / "poses_bounds.npy")
    assert path.c2w[2] == pytest.approx(np.array([[1, 0, 0, 2], [0, 1, 0, 7], [0, 0, 1, 8]]))
    assert path.intrinsics[0] == pytest.approx([0.25, 0.5, 0.5, 0.5]), "50 of 200 x 100 pixels"
    np.save(tmp_path / "poses_bounds.npy", np.zeros((4, 17)))
    with pytest.raises(UserError, match="saved no poses"):
        read_camera(tmp_path / "poses_bounds.npy")
    rows = poses_bounds()
    rows[1, 14] = 0
    np.save(tmp_path / "poses_bounds.npy", rows)
    with pytest.raises(UserError, match="focal length that is not positive"):
        read_camera(tmp_path / "poses_bounds.npy")


def vipe(folder, frames=(0, 1, 2, 3, 6), lens=True):
    """ViPE's two files of one clip: a camera that moves to the right, a meter a frame, and zooms in from frame 2 on."""
    matrices = np.tile(np.eye(4), (len(frames), 1, 1))
    matrices[:, 0, 3] = frames
    (folder / "pose").mkdir(parents=True)
    np.savez(folder / "pose" / "clip.npz", data=matrices, inds=np.array(frames))
    if lens:
        pixels = np.array([[100.0 if frame < 2 else 200, 100, 100, 50] for frame in range(8)])
        (folder / "intrinsics").mkdir()
        np.savez(folder / "intrinsics" / "clip.npz", data=pixels, inds=np.arange(8))
    return folder / "pose" / "clip.npz"


def test_vipes_poses_are_read_with_the_lens_beside_them(tmp_path):
    path = read_camera(vipe(tmp_path / "a"))
    assert path.c2w[:, 0, 3] == pytest.approx(np.arange(7)) and "Frames 4 to 5" in path.notes[0]
    assert path.intrinsics[:3, :2] == pytest.approx(np.array([[0.5, 1], [0.5, 1], [1, 1]]))
    assert read_camera(vipe(tmp_path / "b", lens=False)).fov()[0, 0] == pytest.approx(50)
    np.savez(tmp_path / "one.npz", data=np.tile(np.eye(4), (2, 1, 1)), intrinsics=[100, 100, 100, 50])
    assert read_camera(tmp_path / "one.npz").intrinsics[1] == pytest.approx([0.5, 1, 0.5, 0.5])


def test_an_archive_that_is_something_else_or_grows_is_refused(tmp_path):
    np.savez(tmp_path / "other.npz", depth=np.zeros((2, 3)))
    with pytest.raises(UserError, match="holds depth; the arrays data"):
        read_camera(tmp_path / "other.npz")
    np.savez(tmp_path / "objects.npz", data=np.array([{"a": 1}], dtype=object))
    with pytest.raises(UserError, match="Python objects"):
        read_camera(tmp_path / "objects.npz")
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**7, 4, 4)})
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.npy", header.getvalue() + bytes(2**26))
    assert (tmp_path / "bomb.npz").stat().st_size < 2**20
    with pytest.raises(UserError, match="at most .* MB are read"):
        read_camera(tmp_path / "bomb.npz")
    file = vipe(tmp_path / "c")
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(UserError, match="truncated or damaged archive"):
        read_camera(file)


def camera(label: str, x: float, sensor: int = 0) -> str:
    return (
        f'<camera id="0" sensor_id="{sensor}" label="{label}"><transform>1 0 0 {x} 0 1 0 7 0 0 1 8 0 0 0 1</transform>'
        "</camera>"
    )


def metashape(cameras: str, kind: str = "frame", extra: str = "<k1>0.1</k1>", chunks: str = "") -> str:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<document version="2.0.0"><chunk label="Roof"><sensors>'
        f'<sensor id="0" type="{kind}"><resolution width="200" height="100"/>'
        '<calibration class="initial"><f>1</f></calibration>'
        f'<calibration class="adjusted"><resolution width="200" height="100"/><f>50</f><cx>10</cx>{extra}</calibration>'
        f"</sensor></sensors><cameras>{cameras}<camera id='9' label='lost 9'/></cameras></chunk>{chunks}</document>"
    )


def test_metashapes_photos_are_read_in_the_order_of_their_labels(tmp_path):
    """The photo that was not aligned has no pose; number 2 is missing and lies between its neighbors."""
    (tmp_path / "a.xml").write_text(
        metashape(camera("f 3", 3) + camera("f 1", 1) + camera("f 4", 4) + camera("f 5", 5))
    )
    path = read_camera(tmp_path / "a.xml")
    assert path.c2w[:, :, 3] == pytest.approx(np.array([[x, 7, 8] for x in range(1, 6)]))
    assert path.intrinsics[0] == pytest.approx([0.25, 0.5, 0.55, 0.5]), "the adjusted lens"
    assert "distortion was left out" in path.notes[0] and "Frame 2 is missing" in path.notes[1]


def test_metashape_offers_its_chunks_and_refuses_what_is_no_path(tmp_path):
    second = f"<chunk><cameras>{camera('a', 20, 5)}</cameras></chunk>"
    (tmp_path / "a.xml").write_text(metashape(camera("a", 1), chunks=second))
    assert "2 chunks (Roof, chunk 2): Roof was read" in read_camera(tmp_path / "a.xml").notes[0]
    assert read_camera(tmp_path / "a.xml", camera="chunk 2").c2w[0, 0, 3] == 20
    cases = {
        "its lens is 'spherical'": metashape(camera("a", 1), "spherical"),
        "its lens is 'equidistant_fisheye'": metashape(camera("a", 1), "equidistant_fisheye"),
        "no camera with a transform": "<document><chunk/></document>",
        "broken or truncated": metashape(camera("a", 1))[:-30],
        "16 finite numbers": metashape(camera("a", math.nan)),
        "document type or entities": '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><document>&b;</document>',
        "focal length of 0 pixels": metashape(camera("a", 1), extra="").replace("<f>50</f>", ""),
    }
    for says, text in cases.items():
        (tmp_path / "a.xml").write_text(text)
        with pytest.raises(UserError, match=says):
            read_camera(tmp_path / "a.xml")


def test_the_new_extensions_are_listed():
    assert {".csv", ".chan", ".npz", ".xml"} <= set(file_extensions())
    assert not {"chan", "table", "llff", "vipe", "metashape"} & {
        name for name, entry in FORMATS.items() if entry.writable
    }
