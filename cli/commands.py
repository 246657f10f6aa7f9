"""What each command calls. Heavy imports wait until it is known that they are needed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..control.conditions import CONDITIONS, VideoSize
from ..control.errors import UserError
from .options import by_condition, conditions_of, prompt_of

if TYPE_CHECKING:
    from ..models.config import FullDiTConfig
    from .upscale import Upscaler

ASSETS = Path(__file__).resolve().parents[1] / "assets"
LARGER = VideoSize(25, 96, 160, fps=12)  # of the files in assets/larger
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
    from ..models.sampling.windows import Windows
    from .generate import generate
    from .key_frames import with_key_frames

    if args.model is not None:
        second = (args.low_noise_model, args.low_noise_condition_file) if args.low_noise_model else None
        files = args.model, args.condition_file, args.vae, args.text_encoder
        pipeline = Pipeline.attached(*files, device=args.device, second=second)
    else:
        pipeline = Pipeline.load(args.checkpoint, args.vae, args.device, args.text_encoder)
    config = pipeline.config
    if args.demo:
        _fill_in_demo(args, config)
    if args.bundle is None:
        named = [name for name in CONDITIONS if getattr(args, name)]
        check_names([*named, *(["known"] if args.key_frames else [])], config)  # before any file of them is read
    conditions = conditions_of(args, config)
    prompt, notes = prompt_of(args, conditions)
    windows = None if args.window is None else Windows.of_frames(config.geometry, args.window, args.overlap)
    out, bar = Path(args.out), progress(args.quiet)
    sampling: dict[str, Any] = {
        "seed": args.seed or 0,
        "steps": args.steps,
        "guidance": args.guidance,
        "condition_guidance": by_condition(args, "guidance"),
        "first_frame_pass": args.first_frame_pass,
        "windows": windows,
    }
    upscaler = None if args.upscale is None else _upscaler(args, args.upsampler, args.upscale)
    if args.key_frames:
        conditions = with_key_frames(pipeline, conditions, prompt, args.key_frames, out, sampling, bar)
    report = generate(
        pipeline,
        conditions,
        prompt,
        out,
        **sampling,
        compare=args.compare,
        notes=notes,
        upscaler=upscaler,
        progress=bar,
    )
    for warning in [*report["asked"]["warnings"], *(report["upscaled"] or {}).get("warnings", [])]:
        print(f"warning: {warning}", file=sys.stderr)
    return report


def _upscaler(args: argparse.Namespace, checkpoint: str, factor: int, **asked: Any) -> Upscaler:
    """Load an upsampler checkpoint, with the seed, VAE, device and text encoder of the options."""
    from ..models.pipeline import Pipeline
    from ..models.upscale import upscaling_windows
    from .upscale import Upscaler

    pipeline = Pipeline.load(checkpoint, args.vae, args.device, args.text_encoder)
    windows = upscaling_windows(pipeline.config, asked.pop("window", None), asked.pop("overlap", None))
    return Upscaler(pipeline, factor, windows, seed=args.seed or 0, **asked)


def upscale(args: argparse.Namespace) -> Result:
    """`fulldit upscale`."""
    from .upscale import upscale_file

    names = ("noise", "steps", "guidance", "window", "overlap")
    upscaler = _upscaler(args, args.checkpoint, args.factor, **{name: getattr(args, name) for name in names})
    return upscale_file(upscaler, args.video, Path(args.to), args.fps, args.prompt, progress(args.quiet))


def _fill_in_demo(args: argparse.Namespace, config: FullDiTConfig) -> None:
    """Fill in what is not given: a scene as large as the checkpoint was trained on, unless a size is asked for."""
    folder = ASSETS
    if (args.frames, args.height, args.width) == (None,) * 3 and LARGER in config.videos:
        args.frames, args.height, args.width = LARGER.frames, LARGER.height, LARGER.width
        folder = ASSETS / "larger"
    files = {name: folder / f"{name}.png" for name in ("reference", "reference_mask")}
    identity = f"object={files['reference']},mask={files['reference_mask']},track={folder / 'mask.mp4'}"
    scene = {"camera": str(folder / "camera.json"), "identity": [identity], "depth": str(folder / "depth.mp4")}
    for name, value in scene.items():
        setattr(args, name, getattr(args, name) or value)
    if args.story is None:
        args.prompt = args.prompt or (folder / "prompt.txt").read_text(encoding="utf-8").strip()
    args.seed = DEMO_SEED if args.seed is None else args.seed
    args.compare = args.window is None


def agreement(args: argparse.Namespace) -> Result:
    """`fulldit agreement`."""
    from ..models.families.presets import PRESETS
    from .videos import judge_video

    return judge_video(args, conditions_of(args, PRESETS["mini-cpu"]))


def fit(args: argparse.Namespace) -> Result:
    """`fulldit fit`."""
    from .videos import fit_file

    return fit_file(args, progress(args.quiet))


def describe(args: argparse.Namespace) -> Result:
    """`fulldit describe`."""
    from ..control.camera.describe import describe_camera
    from ..control.conditions import CameraCondition
    from ..control.enhance import CaptionForm, enhancement_request
    from ..models.families.presets import PRESETS

    conditions = conditions_of(args, PRESETS["mini-cpu"])
    camera = conditions.get(CameraCondition)
    if camera is None and args.prompt is None:
        raise UserError("there is nothing to describe: give --camera, --prompt or both")
    result: Result = {"camera": None if camera is None else describe_camera(camera.trajectory)}
    if args.prompt is not None:
        result["request"] = enhancement_request(args.prompt, conditions, CaptionForm(args.form))
    return result


def export(args: argparse.Namespace) -> Result:
    """`fulldit export`."""
    from ..models.families.presets import PRESETS
    from .videos import export_conditions

    return export_conditions(args, conditions_of(args, PRESETS["mini-cpu"]), progress(args.quiet))


def train(args: argparse.Namespace) -> Result:
    """`fulldit train`."""
    if args.dry_run:
        return _dry_run(args)
    from ..training.stages import run

    out = args.out or f"runs/{Path(args.config).stem}"
    return run(args.stage, args.config, Path(out), ship=args.ship)


def _dry_run(args: argparse.Namespace) -> Result:
    from ..training.common.settings import config_path, read_settings
    from ..training.generator.dry_run import describe, dry_run
    from ..training.generator.settings import GeneratorSettings

    settings = read_settings(config_path("generator", args.config), GeneratorSettings)
    result = dry_run(settings, args.ranks, args.clips)
    return {**result, "lines": describe(result)}


def tune(args: argparse.Namespace) -> Result:
    """`fulldit tune`."""
    from .tune import tune_model

    return tune_model(args, progress(args.quiet))


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
        steps=10 if args.steps is None else args.steps,
        full=args.full,
        json=Path(args.json) if args.json else None,
        progress=progress(args.quiet),
        family=args.family,
        masks=args.masks,
        rows=args.rows,
        world=args.world,
        size=(args.frames, args.height, args.width),
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


def _bench_trust(args: argparse.Namespace) -> Result:
    from ..evaluation.tools.trust_bench import run_trust

    result = run_trust(args.json, progress=progress(args.quiet))
    for kind in ("camera", "masks"):
        for name, row in result[kind].items():
            alarm = "missed" if row["missed"] else "alarm" if row["alarm"] else ""
            print(f"{kind:7} {name:32} {row['verdict']:8} {alarm}")
        print(f"{kind:7} " + "  ".join(f"{name} {value}" for name, value in result[f"{kind}_summary"].items()))
    return result


def _bench_speed(args: argparse.Namespace) -> Result:
    from ..evaluation.speed.benchmark import run_speed, tables

    result = run_speed(args.json, args.device, progress=progress(args.quiet))
    print(tables(result))
    return result


def _bench_upscale(args: argparse.Namespace) -> Result:
    from ..evaluation.tools.upscale_bench import run_upscale

    if args.checkpoint is None:
        raise UserError("bench upscale measures an upsampler: give its checkpoint with --checkpoint")
    scenes = 8 if args.scenes is None else args.scenes
    result = run_upscale(args.checkpoint, args.json, scenes, args.steps, progress(args.quiet), args.vae)
    for name, value in result["psnr"].items():
        print(f"{name:20} {value['mean']:6.2f} dB (standard error {value['error']:.2f})")
    return result


def _bench_blocks(args: argparse.Namespace) -> Result:
    from ..evaluation.speed.block_importance import run_blocks, table

    scenes = 4 if args.scenes is None else args.scenes
    checked = {"family": args.family, "device": args.device, "progress": progress(args.quiet)}
    result = run_blocks(args.checkpoint, args.vae, scenes, args.json, **checked)
    print(table(result))
    return result


BENCHMARKS: dict[str, Callable[[argparse.Namespace], Result]] = {
    "control": _bench_control,
    "blocks": _bench_blocks,
    "camera": _bench_camera,
    "depth": _bench_depth,
    "masks": _bench_masks,
    "speed": _bench_speed,
    "trust": _bench_trust,
    "upscale": _bench_upscale,
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
        world=args.world,
        size=(args.frames, args.height, args.width),
    )


def scene(args: argparse.Namespace) -> Result:
    """`fulldit scene`."""
    from ..scenes.export import export_scene
    from ..scenes.world import WorldOptions

    options = WorldOptions(
        family=args.family,
        cameras=tuple(args.camera or ()),
        objects=(args.objects, args.objects) if args.objects is not None else (1, 3),
        version=args.world,
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


def convert(args: argparse.Namespace) -> Result:
    """`fulldit convert`."""
    from ..models.weights.convert import convert as convert_model

    return {"path": str(convert_model(args.source, args.to, args.layout, args.condition_file))}


def doctor(args: argparse.Namespace) -> Result:
    """`fulldit doctor`."""
    from .doctor import examine

    return dict(examine())
