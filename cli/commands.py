"""What each command calls. Heavy imports wait until it is known that they are needed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..control.conditions import CONDITIONS, VideoSize, load_conditions
from ..control.fit import Fit
from ..control.limits import check_clip

ASSETS = Path(__file__).resolve().parents[1] / "assets"
# What --demo stands for where an option is not given.
DEMO_CONDITIONS = {
    "camera": str(ASSETS / "camera.json"),
    "identity": [f"object={ASSETS / 'reference.png'},mask={ASSETS / 'reference_mask.png'},track={ASSETS / 'mask.mp4'}"],
    "depth": str(ASSETS / "depth.mp4"),
}
DEMO_SEED = 3

Result = dict[str, Any]


def progress(quiet: bool) -> Callable[[int, str], Any]:
    """Return a factory of progress bars: `with bar(total, title) as step: step()`; silent for `--quiet`."""

    @contextmanager
    def bar(total: int, title: str) -> Iterator[Callable[[], object]]:
        try:
            from tqdm import tqdm
        except ImportError:
            tqdm = None
        if quiet or tqdm is None:
            yield lambda: None
            return
        with tqdm(total=total, desc=title, file=sys.stderr, leave=False) as shown:
            yield shown.update

    return bar


def generate(args: argparse.Namespace) -> Result:
    """`fulldit generate`."""
    from ..models.encode import check_names
    from ..models.pipeline import Pipeline
    from .generate import generate

    if args.demo:
        _fill_in_demo(args)
    pipeline = Pipeline.load(args.checkpoint, args.vae, device=args.device)
    config = pipeline.config
    check_names((name for name in CONDITIONS if getattr(args, name)), config)  # before any file of them is read
    video = VideoSize(
        config.frames if args.frames is None else args.frames,
        config.height if args.height is None else args.height,
        config.width if args.width is None else args.width,
        config.fps,
    )
    config.geometry.check(video.frames, video.height, video.width)
    check_clip(video.frames, video.height, video.width)
    report = generate(
        pipeline,
        _conditions(args, video),
        args.prompt or "",
        Path(args.out),
        seed=args.seed or 0,
        steps=args.steps,
        guidance=args.guidance,
        condition_guidance=_by_condition(args, "guidance"),
        first_frame_pass=args.first_frame_pass,
        compare=args.compare,
        progress=progress(args.quiet),
    )
    for warning in report["asked"]["warnings"]:
        print(f"warning: {warning}", file=sys.stderr)
    return report


def _fill_in_demo(args: argparse.Namespace) -> None:
    for name, value in DEMO_CONDITIONS.items():
        setattr(args, name, getattr(args, name) or value)
    args.prompt = args.prompt or (ASSETS / "prompt.txt").read_text(encoding="utf-8").strip()
    args.seed = DEMO_SEED if args.seed is None else args.seed
    args.compare = True


def _by_condition(args: argparse.Namespace, option: str) -> dict[str, float]:
    """The values of an option that every condition has, where they were given."""
    values = {name: getattr(args, f"{name}_{option}", None) for name in CONDITIONS}
    return {name: value for name, value in values.items() if value is not None}


def _conditions(args: argparse.Namespace, video: VideoSize) -> Any:
    specs = {name: getattr(args, name) or [] for name in CONDITIONS}
    return load_conditions(
        video,
        {name: [spec] if isinstance(spec, str) else spec for name, spec in specs.items()},
        Fit.of(args.fit_space, args.fit_time),
        _by_condition(args, "strength"),
        {
            name: {option.name: getattr(args, f"{name}_{option.name}") for option in condition.options}
            for name, condition in CONDITIONS.items()
        },
    )


def train(args: argparse.Namespace) -> Result:
    """`fulldit train`."""
    from ..training.stages import run

    out = args.out or f"runs/{Path(args.config).stem}"
    return run(args.stage, args.config, Path(out), ship=args.ship)


def bench(args: argparse.Namespace) -> Result:
    """`fulldit bench`."""
    return BENCHMARKS[args.what](args)


def _bench_control(args: argparse.Namespace) -> Result:
    from ..evaluation.control.benchmark import run_control
    from ..evaluation.control.card import fill_card
    from ..evaluation.control.table import markdown_table
    from ..evaluation.control.targets import read_result

    unseen = read_result(args.unseen) if args.unseen else None
    result = run_control(
        checkpoint=args.checkpoint,
        scenes=16 if args.scenes is None else args.scenes,
        steps=args.steps,
        full=args.full,
        json=Path(args.json) if args.json else None,
        progress=progress(args.quiet),
        family=args.family,
        masks=args.masks,
        first_frame_pass=args.first_frame_pass,
        vae=args.vae,
        estimators=args.estimators,
    )
    if args.card:
        fill_card(Path(args.card), result, unseen)
    print(markdown_table(result, unseen), file=sys.stderr)
    return result


def _bench_masks(args: argparse.Namespace) -> Result:
    from ..evaluation.tools.masks_bench import run_masks

    result = run_masks(args.json, 4 if args.scenes is None else args.scenes, progress(args.quiet))
    for name in ("inbetween_iou", "propagation_iou", "propagation_ms_per_frame"):
        print(f"{name:26} {result[name]:.4g}")
    return result


def _bench_camera(args: argparse.Namespace) -> Result:
    from ..evaluation.tools.camera_bench import run_camera

    result = run_camera(args.json, progress=progress(args.quiet))
    for clip, found in result["from_video"].items():
        print(f"{clip:20} rot_deg {found['rot_deg']}  trans_deg {found['trans_deg']}  {found['seconds']} s")
    return result


def _bench_depth(args: argparse.Namespace) -> Result:
    from ..evaluation.tools.depth_bench import run_depth

    result = run_depth(args.json, progress=progress(args.quiet))
    for name in ("flicker_ratio", "chunk_max_diff", "peak_memory_mb", "seconds_per_frame"):
        print(f"{name:26} {result[name]:.3g}")
    return result


BENCHMARKS: dict[str, Callable[[argparse.Namespace], Result]] = {
    "control": _bench_control,
    "camera": _bench_camera,
    "depth": _bench_depth,
    "masks": _bench_masks,
}


def targets(args: argparse.Namespace) -> Result:
    """`fulldit targets`."""
    from ..evaluation.control.targets import run_targets

    lines, table = run_targets(args.result, args.unseen)
    if args.json is not True:
        print(table)
    return {"targets": lines}


def gallery(args: argparse.Namespace) -> Result:
    """`fulldit gallery`."""
    from ..evaluation.control.gallery import run_gallery

    return run_gallery(
        args.out,
        args.scenes,
        args.pool,
        progress(args.quiet),
        checkpoint=args.checkpoint,
        vae=args.vae,
        estimators=args.estimators,
        steps=args.steps,
        family=args.family,
    )


def scene(args: argparse.Namespace) -> Result:
    """`fulldit scene`."""
    from ..scenes.export import export_scene
    from ..scenes.world import WorldOptions

    options = WorldOptions(
        family=args.family,
        cameras=tuple(args.camera or ()),
        objects=(args.objects, args.objects) if args.objects is not None else (1, 3),
    )
    size = {"frames": args.frames, "height": args.height, "width": args.width}
    written = export_scene(args.seed, Path(args.out), **size, options=options)
    return {name: str(path) for name, path in written.items()}


def models(args: argparse.Namespace) -> Result:
    """`fulldit models`."""
    from .models import ask, describe_file, fetch_file, list_families

    if args.get is not None:
        confirm = (lambda _: True) if args.yes else ask
        return fetch_file(args.get, args.to, confirm, progress(args.quiet))
    return list_families() if args.file is None else describe_file(args.file)


def doctor(args: argparse.Namespace) -> Result:
    """`fulldit doctor`."""
    from .doctor import examine

    return dict(examine())
