"""The `fulldit` command: parses, calls, prints. The work is in the rooms it calls.

Exit codes: 0 done, 2 for something the user can mend (one line says what), 130 for Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from pathlib import Path

from ..control.errors import UserError

ASSETS = Path(__file__).resolve().parents[1] / "assets"


def _progress(quiet: bool):
    """A factory of progress bars: `with bar(total, title) as step: step()`; silent for `--quiet`."""
    from contextlib import contextmanager

    @contextmanager
    def bar(total: int, title: str):
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


def _generate(args: argparse.Namespace) -> dict:
    from ..control.fit import Fit, TimeFit
    from ..control.load import load_controls
    from ..models.pipeline import Pipeline
    from .generate import generate

    pipeline = Pipeline.load(args.checkpoint, args.vae, device=args.device)
    config = pipeline.config
    size = {
        "frames": args.frames or config.frames,
        "height": args.height or config.height,
        "width": args.width or config.width,
    }
    if args.demo:
        args.camera = args.camera or str(ASSETS / "camera.json")
        args.identity = args.identity or [
            f"object={ASSETS / 'reference.png'},mask={ASSETS / 'reference_mask.png'},track={ASSETS / 'mask.mp4'}"
        ]
        args.depth = args.depth or str(ASSETS / "depth.mp4")
        args.prompt = args.prompt or (ASSETS / "prompt.txt").read_text(encoding="utf-8").strip()
        args.seed = 3 if args.seed is None else args.seed
        args.compare = True
    controls = load_controls(
        **size,
        camera=args.camera,
        identities=args.identity or (),
        depth=args.depth,
        depth_kind=args.depth_kind,
        fit=Fit(time=TimeFit.RESAMPLE) if args.fit else Fit(),
    )
    report = generate(
        pipeline,
        controls,
        args.prompt or "",
        Path(args.out),
        seed=args.seed or 0,
        steps=args.steps,
        guidance=args.guidance,
        condition_guidance={
            name: scale
            for name in ("camera", "identity", "depth")
            if (scale := getattr(args, f"{name}_guidance")) is not None
        },
        first_frame_pass=args.first_frame_pass,
        compare=args.compare,
        progress=_progress(args.quiet),
        **size,
    )
    for warning in report["asked"]["warnings"]:
        print(f"note: {warning}", file=sys.stderr)
    return report


def _train(args: argparse.Namespace) -> dict:
    from ..training.stages import run

    return run(args.stage, args.config, Path(args.out), ship=args.ship)


def _bench(args: argparse.Namespace) -> dict:
    if args.what == "masks":
        from ..evaluation.tools.masks_bench import run_masks

        result = run_masks(args.json, 4 if args.scenes is None else args.scenes, _progress(args.quiet))
        for name in ("inbetween_iou", "propagation_iou", "propagation_ms_per_frame"):
            print(f"{name:26} {result[name]:.4g}")
        return result
    if args.what == "camera":
        from ..evaluation.tools.camera_bench import run_camera

        result = run_camera(args.json, progress=_progress(args.quiet))
        for clip, found in result["from_video"].items():
            print(f"{clip:20} rot_deg {found['rot_deg']}  trans_deg {found['trans_deg']}  {found['seconds']} s")
        return result
    if args.what == "depth":
        from ..evaluation.tools.depth_bench import run_depth

        result = run_depth(args.json, progress=_progress(args.quiet))
        for name in ("flicker_ratio", "chunk_max_diff", "peak_memory_mb", "seconds_per_frame"):
            print(f"{name:26} {result[name]:.3g}")
        return result
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
        progress=_progress(args.quiet),
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


def _targets(args: argparse.Namespace) -> dict:
    from ..evaluation.control.targets import run_targets

    lines, table = run_targets(args.result, args.unseen)
    if args.json is not True:
        print(table)
    return {"targets": lines}


def _gallery(args: argparse.Namespace) -> dict:
    from ..evaluation.control.gallery import run_gallery

    return run_gallery(
        args.out,
        args.scenes,
        args.pool,
        _progress(args.quiet),
        checkpoint=args.checkpoint,
        vae=args.vae,
        estimators=args.estimators,
        steps=args.steps,
        family=args.family,
    )


def _scene(args: argparse.Namespace) -> dict:
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


def _doctor(args: argparse.Namespace) -> dict:
    from .doctor import examine

    return examine()


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(prog="fulldit", description="Video under camera, identity and depth control.")
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, work, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(work=work)
        added.add_argument("--quiet", action="store_true", help="no progress bars")
        return added

    def measured(added: argparse.ArgumentParser) -> None:
        """What a command that measures weights takes."""
        families = ("seen", "unseen")
        added.add_argument("--family", default="seen", choices=families, help="unseen: what training never shows")
        added.add_argument("--checkpoint", metavar="FILE", help="default: the embedded one")
        added.add_argument("--vae", metavar="FILE", help="default: the embedded one")
        added.add_argument("--estimators", metavar="FILE", help="what is measured with (default: the embedded ones)")

    from ..control.camera.presets import PRESETS

    p = command("generate", _generate, "Generate a video under any combination of controls.")
    p.add_argument("--demo", action="store_true", help="the files in assets/ for whatever is not given, and --compare")
    p.add_argument("--prompt", help="what the video shows")
    p.add_argument(
        "--camera",
        metavar="PRESET[:AMOUNT]|FILE",
        help=f"a camera file, or a preset ({', '.join(PRESETS)}); amounts in degrees or subject distances; several with"
        " the part of the clip they take: 'pan_right:20@0-0.5 + dolly_in:0.3@0.25-1'",
    )
    p.add_argument(
        "--identity",
        action="append",
        metavar="NAME=IMAGE[,mask=FILE][,track=FILE]",
        help="an object: its image, the image's mask, and a mask clip saying where it stands; may be repeated",
    )
    p.add_argument("--depth", metavar="FILE", help="a depth video, or an .npy array of shape (frames, height, width)")
    p.add_argument("--depth-kind", default="disparity", choices=("disparity", "depth", "inverted", "auto"))
    p.add_argument(
        "--fit", action="store_true", help="resample cameras and clips of another length instead of refusing"
    )
    p.add_argument("--seed", type=int, help="default: 0")
    p.add_argument("--steps", type=int, help="sampling steps (default: the checkpoint's)")
    p.add_argument("--guidance", type=float, help="classifier-free guidance (default: the checkpoint's)")
    for name in ("camera", "identity", "depth"):
        p.add_argument(
            f"--{name}-guidance", type=float, metavar="SCALE", help=f"a scale of its own for {name}, chained"
        )
    p.add_argument(
        "--first-frame-pass",
        type=float,
        metavar="SHARE",
        help="share of the steps that settle the first frame; the rest follows from it (default: the checkpoint's)",
    )
    p.add_argument("--compare", action="store_true", help="the same seed with each condition taken away, in the sheet")
    p.add_argument("--frames", type=int, help="4k+1")
    p.add_argument("--height", type=int, help="a multiple of 16")
    p.add_argument("--width", type=int, help="a multiple of 16")
    p.add_argument("--checkpoint", metavar="FILE", help="generator and text encoder (default: the embedded ones)")
    p.add_argument("--vae", metavar="FILE", help="VAE (default: the embedded one)")
    p.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")
    p.add_argument("--out", default="outputs/generate", metavar="FOLDER")
    p.add_argument("--json", action="store_true", help="print the report")

    p = command("train", _train, "Train: VAE, data, generator, estimators, or all of them; resumes where it stopped.")
    p.add_argument("stage", choices=("all", "vae", "data", "generator", "estimators"))
    p.add_argument("--config", default="cpu", help="cpu, gpu, debug, or a JSON file of the stage")
    p.add_argument("--out", metavar="FOLDER", help="default: runs/CONFIG")
    p.add_argument("--ship", action="store_true", help="copy the finished weights to checkpoints/")
    p.add_argument("--json", action="store_true", help="print the result")

    p = command("bench", _bench, "Measure how well a checkpoint obeys, or how well the tools work, on held-out scenes.")
    p.add_argument(
        "what",
        choices=("control", "camera", "depth", "masks"),
        help="camera: files, rays, paths from video; depth: flicker, chunks, memory; masks: in-betweens and masks"
        " carried along a video",
    )
    measured(p)
    p.add_argument("--scenes", type=int, help="default: 16, for masks 4")
    p.add_argument("--steps", type=int, default=10)
    p.add_argument("--full", action="store_true", help="64 scenes at the default steps, resumable")
    p.add_argument("--masks", default="exact", choices=("exact", "painted"), help="painted: painted masks besides")
    p.add_argument("--first-frame-pass", type=float, metavar="SHARE", help="as of generate (default: the checkpoint's)")
    p.add_argument("--unseen", metavar="FILE", help="the figures of the unseen family, for the table of targets")
    p.add_argument("--card", metavar="FILE", help="fill the table of this model card")
    p.add_argument("--json", metavar="FILE", help="write the figures here")

    p = command("targets", _targets, "Which targets a result of `bench control` meets, as a table.")
    p.add_argument("result", metavar="FILE", help="what bench control --json wrote")
    p.add_argument("--unseen", metavar="FILE", help="what it wrote for --family unseen")
    p.add_argument("--json", action="store_true", help="print the targets as JSON")

    p = command("gallery", _gallery, "Held-out scenes as images and animations, with each condition taken away.")
    measured(p)
    p.add_argument("--scenes", type=int, default=4, help="so many as they come")
    p.add_argument("--pool", type=int, default=16, help="the worst of so many are shown as well")
    p.add_argument("--steps", type=int, help="sampling steps (default: the checkpoint's)")
    p.add_argument("--out", default="outputs/gallery", metavar="FOLDER")
    p.add_argument("--json", action="store_true", help="print what was written")

    p = command("scene", _scene, "Render a scene of the procedural world and its conditions to files.")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--frames", type=int, default=17)
    p.add_argument("--height", type=int, default=64)
    p.add_argument("--width", type=int, default=96)
    p.add_argument("--camera", action="append", metavar="KIND", help="draw the movement from these kinds only")
    p.add_argument("--objects", type=int, help="exactly so many objects, 0 to 3")
    p.add_argument("--family", default="seen", choices=("seen", "unseen"), help="unseen: what training never shows")
    p.add_argument("--out", default="outputs/scene", metavar="FOLDER")
    p.add_argument("--json", action="store_true", help="print what was written")

    p = command("doctor", _doctor, "Versions, device, weights, and what works.")
    p.add_argument("--json", action="store_true", help="print the findings as JSON")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    args = build_parser().parse_args(arguments)
    if args.command == "train" and args.out is None:
        args.out = f"runs/{Path(args.config).stem}"
    warnings.filterwarnings("ignore", message="Mismatch dtype between input and weight")
    try:
        result = args.work(args)
    except UserError as error:
        print(f"fulldit: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("fulldit: stopped", file=sys.stderr)
        return 130
    if args.json is True:
        print(json.dumps(result, indent=2))
    elif args.command == "doctor":
        for name, value in result.items():
            print(f"{name:20} {value}")
    elif args.command == "generate":
        for path in result["files"].values():
            print(path)
    elif args.command in ("scene", "gallery"):
        print(args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
