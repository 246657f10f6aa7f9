"""EXR and 16-bit PNG sequences: what their numbers mean, and what becomes of files that are cut short or damaged."""

from __future__ import annotations

import numpy as np
import pytest

from comfyui_fulldit.control.depth import normalize_depth, normalize_stream
from comfyui_fulldit.control.depth.conventions import CONVENTIONS, ray_to_planar
from comfyui_fulldit.control.depth.exr import read_channels, read_exr
from comfyui_fulldit.control.depth.files import open_depth
from comfyui_fulldit.control.errors import UserError

from .exr_writer import CODES, write_exr


def meters(frames=1, height=37, width=23) -> np.ndarray:
    rng = np.random.default_rng(0)
    y = np.linspace(1, 9, height)[:, None]
    return (y + np.round(rng.uniform(0, 1, (frames, height, width)), 1)).astype(np.float32)


@pytest.mark.parametrize("compression", list(CODES))
def test_exr_is_read_as_it_was_written(tmp_path, compression):
    (z,) = meters()
    image = {"Z": z, "R": z.astype(np.float16), "ViewLayer.ID": (z * 10).astype(np.uint32)}
    write_exr(tmp_path / "a.exr", image, compression, at=(-3, 0))
    assert list(read_channels(tmp_path / "a.exr")) == ["R", "ViewLayer.ID", "Z"]
    for name, values in image.items():
        assert np.array_equal(read_exr(tmp_path / "a.exr", name), values.astype(np.float32))
    with pytest.raises(UserError, match="it has R, ViewLayer.ID, Z"):
        read_exr(tmp_path / "a.exr", "depth")


def test_exr_of_the_reference_library_is_read_exactly(tmp_path):
    library = pytest.importorskip("OpenEXR", reason="the OpenEXR package is not installed")
    (z,) = meters()
    for compression in ("NO", "RLE", "ZIPS", "ZIP", "PIZ"):
        header = {"compression": getattr(library, f"{compression}_COMPRESSION"), "type": library.scanlineimage}
        library.File(header, {"Z": z, "A": z.astype(np.float16)}).write(str(tmp_path / "a.exr"))
        assert np.array_equal(read_exr(tmp_path / "a.exr", "Z"), z), compression
    write_exr(tmp_path / "b.exr", {"Z": z})
    with library.File(str(tmp_path / "b.exr"), separate_channels=True) as file:
        assert np.array_equal(file.channels()["Z"].pixels, z), "the writer of these tests writes EXR"


def test_cut_short_and_damaged_exr_is_refused(tmp_path):
    (z,) = meters()
    path = tmp_path / "a.exr"
    for compression in CODES:
        write_exr(path, {"Z": z}, compression)
        whole = path.read_bytes()
        rng = np.random.default_rng(1)
        for number in range(60):
            data = bytearray(whole)
            if number < 30:
                data = data[: int(rng.integers(1, len(whole)))]
            else:
                for place in rng.integers(0, len(whole), 6):
                    data[place] = rng.integers(0, 256)
            path.write_bytes(bytes(data))
            try:
                with np.errstate(all="ignore"):
                    read = read_exr(path, "Z")
                assert number >= 30 and read.ndim == 2
            except UserError:
                pass


def save_png(path, values: np.ndarray) -> None:
    cv2 = pytest.importorskip("cv2")
    path.write_bytes(cv2.imencode(".png", values)[1].tobytes())


def test_every_convention_gives_meters_or_numbers_as_they_are(tmp_path):
    (z,) = meters()
    z[0, 0] = 1e10
    write_exr(tmp_path / "blender.exr", {"ViewLayer.Depth.Z": z, "ViewLayer.Combined.R": z})
    blender = open_depth(tmp_path / "blender.exr", "metres")
    frame = blender.frame(0)
    assert blender.kind == "depth" and np.isinf(frame[0, 0]) and frame[1:] == pytest.approx(z[1:])
    unreal = np.where(z > 1e9, 65504, z * 100).astype(np.float16)
    write_exr(tmp_path / "unreal.exr", {"R": unreal})
    read = open_depth(tmp_path / "unreal.exr", "centimetres").frame(0)
    assert np.isinf(read[0, 0]) and read[1:] == pytest.approx(z[1:], rel=1e-3)
    whole = np.where(z > 1e9, 0, z * 1000).astype(np.uint16)
    save_png(tmp_path / "camera.png", whole)
    read = open_depth(tmp_path / "camera.png", "millimetres").frame(0)
    assert np.isnan(read[0, 0]) and read[1:] == pytest.approx(z[1:], abs=1e-3)
    save_png(tmp_path / "gray.png", np.repeat((whole * 5)[..., None], 3, 2))
    assert open_depth(tmp_path / "gray.png", "inverted").frame(0) == pytest.approx(whole * np.float32(5 / 65535))
    with pytest.raises(UserError, match="metres: distance along"):
        open_depth(tmp_path / "camera.png", "feet")
    assert all(one.description and one.kind in ("depth", "disparity", "inverted") for one in CONVENTIONS.values())


