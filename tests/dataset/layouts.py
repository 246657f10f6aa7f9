"""Clips of the procedural world, written in the layouts of public datasets. Nothing of the readers is used here."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import cv2
import numpy as np

from comfyui_fulldit.control.camera.rotations import to_quaternion
from comfyui_fulldit.control.camera.trajectory import invert
from comfyui_fulldit.control.media import write_image, write_video
from comfyui_fulldit.scenes import Clips
from comfyui_fulldit.scenes.export import export_scene

from ..control.exr_writer import write_exr

AXES = np.array([[0.0, 1, 0], [0, 0, -1], [1, 0, 0]])  # Unreal's forward, right, up as right, down, forward


def arrays(clips: Clips, index: int):
    """Frames, w2c and c2w in the world's unit, lens, depth, and a mask video per object."""
    c2w = clips.c2w[index].double().numpy()
    frames = clips.video[index].permute(1, 2, 3, 0).numpy()
    masks = [(clips.identity[index] == slot).numpy() for slot in range(int(clips.present[index].sum()))]
    return frames, invert(c2w), c2w, clips.intrinsics[index].double().numpy(), clips.depth[index].numpy(), masks


def realestate10k(clips: Clips, root: Path, whole: bool = False) -> None:
    """whole: the clip lies within a longer video, ten frames from its start."""
    for index in range(len(clips)):
        frames, w2c, _, lens, _, _ = arrays(clips, index)
        before = 10 if whole else 0
        lines = [f"https://www.youtube.com/watch?v=video_{index:06d}"]
        for frame, (pose, own) in enumerate(zip(w2c, lens, strict=True)):
            stamp = round((frame + before) / clips.fps * 1e6)
            lines.append(" ".join(map(repr, [stamp, *own.tolist(), 0, 0, *pose.ravel().tolist()])))
        text = root / "train" / f"seq{index:03d}.txt"
        text.parent.mkdir(parents=True, exist_ok=True)
        text.write_text("\n".join(lines))
        name = f"video_{index:06d}" if whole else f"seq{index:03d}"
        padded = np.concatenate([np.repeat(frames[:1], before, 0), frames, np.repeat(frames[-1:], before, 0)])
        write_video(root / "videos" / f"{name}.mp4", padded, clips.fps)


def multicamvideo(clips: Clips, root: Path) -> None:
    scene = root / "train" / "f24_aperture5" / "scene1"
    written: dict[str, dict[str, str]] = {}
    for index in range(len(clips)):
        frames, _, c2w, _, _, _ = arrays(clips, index)
        name = f"cam{index + 1:02d}"
        write_video(scene / "videos" / f"{name}.mp4", frames, clips.fps)
        for frame, pose in enumerate(c2w):
            rotation, place = AXES.T @ pose[:, :3] @ AXES, AXES.T @ pose[:, 3] * 100
            rows = [*(f"[{' '.join(map(repr, row.tolist()))} 0]" for row in rotation.T)]
            rows.append(f"[{' '.join(map(repr, place.tolist()))} 1]")
            written.setdefault(f"frame{frame}", {})[name] = " ".join(rows) + " "
    (scene / "cameras").mkdir()
    (scene / "cameras" / "camera_extrinsics.json").write_text(json.dumps(written))


def spatialvid(clips: Clips, root: Path, step: int = 1) -> None:
    """step: of so many frames one is annotated."""
    for index in range(len(clips)):
        frames, w2c, _, lens, depth, masks = arrays(clips, index)
        group, name = "group_0001", f"0a00f99d-{index:03d}"
        folder = root / "annotations" / group / name
        folder.mkdir(parents=True)
        write_video(root / "videos" / group / f"{name}.mp4", frames, clips.fps)
        w2c, lens, depth = w2c[::step], lens[::step], depth[::step]
        quaternion = to_quaternion(w2c[:, :, :3])[:, [1, 2, 3, 0]]
        np.save(folder / "poses.npy", np.concatenate([w2c[:, :, 3], quaternion], 1))
        np.save(folder / "intrinsics.npy", lens)
        (folder / "indexes.txt").write_text("".join(f"{i} {i * step}\n" for i in range(len(w2c))))
        (folder / "caption.json").write_text(
            json.dumps({"SceneSummary": "A scene.", "SceneDescription": "A long one."})
        )
        moving = np.any(masks, 0)[::step] if masks else np.zeros(depth.shape, bool)
        packed = {"shape": np.array(moving.shape[1:])}
        for number, mask in enumerate(moving):
            packed[f"f_{number}_data"] = np.ones(int(mask.sum()), bool)
            packed[f"f_{number}_indices"] = np.nonzero(mask)[1].astype(np.int32)
            packed[f"f_{number}_indptr"] = np.concatenate([[0], np.cumsum(mask.sum(1))]).astype(np.int32)
        np.savez(folder / "dyn_masks.npz", **packed)
        exr_zip(root / "depths" / group / f"{name}.zip", 1 / depth)


