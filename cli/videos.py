"""`fulldit agreement`, `fit` and `export`: a finished video judged, a video fitted, conditions in a folder."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..control.bundle import BundleOptions, write_bundle
from ..control.bundle.write import count_frames
from ..control.conditions import Conditions, VideoSize
from ..control.files import write_json
from ..control.fit import SpaceFit
from ..control.fit_video import TimeMode, first_frame, fit_video, longest_length
from ..control.load import load_depth, load_track, read_camera_path
from ..control.media import read_video, video_rate, write_image, write_video
from ..models.geometry import WAN_2_1

Result = dict[str, Any]
Bar = Callable[[int, str], Any]
EMBEDDED, CONNECTED, AUTO = "embedded", "connected", "auto"


def judge_video(args: argparse.Namespace, conditions: Conditions) -> Result:
    """`fulldit agreement`: write `agreement.png` and `agreement.json`, and return the latter."""
    from ..models.estimators.agreement import is_foreign, report_agreement
    from ..models.estimators.agreement_report import Found
    from ..models.estimators.judge import Judge
    from ..view.agreement_sheet import draw_agreement

    clip, video = read_video(args.video), conditions.video
    count, height, width = clip.shape[:3]
    camera, depth = args.found_camera, args.found_depth
    masks = {at: path for at, path in enumerate(args.found_mask or []) if path != "-"}
    found = Found(
        None if camera is None else read_camera_path(camera, count, video.fps, video.aspect)[0],
        None if depth is None else load_depth(depth, count, height, width),
        {at: load_track(path, count, height, width) for at, path in masks.items()},
    )
    embedded = args.estimators == EMBEDDED or (args.estimators == AUTO and not is_foreign(height, width))
    result = report_agreement(clip, conditions, Judge.load() if embedded else None, found)
    out = Path(args.out)
    write_image(out / "agreement.png", draw_agreement(clip, result.pairs(), result.gauges()))
    write_json(out / "agreement.json", result.to_json())
    files = {name: str(out / f"agreement.{name}") for name in ("png", "json")}
    return {**result.to_json(), "lines": result.lines(), "files": files}


def fit_file(args: argparse.Namespace, progress: Bar) -> Result:
    """`fulldit fit`: write the fitted video, and return what was done."""
    clip = read_video(args.video)
    source = args.source_fps or video_rate(args.video)
    mode, rate = TimeMode(args.time), args.fps or source
    left = len(clip) - first_frame(len(clip), source, args.start)
    length = WAN_2_1.nearest_frames(longest_length(left, source, rate, mode))[0]
    own = WAN_2_1.nearest_size(VideoSize(length, clip.shape[1], clip.shape[2], rate))
    size = VideoSize(args.frames or own.frames, args.height or own.height, args.width or own.width, rate)
    with progress(size.frames, "fitting") as step:
        fitted = fit_video(clip, source, size, SpaceFit(args.fit_space), mode, args.start, step=step)
    write_video(args.to, fitted.frames, size.fps)
    return {"file": str(args.to), "report": list(fitted.report)}


def export_conditions(args: argparse.Namespace, conditions: Conditions, progress: Bar) -> Result:
    """`fulldit export`: write the folder, and return what is in it."""
    options = BundleOptions(args.camera_format, not args.no_videos)
    with progress(max(1, count_frames(conditions)), "writing") as step:
        said = write_bundle(conditions, Path(args.to), options, step)
    return {"folder": str(args.to), "report": [*said, *conditions.warnings()]}