def test_rays_become_planes(tmp_path):
    """A wall at 2 m, measured along rays at 90 degrees across: sqrt(2) times as far at the middle of the sides."""
    lens = np.array([0.5, 0.5, 0.5, 0.5])
    x = (np.arange(64) + 0.5) / 64 * 2 - 1
    distance = (2 * np.sqrt(1 + x[None] ** 2 + x[:, None] ** 2)).astype(np.float32)
    assert distance[32, 63] == pytest.approx(2 * 2**0.5, abs=0.03)
    assert ray_to_planar(distance, lens) == pytest.approx(2, abs=1e-6)
    write_exr(tmp_path / "a.exr", {"Z": distance})
    assert open_depth(tmp_path / "a.exr", "ray metres", intrinsics=lens).frame(0) == pytest.approx(2, abs=1e-6)
    with pytest.raises(UserError, match="need the lens"):
        open_depth(tmp_path / "a.exr", "ray metres")


def test_a_sequence_streams_in_the_order_of_its_numbers(tmp_path):
    clip = meters(12)
    for number, frame in enumerate(clip):
        write_exr(tmp_path / f"shot2_{number + 7}.exr", {"Z": frame})  # 7 ... 18: not in the order of letters
    files = open_depth(tmp_path, "metres")
    assert len(files) == 12 and (files.height, files.width) == (37, 23)
    recipe, frames = normalize_stream(lambda: files, files.kind)
    assert np.array_equal(np.stack(list(frames)), normalize_depth(clip, "depth").values)
    (tmp_path / "shot2_10.exr").unlink()
    (tmp_path / "shot2_11.exr").unlink()
    with pytest.raises(UserError, match="lacks the frames 10, 11"):
        open_depth(tmp_path, "metres")


def test_what_cannot_be_one_clip_is_refused_before_it_is_read(tmp_path):
    (z,) = meters()
    write_exr(tmp_path / "a_1.exr", {"Z": z})
    write_exr(tmp_path / "a_2.exr", {"Z": z[:8]})
    with pytest.raises(UserError, match="all must be alike"):
        open_depth(tmp_path, "metres")
    write_exr(tmp_path / "a_2.exr", {"B": z, "G": z, "R": z, "Alpha": z})
    with pytest.raises(UserError, match="no channel 'Z'"):
        open_depth(tmp_path, "metres")
    with pytest.raises(UserError, match="looks like depth"):
        open_depth(tmp_path / "a_2.exr", "metres")
    with pytest.raises(UserError, match="no channel 'Y'"):
        open_depth(tmp_path / "a_2.exr", "metres", channel="Y")
    write_exr(tmp_path / "a_2.exr", {"one.Z": z, "two.Z": z})
    with pytest.raises(UserError, match="several channels"):
        open_depth(tmp_path / "a_2.exr", "metres")
    (tmp_path / "b_1.png").write_bytes(b"no image")
    with pytest.raises(UserError, match="EXR and PNG files"):
        open_depth(tmp_path, "metres")
    with pytest.raises(UserError, match="not a PNG"):
        open_depth(tmp_path / "b_1.png", "disparity")
    with pytest.raises(UserError, match="neither EXR, PNG, PGM nor PFM"):
        (tmp_path / "c.txt").write_text("1 2 3")
        open_depth(tmp_path / "c.txt", "metres")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no depth images"):
        open_depth(tmp_path / "empty", "metres")