def exr_zip(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for number, frame in enumerate(values):
            one = path.with_suffix(".exr")
            write_exr(one, {"Z": frame.astype(np.float16)})
            archive.writestr(f"{number:05d}.exr", one.read_bytes())
            one.unlink()


def omniworld(clips: Clips, root: Path) -> None:
    """Two splits a scene: all frames but the last two, and these."""
    for index in range(len(clips)):
        frames, w2c, _, lens, depth, masks = arrays(clips, index)
        scene = root / f"scene{index:03d}"
        count, (height, width) = len(frames), frames.shape[1:3]
        for folder in ("color", "depth", "subject_masks", "gdino_mask", "camera"):
            (scene / folder).mkdir(parents=True)
        subject = masks[0] if masks else np.zeros(depth.shape, bool)
        for number in range(count):
            write_image(scene / "color" / f"{number:06d}.png", frames[number])
            share = depth[number] * 0.004 * 1000 / (1 + depth[number] * 0.004 * 999)  # the formula of the card, turned
            cv2.imwrite(str(scene / "depth" / f"{number:06d}.png"), np.round(share * 65535).astype(np.uint16))
            write_image(scene / "subject_masks" / f"{number:06d}.png", subject[number].astype(np.float32))
            write_image(scene / "gdino_mask" / f"{number:06d}.png", subject[number].astype(np.float32))
        splits = [list(range(count - 2)), list(range(count - 2, count))]
        (scene / "split_info.json").write_text(json.dumps({"split": splits}))
        (scene / "fps.txt").write_text(str(clips.fps))
        for number, chosen in enumerate(splits):
            camera = {
                "focals": (lens[chosen, 0] * width).tolist(),
                "cx": lens[0, 2] * width,
                "cy": lens[0, 3] * height,
                "quats": to_quaternion(w2c[chosen][:, :, :3]).tolist(),
                "trans": w2c[chosen][:, :, 3].tolist(),
            }
            (scene / "camera" / f"split_{number}.json").write_text(json.dumps(camera))


def nerfstudio(clips: Clips, root: Path) -> None:
    for index in range(len(clips)):
        frames, _, c2w, lens, depth, _ = arrays(clips, index)
        height, width = frames.shape[1:3]
        scene = root / "1K" / f"hash{index:03d}"
        (scene / "images_4").mkdir(parents=True)
        (scene / "depth").mkdir()
        entries = []
        for number, pose in enumerate(c2w):
            name = f"frame_{number + 1:05d}.png"
            write_image(scene / "images_4" / name, frames[number])
            cv2.imwrite(str(scene / "depth" / name), np.round(depth[number].clip(0, 65) * 1000).astype(np.uint16))
            full = np.eye(4)
            full[:3] = pose * [1, -1, -1, 1]
            entries.append(
                {"file_path": f"images/{name}", "depth_file_path": f"depth/{name}", "transform_matrix": full.tolist()}
            )
        own = lens[0] * [width, height, width, height]
        value = dict(zip(("fl_x", "fl_y", "cx", "cy"), own.tolist(), strict=True))
        value |= {"w": width, "h": height, "camera_model": "OPENCV", "frames": entries}
        (scene / "transforms.json").write_text(json.dumps(value))


def opens2v(clips: Clips, root: Path) -> None:
    """Each clip lies between two frames of another shot, within a border of four pixels."""
    (root / "Jsons").mkdir(parents=True)
    entries = {}
    for index in range(len(clips)):
        frames, _, _, _, _, masks = arrays(clips, index)
        height, width = frames.shape[1:3]
        bordered = np.pad(frames, ((2, 2), (4, 4), (4, 4), (0, 0)))
        name = f"part_001/video{index:03d}.mp4"
        write_video(root / "Videos" / "total_part1" / name, bordered, clips.fps)
        annotated = {
            str(frame + 2): {
                str(k + 1): {"counts": rle(m[frame]), "size": [height, width]} for k, m in enumerate(masks)
            }
            for frame in range(len(frames))
        }
        entries[f"video{index:03d}"] = {
            "metadata": {
                "path": name,
                "face_cut": [2, len(frames) + 2],
                "crop": [4, 4 + width, 4, 4 + height],
                "face_cap_qwen": clips.captions[index],
            },
            "annotation": {
                "ann_frame_data": {"ann_frame_idx": 4, "annotations": []},
                "mask_map": {str(k + 1): {"class_name": f"thing {k + 1}"} for k in range(len(masks))},
                "mask_annotation": annotated,
            },
        }
    (root / "Jsons" / "total_part1.json").write_text(json.dumps(entries))


def rle(mask: np.ndarray) -> str:
    """COCO's compressed run lengths, written after pycocotools' description."""
    flat = mask.T.ravel().astype(int)
    edges = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff([0, *edges, len(flat)]).tolist()
    if flat[0]:
        runs = [0, *runs]
    text = io.StringIO()
    for place, run in enumerate(runs):
        value = run - runs[place - 2] if place > 2 else run
        while True:
            bits, value = value & 0x1F, value >> 5
            more = not ((value == 0 and not bits & 0x10) or (value == -1 and bits & 0x10))
            text.write(chr(bits + (0x20 if more else 0) + 48))
            if not more:
                break
    return text.getvalue()


def vipe(clips: Clips, root: Path) -> None:
    for index in range(len(clips)):
        frames, _, c2w, lens, depth, masks = arrays(clips, index)
        height, width = frames.shape[1:3]
        for folder in ("rgb", "pose", "intrinsics", "mask"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        name = f"clip{index:03d}"
        write_video(root / "rgb" / f"{name}.mp4", frames, clips.fps)
        full = np.tile(np.eye(4), (len(c2w), 1, 1))
        full[:, :3] = c2w
        numbers = np.arange(len(c2w))
        np.savez(root / "pose" / f"{name}.npz", data=full, inds=numbers)
        pixels = lens * [width, height, width, height]
        np.savez(root / "intrinsics" / f"{name}.npz", data=pixels, inds=numbers)
        exr_zip(root / "depth" / f"{name}.zip", depth)
        seen = [k for k, mask in enumerate(masks) if mask.any()]
        with zipfile.ZipFile(root / "mask" / f"{name}.zip", "w") as archive:
            for number in range(len(frames)):
                labels = np.zeros((height, width), np.uint8)
                for k in seen:
                    labels[masks[k][number]] = k + 1
                archive.writestr(f"{number:05d}.png", cv2.imencode(".png", labels)[1].tobytes())
        (root / "mask" / f"{name}.txt").write_text("".join(f"{k + 1}: thing {k + 1}\n" for k in seen))


def folder(clips: Clips, root: Path) -> None:
    """Captions in three encodings, by turns."""
    for index in range(len(clips)):
        frames = arrays(clips, index)[0]
        write_video(root / "some" / f"clip{index:03d}.mp4", frames, clips.fps)
        encoding = ("utf-8", "utf-16", "latin-1")[index % 3]
        (root / "some" / f"clip{index:03d}.txt").write_bytes(f"Café {index}".encode(encoding))


def world(seeds: list[int], root: Path, frames: int, height: int, width: int) -> None:
    for seed in seeds:
        export_scene(seed, root / f"scene{seed:05d}", frames, height, width)


def cut_short(path: Path, share: float = 0.6) -> None:
    """Leave the beginning of a file, as a download that was broken off."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
