"""EXR images as people have them: windows, parts, passes, colors, deep data."""

from __future__ import annotations

import numpy as np
import pytest

from comfyui_fulldit.cli.parser import build_parser
from comfyui_fulldit.control.depth.exr import read_channels, read_exr
from comfyui_fulldit.control.depth.files import open_depth
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.load import load_depth

from .exr_writer import CODES, write_exr, write_parts

DISPLAY = (0, 0, 47, 31)  # 48x32


def slope(height: int = 32, width: int = 48) -> np.ndarray:
    """Meters that grow to the right and downward."""
    y, x = np.mgrid[:height, :width]
    return (2 + 0.1 * x + 0.5 * y).astype(np.float32)


# ---- windows ----


@pytest.mark.parametrize("compression", list(CODES))
def test_a_region_stands_at_its_place_and_the_rest_is_unknown(tmp_path, compression):
    write_exr(tmp_path / "a.exr", {"Z": slope()[5:20, 9:30]}, compression, at=(5, 9), display=DISPLAY)
    depth = open_depth(tmp_path / "a.exr", "metres")
    frame = depth.frame(0)
    assert (depth.height, depth.width) == frame.shape == (32, 48)
    assert np.array_equal(frame[5:20, 9:30], slope()[5:20, 9:30]) and np.isfinite(frame).sum() == 15 * 21
    assert "only a part" in depth.warnings[0] and len(depth.warnings) == 1


def test_overscan_is_cut_off_and_said(tmp_path):
    wide = slope(40, 60)
    write_exr(tmp_path / "a.exr", {"Z": wide}, at=(-3, -7), display=DISPLAY)
    depth = open_depth(tmp_path / "a.exr", "metres")
    assert np.array_equal(depth.frame(0), wide[3:35, 7:55])
    assert "overscan" in depth.warnings[0] and len(depth.warnings) == 1


def test_a_window_may_reach_over_one_edge_and_lack_another(tmp_path):
    write_exr(tmp_path / "a.exr", {"Z": slope()}, at=(-4, 6), display=DISPLAY)
    depth = open_depth(tmp_path / "a.exr", "metres")
    frame = depth.frame(0)
    assert np.array_equal(frame[:28, 6:], slope()[4:, :42])
    assert np.isnan(frame[28:]).all() and np.isnan(frame[:, :6]).all() and len(depth.warnings) == 2


def test_a_display_window_that_begins_elsewhere_is_the_image(tmp_path):
    write_exr(tmp_path / "a.exr", {"Z": slope()[2:10, 4:20]}, at=(102, 204), display=(200, 100, 247, 131))
    frame = open_depth(tmp_path / "a.exr", "metres").frame(0)
    assert frame.shape == (32, 48) and np.array_equal(frame[2:10, 4:20], slope()[2:10, 4:20])


def test_a_display_window_of_a_damaged_file_is_refused_before_it_is_filled(tmp_path):
    write_exr(tmp_path / "a.exr", {"Z": slope()}, at=(0, 0), display=(0, 0, 2**20, 15))
    with pytest.raises(UserError, match="1048577 x 16"):
        read_exr(tmp_path / "a.exr", "Z")


def test_a_window_beside_the_picture_leaves_nothing_known(tmp_path):
    write_exr(tmp_path / "a.exr", {"Z": slope()}, at=(500, 0), display=DISPLAY)
    assert np.isnan(open_depth(tmp_path / "a.exr", "metres").frame(0)).all()
    with pytest.raises(UserError, match="no usable value"):
        load_depth(tmp_path / "a.exr", 1, 32, 48)


def test_regions_that_change_from_frame_to_frame_are_one_clip(tmp_path):
    for number, top in enumerate((0, 3, 8)):
        part = slope()[top : top + 12]
        write_exr(tmp_path / f"{number}.exr", {"Z": part}, at=(top, 0), display=DISPLAY)
    frames = list(open_depth(tmp_path, "metres"))
    for top, frame in zip((0, 3, 8), frames, strict=True):
        assert np.array_equal(frame[top : top + 12], slope()[top : top + 12]) and np.isnan(frame).sum() == 20 * 48
    clip = load_depth(tmp_path, 3, 32, 48)
    assert clip.recipe["unknown"] == pytest.approx(20 / 32, abs=1e-3)


# ---- parts ----


def test_the_part_that_holds_depth_is_read(tmp_path):
    color = {name: slope().astype(np.float16) for name in "RGB"}
    write_parts(tmp_path / "a.exr", {"beauty": color, "data": {"Z": slope(), "motion.X": slope() * 0}})
    assert set(read_channels(tmp_path / "a.exr")) == {"beauty.R", "beauty.G", "beauty.B", "data.Z", "data.motion.X"}
    depth = open_depth(tmp_path / "a.exr", "metres")
    assert depth.channel == "data.Z" and np.array_equal(depth.frame(0), slope())


def test_two_parts_of_depth_are_a_question_that_a_channel_answers(tmp_path):
    parts = {"rgba.left": {"R": slope()}, "depth.left": {"Z": slope()}, "depth.right": {"Z": slope() + 1}}
    write_parts(tmp_path / "a.exr", parts)
    with pytest.raises(UserError, match=r"several channels of depth \(depth.left.Z, depth.right.Z\)"):
        open_depth(tmp_path / "a.exr", "metres")
    assert np.array_equal(open_depth(tmp_path / "a.exr", "metres", "depth.right.Z").frame(0), slope() + 1)
    with pytest.raises(UserError, match="several channels 'Z'"):
        open_depth(tmp_path / "a.exr", "metres", "Z")
    assert open_depth(tmp_path / "a.exr", "metres", "R").channel == "rgba.left.R"


