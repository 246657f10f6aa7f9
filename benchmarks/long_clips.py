"""Long clips by windows: does memory stay flat, and can the borders of the windows be seen?

Each length is one `fulldit generate` of its own, under the camera, identities and depth of a scene of the procedural
world that is as long. Memory is the most that the process ever held. A seam is how much neighboring frames differ
across the borders of windows, over how much they differ elsewhere (`seam_of_all`), and over how much they differ
between other latent frames (`seam`): a border lies between two latent frames, and there a clip of the embedded model
changes more than within one (`latent_steps`: between latent frames over within). The drift is how far the mean color of
each 32 frames lies from that of the first 32, in levels of 255. The scene itself, which has no windows and drifts only
as its camera moves, stands beside all of it.

    python benchmarks/long_clips.py [--frames 33 257] [--window 17] [--overlap 8] [--key-frames 16] [--steps 10]
        [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from comfyui_fulldit.control.files import write_json
from comfyui_fulldit.control.media import read_video
from comfyui_fulldit.models.geometry import WAN_2_1
from comfyui_fulldit.models.sampling.windows import Windows

DRIFT_FRAMES = 32
COMMAND = [sys.executable, "-c", "import sys; from comfyui_fulldit.cli import main; sys.exit(main(sys.argv[1:]))"]


def border_frames(windows: Windows, frames: int) -> np.ndarray:
    """Return the first frame behind every border: where a window begins, and behind its end."""
    places = windows.places(WAN_2_1.latent_frames(frames))
    borders = {edge for place in places for edge in (place.start, place.stop)} - {0, places[-1].stop}
    return np.array(sorted(WAN_2_1.video_size((edge, 1, 1))[0] for edge in borders))  # so many frames come before


def seams(clip: np.ndarray, borders: np.ndarray) -> dict[str, float]:
    """Return how much a clip (F, H, W, 3) changes across borders, and between latent frames, as the top says."""
    change = np.abs(np.diff(clip, axis=0)).mean((1, 2, 3))  # to the frames 1, 2, ...
    frames = np.arange(1, len(clip))
    begins_latent = frames % WAN_2_1.temporal == 1
    is_border = np.isin(frames, borders)
    at_borders = change[is_border].mean()
    return {
        "seam": round(float(at_borders / change[begins_latent & ~is_border].mean()), 3),
        "seam_of_all": round(float(at_borders / change[~is_border].mean()), 3),
        "latent_steps": round(float(change[begins_latent].mean() / change[~begins_latent].mean()), 3),
    }


def look(clip: np.ndarray, borders: np.ndarray) -> dict[str, Any]:
    """Return everything that is measured of the frames (F, H, W, 3) of a clip."""
    return {**seams(clip, borders), "drift": drift(clip)}


def drift(clip: np.ndarray) -> list[float]:
    """Return how far the mean color of each full `DRIFT_FRAMES` of a clip (F, H, W, 3) lies from that of the first."""
    count = len(clip) // DRIFT_FRAMES
    colors = clip[: count * DRIFT_FRAMES].reshape(count, -1, 3).mean(1) if count else clip[:0, 0, 0]
    return [round(255 * float(np.abs(color - colors[0]).mean()), 1) for color in colors[1:]]


def run(*arguments: str) -> None:
    """Run a command of `fulldit`, in a process of its own: what this one holds would count as that one's memory."""
    subprocess.run([*COMMAND, *arguments, "--quiet"], check=True, capture_output=True)


def generate(
    scene: Path, out: Path, frames: int, windows: tuple[int, int], steps: int, key_frames: int = 0
) -> dict[str, Any]:
    """Run the command for an exported scene, and return its report."""
    people = sorted(scene.glob("reference_?.png"))
    identities = [
        word
        for k, image in enumerate(people)
        for word in ("--identity", f"{k}={image},mask={scene / f'reference_{k}_mask.png'},track={scene}/track_{k}.mp4")
    ]
    prompt = (scene / "plain_caption.txt").read_text(encoding="utf-8").strip()
    window, overlap = windows
    sizes = ["--frames", str(frames), "--window", str(window), "--overlap", str(overlap), "--steps", str(steps)]
    sizes += ["--key-frames", str(key_frames)] if key_frames else []
    given = ["--camera", str(scene / "camera.json"), "--depth", str(scene / "depth.mp4"), *identities]
    run("generate", "--prompt", prompt, *given, *sizes, "--out", str(out))
    report: dict[str, Any] = json.loads((out / "report.json").read_text(encoding="utf-8"))
    return report


def measure(
    lengths: Sequence[int], window: int = 17, overlap: int = 8, steps: int = 10, seed: int = 5, key_frames: int = 0
) -> dict[str, Any]:
    """Return memory, seconds and seams by length, and the memory of the longest over that of the shortest."""
    windows = Windows.of_frames(WAN_2_1, window, overlap)
    result: dict[str, Any] = {"window": window, "overlap": overlap, "steps": steps, "key_frames": key_frames}
    result["clips"] = {}
    with tempfile.TemporaryDirectory() as folder:
        for frames in lengths:
            scene, out = Path(folder, f"scene_{frames}"), Path(folder, f"out_{frames}")
            run("scene", "--seed", str(seed), "--frames", str(frames), "--out", str(scene))
            report = generate(scene, out, frames, (window, overlap), steps, key_frames)
            borders = border_frames(windows, frames)
            result["clips"][str(frames)] = {
                "peak_memory_mb": report["peak_memory_mb"],
                "seconds": report["seconds"]["total"],
                **look(read_video(out / "video.mp4"), borders),
                "of_the_scene": look(read_video(scene / "video.mp4"), borders),
            }
    peaks = [clip["peak_memory_mb"] for clip in result["clips"].values()]
    result["memory_ratio"] = round(peaks[-1] / peaks[0], 3)
    return result


def main() -> None:
    """Measure, print, and write the figures if asked."""
    parser = argparse.ArgumentParser(description="Memory and seams of long clips.")
    parser.add_argument("--frames", type=int, nargs="+", default=[33, 257])
    parser.add_argument("--window", type=int, default=17)
    parser.add_argument("--overlap", type=int, default=8)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--key-frames", type=int, default=0, help="make every so many frames first (0: do not)")
    parser.add_argument("--seed", type=int, default=5, help="of the scene")
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    result = measure(args.frames, args.window, args.overlap, args.steps, args.seed, args.key_frames)
    for frames, clip in result["clips"].items():
        print(f"{frames:>4} frames  " + "  ".join(f"{name} {value}" for name, value in clip.items()))
    print(f"memory of the longest over the shortest: {result['memory_ratio']}")
    if args.json:
        write_json(Path(args.json), result)


if __name__ == "__main__":
    main()