def test_cut_short_and_colored_png_is_refused(tmp_path):
    path = tmp_path / "a.png"
    save_png(path, (meters()[0] * 1000).astype(np.uint16))
    whole = path.read_bytes()
    for size in (10, 40, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(UserError):
            open_depth(path, "disparity").frame(0)
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 255
    path.write_bytes(bytes(damaged))
    with pytest.raises(UserError, match="damaged"):
        open_depth(path, "disparity").frame(0)
    colors = np.zeros((9, 9, 3), np.uint8)
    colors[..., 0] = 200
    save_png(path, colors)
    files = open_depth(path, "disparity")
    assert "8 bits" in files.warnings[0]
    with pytest.raises(UserError, match="in colors of no colormap"):
        files.frame(0)


def test_load_depth_takes_renderers_files(tmp_path):
    from comfyui_fulldit.control.load import load_depth

    clip = meters(5, 32, 48)
    for number, frame in enumerate(clip):
        write_exr(tmp_path / f"z_{number}.exr", {"Z": frame})
    assert np.array_equal(load_depth(tmp_path, 5, 32, 48).values, normalize_depth(clip, "depth").values)
    with pytest.raises(UserError, match="5 frames"):
        load_depth(tmp_path, 9, 32, 48)
    fine = np.round(65535 / clip[0]).astype(np.uint16)
    save_png(tmp_path / "fine.png", fine)
    one = load_depth(tmp_path / "fine.png", 3, 32, 48)
    assert len(np.unique(one.values)) > 256 and one.recipe["kind"] == "disparity"
    assert one.values[2] == pytest.approx(normalize_depth(clip[:1].repeat(3, 0), "depth").values[0], abs=1e-3)


def test_a_file_of_gigabytes_is_refused_before_it_is_read(tmp_path):
    for name, start in (("big.exr", b"v/1\x01"), ("big.png", b"\x89PNG\r\n\x1a\n")):
        path = tmp_path / name
        with path.open("wb") as file:
            file.write(start)
            file.truncate(4 * 2**30)  # takes no room on the disk
        with pytest.raises(UserError, match="4.3 GB"):
            open_depth(path, "metres")


# ---- depth of datasets ----


def pfm(values: np.ndarray, big: bool = False) -> bytes:
    """A PFM image: rows from the bottom up, the byte order in the sign of the scale."""
    height, width = values.shape
    head = f"Pf\n{width} {height}\n{'1.0' if big else '-1.0'}\n".encode()
    return head + values[::-1].astype(">f4" if big else "<f4").tobytes()


def pgm(values: np.ndarray, largest: int, comment: bytes = b"") -> bytes:
    height, width = values.shape
    head = b"P5\n" + comment + f"{width} {height}\n{largest}\n".encode()
    return head + values.astype("u1" if largest < 256 else ">u2").tobytes()


def test_pgm_of_16_bits_is_big_endian_and_pfm_stands_on_its_feet(tmp_path):
    whole = np.arange(37 * 23).reshape(37, 23) * 70
    (tmp_path / "a.pgm").write_bytes(pgm(whole, 60000, b"# a comment 12 13\n"))
    assert open_depth(tmp_path / "a.pgm", "millimetres").frame(0)[1:] == pytest.approx(whole[1:] / 1000, rel=1e-5)
    assert open_depth(tmp_path / "a.pgm", "disparity").frame(0) == pytest.approx(whole / 60000, rel=1e-5)
    (tmp_path / "b.pgm").write_bytes(pgm(whole // 300, 255))
    coarse = open_depth(tmp_path / "b.pgm", "disparity")
    assert coarse.frame(0) == pytest.approx(whole // 300 / 255, rel=1e-5) and "8 bits" in coarse.warnings[0]
    text = f"P2 23 37 #wide and high\n60000\n{' '.join(map(str, whole.ravel()))}\n"
    (tmp_path / "c.pgm").write_text(text)
    assert open_depth(tmp_path / "c.pgm", "disparity").frame(0) == pytest.approx(whole / 60000, rel=1e-5)
    (z,) = meters()
    z[0, 0] = np.inf
    for big in (False, True):
        (tmp_path / "d.pfm").write_bytes(pfm(z, big))
        assert np.array_equal(open_depth(tmp_path / "d.pfm", "metres").frame(0), z)
    cv2 = pytest.importorskip("cv2")
    cv2.imwrite(str(tmp_path / "e.pgm"), whole.astype(np.uint16))
    cv2.imwrite(str(tmp_path / "e.pfm"), z)
    assert open_depth(tmp_path / "e.pgm", "disparity").frame(0) == pytest.approx(whole / 65535, rel=1e-5)
    assert np.array_equal(open_depth(tmp_path / "e.pfm", "metres").frame(0), z)


def test_pgm_and_pfm_are_clips_like_others(tmp_path):
    from comfyui_fulldit.control.load import load_depth

    clip = np.sort(meters(3, 32, 48), 1)[:, ::-1]  # near below
    for number, frame in enumerate(clip):
        (tmp_path / f"{number}.pfm").write_bytes(pfm(frame))
    assert np.array_equal(load_depth(tmp_path, 3, 32, 48).values, normalize_depth(clip, "depth").values)
    (tmp_path / "one.pgm").write_bytes(pgm(np.round(65535 / 16 / clip[0]), 4096))
    with pytest.raises(UserError, match="PFM and PGM"):
        load_depth(tmp_path, 3, 32, 48)
    one = load_depth(tmp_path / "one.pgm", 1, 32, 48)
    assert one.values == pytest.approx(normalize_depth(clip[:1], "depth").values, abs=1e-2)


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("a.pgm", b"P6 2 2 255\n" + bytes(12), "in colors"),
        ("a.pfm", b"PF\n2 2\n-1\n" + bytes(48), "in colors"),
        ("a.pgm", b"hello", "not of the kind"),
        ("a.pgm", b"P5 2", "not of the kind"),
        ("a.pgm", b"P5 2 x 255\n1234", "damaged"),
        ("a.pgm", b"P5 0 2 255\n1234", "no depth frame is"),
        ("a.pgm", b"P5 99999999 99999999 255\n1234", "no depth frame is"),
        ("a.pgm", b"P5 2 2 70000\n12345678", "no depth frame is"),
        ("a.pfm", b"Pf 2 2 nan\n" + bytes(16), "no depth frame is"),
        ("a.pgm", b"P5 2 2 65535\n1234567", "cut short"),
        ("a.pgm", b"P2 2 2 255\n1 2 3", "cut short"),
        ("a.pgm", b"P2 2 2 255\n1 2 3 four", "cut short or damaged"),
        ("a.pfm", b"Pf 2 2 -1\n" + bytes(15), "cut short"),
    ],
)
def test_damaged_pgm_and_pfm_are_refused(tmp_path, name, data, says):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UserError, match=says):
        open_depth(tmp_path / name, "disparity").frame(0)


def test_steps_per_meter_are_a_choice(tmp_path):
    (z,) = meters()
    save_png(tmp_path / "a.png", np.round(z * 5000).astype(np.uint16))
    depth = open_depth(tmp_path / "a.png", "millimetres", per_meter=5000)
    assert depth.frame(0) == pytest.approx(z, abs=1e-4) and depth.kind == "depth"
    for wrong in (0, -1, np.nan, np.inf):
        with pytest.raises(UserError, match="a positive number was expected"):
            open_depth(tmp_path / "a.png", "millimetres", per_meter=wrong)
    for convention in ("disparity", "omniworld"):
        with pytest.raises(UserError, match="have no such scale"):
            open_depth(tmp_path / "a.png", convention, per_meter=5000)


def test_omniworld_is_read_by_its_own_formula(tmp_path):
    """Share d of 65535 is d / (1000 - 999 d) / 0.004 meters; below 0.0015 nothing was measured, above 65500 is sky."""
    numbers = np.array([[0, 98, 99, 32768], [60000, 65000, 65500, 65501]], np.uint16)
    save_png(tmp_path / "a.png", numbers)
    read = open_depth(tmp_path / "a.png", "omniworld").frame(0)
    assert np.isnan(read[0, :2]).all() and np.isinf(read[1, 3])
    share = numbers[1, :3] / 65535
    assert read[1, :3] == pytest.approx(share / (1000 - 999 * share) / 0.004, rel=1e-3)
    assert read[1, 2] == pytest.approx(163.1, abs=0.5)


def test_the_convention_and_the_channel_are_options_of_the_command_line(tmp_path):
    from comfyui_fulldit.cli.parser import build_parser
    from comfyui_fulldit.control.depth.readers import open_depth_clip
    from comfyui_fulldit.control.load import load_depth

    numbers = np.linspace(60000, 65400, 32 * 48).reshape(32, 48)[::-1].astype(np.uint16)
    save_png(tmp_path / "a.png", numbers)
    asked = ["generate", "--depth", "a.png", "--depth-convention", "omniworld", "--depth-channel", "one.Z"]
    args = build_parser().parse_args(asked)
    assert (args.depth_convention, args.depth_channel, args.depth_kind) == ("omniworld", "one.Z", "auto")
    clip = load_depth(tmp_path / "a.png", 1, 32, 48, convention="omniworld")
    exact = open_depth(tmp_path / "a.png", "omniworld").frame(0)
    assert np.array_equal(clip.values[0], normalize_depth(exact[None], "depth").values[0])
    write_exr(tmp_path / "a.exr", {"one.Z": meters()[0], "two.Z": meters()[0] + 1})
    assert next(iter(open_depth_clip(tmp_path / "a.exr", channel="two.Z").frames))[0, 0] == meters()[0][0, 0] + 1
    with pytest.raises(UserError, match="of the kind 'depth': leave one"):
        load_depth(tmp_path / "a.png", 1, 32, 48, "disparity", convention="omniworld")
    np.save(tmp_path / "a.npy", meters())
    for stated in ({"convention": "metres"}, {"channel": "Z"}):
        with pytest.raises(UserError, match="'a.npy', but only images"):
            load_depth(tmp_path / "a.npy", 1, 32, 48, **stated)