def test_parts_of_the_reference_library_are_read_exactly(tmp_path):
    library = pytest.importorskip("OpenEXR", reason="the OpenEXR package is not installed")
    header = {"compression": library.ZIP_COMPRESSION, "type": library.scanlineimage}
    tall = np.repeat(slope(), 3, 0)
    parts = [
        library.Part(dict(header), {name: tall for name in "RGB"}, "beauty"),
        library.Part(dict(header), {"Z": tall}, "depth"),
        library.Part({**header, "compression": library.PIZ_COMPRESSION}, {"Z": tall + 1}, "fog"),
    ]
    library.File(parts).write(str(tmp_path / "a.exr"))
    assert np.array_equal(read_exr(tmp_path / "a.exr", "depth.Z"), tall)
    assert np.array_equal(read_exr(tmp_path / "a.exr", "fog.Z"), tall + 1), "through the package"
    write_parts(tmp_path / "b.exr", {"beauty": {"R": tall}, "depth": {"Z": tall}})
    with library.File(str(tmp_path / "b.exr"), separate_channels=True) as file:
        assert np.array_equal(file.parts[1].channels["Z"].pixels, tall), "the writer of these tests writes parts"


def test_deep_data_is_refused_in_one_sentence(tmp_path):
    write_exr(tmp_path / "a.exr", {"Z": slope()})
    data = bytearray((tmp_path / "a.exr").read_bytes())
    data[5] |= 0x08  # the bit that says so
    (tmp_path / "a.exr").write_bytes(bytes(data))
    for work in (lambda: open_depth(tmp_path / "a.exr", "metres"), lambda: read_exr(tmp_path / "a.exr", "Z")):
        with pytest.raises(UserError, match="deep image.*flatten it"):
            work()
    deep = {"deep": "deepscanline"}
    write_parts(tmp_path / "b.exr", {"deep": {"Z": slope()}, "flat": {"Z": slope() + 1}}, deep)
    assert open_depth(tmp_path / "b.exr", "metres").channel == "flat.Z"
    with pytest.raises(UserError, match="deep image"):
        open_depth(tmp_path / "b.exr", "metres", "deep.Z")


# ---- passes ----


def test_depth_is_told_from_mist_and_said(tmp_path):
    write_exr(tmp_path / "a.exr", {"View.Depth.Z": slope(), "View.Mist.Z": slope() / 99, "View.Combined.R": slope()})
    depth = open_depth(tmp_path / "a.exr", "metres")
    assert np.array_equal(depth.frame(0), slope())
    assert depth.warnings == ("Depth was read from the channel 'View.Depth.Z'; View.Mist.Z was left out.",)


@pytest.mark.parametrize("layer", ["Normal", "Position", "Vector"])
def test_the_third_number_of_a_vector_is_not_depth(tmp_path, layer):
    vector = {f"View.{layer}.{axis}": slope() + 9 for axis in "XYZ"}
    write_exr(tmp_path / "a.exr", {**vector, "View.Depth.Z": slope(), "View.UV.U": slope(), "View.UV.V": slope()})
    depth = open_depth(tmp_path / "a.exr", "metres")
    assert depth.channel == "View.Depth.Z" and not depth.warnings
    write_exr(tmp_path / "a.exr", {**vector, "View.UV.U": slope(), "View.UV.V": slope()})
    with pytest.raises(UserError, match="no channel that looks like depth"):
        open_depth(tmp_path / "a.exr", "metres")


def test_a_mist_by_itself_is_read_and_said_to_be_one(tmp_path):
    write_exr(tmp_path / "a.exr", {"View.Mist.Z": slope() / 99})
    assert "'inverted'" in open_depth(tmp_path / "a.exr", "metres").warnings[0]


def test_an_image_in_colors_is_not_depth_but_gray_and_red_alone_are(tmp_path):
    path = tmp_path / "a.exr"
    write_exr(path, {"R": slope(), "G": slope().T.repeat(2, 1)[:32, :48], "B": slope()[::-1], "A": slope() * 0 + 1})
    with pytest.raises(UserError, match="in colors, not depth.*render a depth pass"):
        open_depth(path, "metres")
    assert np.array_equal(open_depth(path, "metres", "R").frame(0), slope()), "the user's word"
    for other in (slope(), slope() * 0):
        write_exr(path, {"R": slope(), "G": other, "B": other})
        assert np.array_equal(open_depth(path, "metres").frame(0), slope())
    write_exr(path, {"Y": slope(), "RY": slope(), "BY": slope()})
    with pytest.raises(UserError, match="no channel that looks like depth"):
        open_depth(path, "metres")


# ---- the command line ----


def test_a_folder_of_meters_has_its_near_end_at_one_unless_told_otherwise(tmp_path):
    for number in range(5):
        write_exr(tmp_path / f"{number}.exr", {"Z": slope()})
    kind = build_parser().parse_args(["generate", "--depth", str(tmp_path)]).depth_kind
    values = load_depth(tmp_path, 5, 32, 48, kind).values
    assert kind == "auto" and values[0, 0, 0] == 1 and values[0, -1, -1] == 0
    with pytest.raises(UserError, match="channel 'Z' of .* holds distances by its name, but is said to be 'disparity'"):
        load_depth(tmp_path, 5, 32, 48, "disparity")
    said = load_depth(tmp_path, 5, 32, 48, "disparity", channel="Z").recipe["warnings"]
    assert any("'Z'" in text and "distances" in text for text in said)
