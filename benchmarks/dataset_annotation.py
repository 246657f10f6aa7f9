"""How far the annotations of a dataset are from the truth: scenes of the procedural world go through the pipeline.

Scenes are written as `fulldit scene` writes them, read as plain videos, and annotated (camera, depth and masks by the
estimators of this pack). The errors stand beside the floor: the same estimators on the rendered frames, which no codec
has touched. A camera that says to doubt most of its frames is left out by the pipeline; its error is given as well.

    python benchmarks/dataset_annotation.py [--scenes 8] [--width 96] [--height 64] [--workers 0] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from comfyui_fulldit.control.depth import normalize_depth
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.files import write_json
from comfyui_fulldit.control.images import resize_clip
from comfyui_fulldit.dataset.annotate.annotate_work import AnnotateWork
from comfyui_fulldit.dataset.annotate.camera import camera_from_video
from comfyui_fulldit.dataset.annotate.depth import open_depth_estimator
from comfyui_fulldit.dataset.annotate.masks import find_masks
from comfyui_fulldit.dataset.clip_files import ClipFiles
from comfyui_fulldit.dataset.engine import run
from comfyui_fulldit.dataset.manifest import read_manifest, write_manifest
from comfyui_fulldit.dataset.readers import Skipped, read_dataset
from comfyui_fulldit.models.estimators.metrics import camera_errors, depth_mae
from comfyui_fulldit.scenes import HELD_OUT_SEED, Clips, render
from comfyui_fulldit.scenes.export import export_scene

FRAMES = 17
Errors = dict[str, float]


def errors(clips: Clips, index: int, c2w: np.ndarray | None, depth: np.ndarray, masks: list[np.ndarray]) -> Errors:
    """Return the errors of what was estimated of a clip: radians and units summed over the frames, of 255, and IoU."""
    result: Errors = {}
    if c2w is not None:
        found = camera_errors(c2w, clips.trajectory(index).c2w)
        result |= {"rot_err": found["rot_err"], "trans_err": found["trans_err"]}
    truth = normalize_depth(clips.depth[index].numpy(), kind="depth").values
    ours = normalize_depth(resize_clip(depth, *truth.shape[1:]), kind="disparity").values
    result["depth_mae"] = depth_mae(ours, truth)
    there = (clips.identity[index] >= 0).numpy()
    seen = np.max(masks, 0) > 0.5 if masks else np.zeros_like(there)
    result["mask_iou"] = float((there & seen).sum() / max(1, (there | seen).sum()))
    return result


def floor(clips: Clips, index: int) -> Errors:
    """Return the errors of the estimators on the rendered frames."""
    frames = clips.video[index].permute(1, 2, 3, 0).numpy()
    masks, _, _ = find_masks(frames)
    moving = np.max(masks, 0) if masks else None
    try:
        c2w = camera_from_video(frames, moving, clips.fps)[0].c2w
    except UserError:
        c2w = None
    return errors(clips, index, c2w, open_depth_estimator("small")(frames).values, masks)


def annotated(clips: Clips, folder: Path, workers: int) -> tuple[list[Errors], int, float]:
    """Return the errors of the pipeline, how many cameras it keeps by default, and clips per second."""
    seeds = [scene.seed for scene in clips.scenes]
    _, _, _, height, width = clips.video.shape
    for place, seed in enumerate(seeds):
        written = export_scene(seed, folder / "scenes" / str(seed), FRAMES, height, width)
        (folder / "videos").mkdir(exist_ok=True)
        shutil.copy(written["video"], folder / "videos" / f"{place:04d}.mp4")
    found = read_dataset("folder", folder / "videos", folder, license="Apache-2.0")
    write_manifest(folder / "manifest.jsonl", [clip for clip in found if not isinstance(clip, Skipped)])
    start = time.perf_counter()
    run(read_manifest(folder / "manifest.jsonl"), AnnotateWork("sift", "small", "small", doubtful=1), "a", workers)
    seconds = time.perf_counter() - start
    result, kept = [], 0
    for index, clip in enumerate(read_manifest(folder / "a.jsonl")):
        files = ClipFiles(clip, folder)
        camera, depth = files.camera(), files.depth()
        kept += camera is not None and float(clip.figures["camera_doubtful"]) <= AnnotateWork.doubtful
        masks = [files.masks(one.mask_video) for one in clip.identities]
        assert depth is not None
        result.append(errors(clips, index, None if camera is None else camera.c2w, depth[0], masks))
    return result, kept, len(seeds) / seconds


def median(entries: list[Errors]) -> Errors:
    """Return the median of each error over the clips that have it."""
    names = dict.fromkeys(name for entry in entries for name in entry)
    return {name: round(float(np.median([e[name] for e in entries if name in e])), 4) for name in names}


def measure(scenes: int, height: int, width: int, workers: int = 0) -> dict[str, Any]:
    """Return the median errors of so many held-out scenes by the pipeline and on the rendered frames."""
    clips = render(range(HELD_OUT_SEED, HELD_OUT_SEED + scenes), FRAMES, height, width)
    with tempfile.TemporaryDirectory() as folder:
        found, kept, rate = annotated(clips, Path(folder), workers)
    return {
        "clips": f"{scenes} of {FRAMES}x{height}x{width}",
        "pipeline": median(found),
        "floor": median([floor(clips, index) for index in range(scenes)]),
        "cameras_found": sum("rot_err" in entry for entry in found),
        "cameras_kept": kept,
        "workers": workers,
        "clips_per_second": round(rate, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scenes", type=int, default=8)
    parser.add_argument("--width", type=int, default=96)
    parser.add_argument("--height", type=int, default=64)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    result = measure(args.scenes, args.height, args.width, args.workers)
    if args.json:
        write_json(args.json, result)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
