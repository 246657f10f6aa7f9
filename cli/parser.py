"""What can be asked of `fulldit`: commands and their options; those of conditions come from their registry."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from ..control.conditions import CONDITIONS
from ..control.fit import SpaceFit, TimeFit
from . import commands

FAMILIES = ("seen", "unseen")


def build_parser() -> argparse.ArgumentParser:
    """Return the whole command line. A parsed command has `work`, `json` and `show` (what prints the result)."""
    parser = argparse.ArgumentParser(prog="fulldit", description="Video under camera, identity and depth control.")
    added = parser.add_subparsers(dest="command", required=True)
    for add in (_generate, _train, _bench, _targets, _gallery, _scene, _models, _doctor):
        add(added)
    return parser


def _command(
    added: Any,  # argparse has no public name for what add_subparsers returns
    name: str,
    work: Callable[[argparse.Namespace], dict[str, Any]],
    text: str,
    show: Callable[[argparse.Namespace, dict[str, Any]], None] | None = None,
) -> argparse.ArgumentParser:
    p: argparse.ArgumentParser = added.add_parser(name, help=text, description=text)
    p.set_defaults(work=work, show=show)
    p.add_argument("--quiet", action="store_true", help="no progress bars")
    return p


def _add_measured(p: argparse.ArgumentParser) -> None:
    """Add what a command that measures weights takes."""
    p.add_argument("--family", default="seen", choices=FAMILIES, help="unseen: what training never shows")
    p.add_argument("--checkpoint", metavar="FILE", help="default: the embedded one")
    p.add_argument("--vae", metavar="FILE", help="default: the embedded one")
    p.add_argument("--estimators", metavar="FILE", help="what is measured with (default: the embedded ones)")


def _add_conditions(p: argparse.ArgumentParser) -> None:
    """Add the options of every condition in the registry."""
    for name, condition in CONDITIONS.items():
        action = "append" if condition.repeatable else "store"
        p.add_argument(f"--{name}", action=action, metavar=condition.metavar, help=condition.help)
        for option in condition.options:
            p.add_argument(
                f"--{name}-{option.name}",
                default=option.default,
                choices=option.choices,
                help=f"{option.help} (default: {option.default})" if option.default else option.help,
            )
        if not condition.repeatable:  # those have strengths of their own
            p.add_argument(
                f"--{name}-strength", type=float, metavar="0..5", help=f"how strongly the {name} counts (default: 1)"
            )
        p.add_argument(
            f"--{name}-guidance", type=float, metavar="SCALE", help=f"a scale of its own for {name}, chained"
        )


def _generate(added: Any) -> None:
    def show(args: argparse.Namespace, result: dict[str, Any]) -> None:
        for path in result["files"].values():
            print(path)

    p = _command(added, "generate", commands.generate, "Generate a video under any combination of conditions.", show)
    p.add_argument("--demo", action="store_true", help="the files in assets/ for whatever is not given, and --compare")
    p.add_argument("--prompt", help="what the video shows")
    _add_conditions(p)
    p.add_argument(
        "--fit-time",
        default=TimeFit.REFUSE.value,
        choices=[fit.value for fit in TimeFit],
        help="a camera or clip of another length: refuse it, resample it, or hold its last frame (default: refuse)",
    )
    p.add_argument(
        "--fit-space",
        default=SpaceFit.CROP.value,
        choices=[fit.value for fit in SpaceFit],
        help="a lens or clip of other proportions: refuse, stretch, crop or pad (default: crop)",
    )
    p.add_argument("--seed", type=int, help="default: 0")
    p.add_argument("--steps", type=int, help="sampling steps (default: the checkpoint's)")
    p.add_argument("--guidance", type=float, help="classifier-free guidance (default: the checkpoint's)")
    p.add_argument(
        "--first-frame-pass",
        type=float,
        metavar="SHARE",
        help="share of the steps that settle the first frame; the rest follows from it (default: the checkpoint's)",
    )
    p.add_argument("--compare", action="store_true", help="the same seed with each condition taken away, in the sheet")
    p.add_argument("--frames", type=int, help="length of the video (default: the checkpoint's)")
    p.add_argument("--height", type=int, help="height in pixels (default: the checkpoint's)")
    p.add_argument("--width", type=int, help="width in pixels (default: the checkpoint's)")
    p.add_argument("--checkpoint", metavar="FILE", help="generator and text encoder (default: the embedded ones)")
    p.add_argument("--vae", metavar="FILE", help="VAE (default: the embedded one)")
    p.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")
    p.add_argument("--out", default="outputs/generate", metavar="FOLDER")
    p.add_argument("--json", action="store_true", help="print the report")


def _train(added: Any) -> None:
    text = "Train: VAE, data, generator, estimators, or all of them; resumes where it stopped."
    p = _command(added, "train", commands.train, text)
    p.add_argument("stage", choices=("all", "vae", "data", "generator", "estimators"))
    p.add_argument("--config", default="cpu", help="cpu, gpu, debug, or a JSON file of the stage")
    p.add_argument("--out", metavar="FOLDER", help="default: runs/CONFIG")
    p.add_argument("--ship", action="store_true", help="copy the finished weights to checkpoints/")
    p.add_argument("--json", action="store_true", help="print the result")


def _bench(added: Any) -> None:
    text = "Measure how well a checkpoint obeys, or how well the tools work, on held-out scenes."
    p = _command(added, "bench", commands.bench, text)
    p.add_argument(
        "what",
        choices=tuple(commands.BENCHMARKS),
        help="camera: files, rays, paths from video; depth: flicker, chunks, memory; masks: in-betweens and masks"
        " carried along a video",
    )
    _add_measured(p)
    p.add_argument("--scenes", type=int, help="default: 16, for masks 4")
    p.add_argument("--steps", type=int, default=10)
    p.add_argument("--full", action="store_true", help="64 scenes at the default steps, resumable")
    p.add_argument("--masks", default="exact", choices=("exact", "painted"), help="painted: painted masks besides")
    p.add_argument("--first-frame-pass", type=float, metavar="SHARE", help="as of generate (default: the checkpoint's)")
    p.add_argument("--unseen", metavar="FILE", help="the figures of the unseen family, for the table of targets")
    p.add_argument("--card", metavar="FILE", help="fill the table of this model card")
    p.add_argument("--json", metavar="FILE", help="write the figures here")


def _targets(added: Any) -> None:
    text = "Which targets a result of `bench control` meets, as a table."
    p = _command(added, "targets", commands.targets, text)
    p.add_argument("result", metavar="FILE", help="what bench control --json wrote")
    p.add_argument("--unseen", metavar="FILE", help="what it wrote for --family unseen")
    p.add_argument("--json", action="store_true", help="print the targets as JSON")


def _gallery(added: Any) -> None:
    text = "Held-out scenes as images and animations, with each condition taken away."
    p = _command(added, "gallery", commands.gallery, text, _print_folder)
    _add_measured(p)
    p.add_argument("--scenes", type=int, default=4, help="so many as they come")
    p.add_argument("--pool", type=int, default=16, help="the worst of so many are shown as well")
    p.add_argument("--steps", type=int, help="sampling steps (default: the checkpoint's)")
    p.add_argument("--out", default="outputs/gallery", metavar="FOLDER")
    p.add_argument("--json", action="store_true", help="print what was written")


def _scene(added: Any) -> None:
    text = "Render a scene of the procedural world and its conditions to files."
    p = _command(added, "scene", commands.scene, text, _print_folder)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--frames", type=int, default=17)
    p.add_argument("--height", type=int, default=64)
    p.add_argument("--width", type=int, default=96)
    p.add_argument("--camera", action="append", metavar="KIND", help="draw the movement from these kinds only")
    p.add_argument("--objects", type=int, help="exactly so many objects, 0 to 3")
    p.add_argument("--family", default="seen", choices=FAMILIES, help="unseen: what training never shows")
    p.add_argument("--out", default="outputs/scene", metavar="FOLDER")
    p.add_argument("--json", action="store_true", help="print what was written")


def _print_folder(args: argparse.Namespace, result: dict[str, Any]) -> None:
    print(args.out)


def _models(added: Any) -> None:
    def show(args: argparse.Namespace, result: dict[str, Any]) -> None:
        from .models import show

        show(args, result)

    text = "Which model takes which control; what a file of weights is; fetch a model's files."
    p = _command(added, "models", commands.models, text, show)
    what = p.add_mutually_exclusive_group()
    what.add_argument("file", nargs="?", metavar="FILE", help="weights, their parts or their folder: say what they are")
    what.add_argument("--get", metavar="NAME", help="fetch the file of this name (docs/models.md lists them)")
    p.add_argument("--to", metavar="FOLDER", help="ComfyUI's models folder, for --get")
    p.add_argument("--yes", action="store_true", help="do not ask before the download")
    p.add_argument("--json", action="store_true", help="print the findings as JSON")


def _doctor(added: Any) -> None:
    def show(args: argparse.Namespace, result: dict[str, Any]) -> None:
        for name, value in result.items():
            print(f"{name:20} {value}")

    p = _command(added, "doctor", commands.doctor, "Versions, device, weights, and what works.", show)
    p.add_argument("--json", action="store_true", help="print the findings as JSON")
