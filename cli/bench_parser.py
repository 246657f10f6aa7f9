"""What can be asked of `fulldit bench` and its kin: figures, galleries and scenes of the procedural world."""

from __future__ import annotations

import argparse
from typing import Any

from . import commands
from .dataset_parser import Command

FAMILIES = ("seen", "unseen")


def add_bench(added: Any, command: Command) -> None:
    """Add the commands; `command` makes a parser that calls a function."""
    for add in (_bench, _targets, _gallery, _scene):
        add(added, command)


def _add_measured(p: argparse.ArgumentParser) -> None:
    """Add what a command that measures weights takes."""
    p.add_argument("--family", default="seen", choices=FAMILIES, help="unseen: what training never shows")
    p.add_argument("--checkpoint", metavar="FILE", help="default: the embedded one")
    p.add_argument("--vae", metavar="FILE", help="default: the embedded one")
    p.add_argument("--estimators", metavar="FILE", help="what is measured with (default: the embedded ones)")
    p.add_argument("--world", type=int, default=2, help="2 (default), or 3, which has figures and sounds")
    for name in ("frames", "height", "width"):
        p.add_argument(f"--{name}", type=int, help="of the scenes (default: the checkpoint's)")


def _bench(added: Any, command: Command) -> None:
    text = "Measure how well a checkpoint obeys, or how well the tools work, on held-out scenes."
    p = command(added, "bench", commands.bench, text)
    p.add_argument(
        "what",
        choices=tuple(commands.BENCHMARKS),
        help="control: how well a checkpoint obeys; blocks: which of its blocks conditions need most;"
        " camera: files, rays, paths from video; depth: flicker, chunks, memory; masks: in-betweens and masks"
        " carried along a video; speed: the networks beside diffusers' and ComfyUI's;"
        " trust: whether paths and masks say it where they are wrong; upscale: an upsampler beside bicubic",
    )
    _add_measured(p)
    p.add_argument("--scenes", type=int, help="default: 16, for masks and blocks 4, for upscale 8")
    p.add_argument("--steps", type=int, help="default: 10, for upscale the checkpoint's")
    p.add_argument("--device", default="auto", help="for speed: cpu, cuda, ... (default: auto)")
    p.add_argument("--full", action="store_true", help="64 scenes at the default steps, resumable")
    p.add_argument("--masks", default="exact", choices=("exact", "painted"), help="painted: painted masks besides")
    p.add_argument(
        "--rows",
        metavar="NAMES",
        help="for control: own (camera, identity, depth in all sets), known, source, control or one of their trials,"
        " such as known.first,control.canny (default: all that the checkpoint knows)",
    )
    p.add_argument("--first-frame-pass", type=float, metavar="SHARE", help="as of generate (default: the checkpoint's)")
    p.add_argument("--unseen", metavar="FILE", help="the figures of the unseen family, for the table of targets")
    p.add_argument("--card", metavar="FILE", help="fill the table of this model card")
    p.add_argument("--json", metavar="FILE", help="write the figures here")


def _targets(added: Any, command: Command) -> None:
    text = "Which targets a result of `bench control` meets, as a table."
    p = command(added, "targets", commands.targets, text)
    p.add_argument("result", metavar="FILE", help="what bench control --json wrote")
    p.add_argument("--unseen", metavar="FILE", help="what it wrote for --family unseen")
    p.add_argument("--json", action="store_true", help="print the targets as JSON")


def _gallery(added: Any, command: Command) -> None:
    text = "Held-out scenes as images and animations, with each condition taken away."
    p = command(added, "gallery", commands.gallery, text, _print_folder)
    _add_measured(p)
    p.add_argument("--scenes", type=int, default=4, help="so many as they come")
    p.add_argument("--pool", type=int, default=16, help="the worst of so many are shown as well")
    p.add_argument("--steps", type=int, help="sampling steps (default: the checkpoint's)")
    p.add_argument("--out", default="outputs/gallery", metavar="FOLDER")
    p.add_argument("--json", action="store_true", help="print what was written")


def _scene(added: Any, command: Command) -> None:
    text = "Render a scene of the procedural world and its conditions to files."
    p = command(added, "scene", commands.scene, text, _print_folder)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--frames", type=int, default=17)
    p.add_argument("--height", type=int, default=64)
    p.add_argument("--width", type=int, default=96)
    p.add_argument("--camera", action="append", metavar="KIND", help="draw the movement from these kinds only")
    p.add_argument("--objects", type=int, help="exactly so many objects, 0 to 3")
    p.add_argument("--family", default="seen", choices=FAMILIES, help="unseen: what training never shows")
    p.add_argument("--world", type=int, default=2, help="2: the embedded weights' (default), 3: their successors'")
    p.add_argument("--out", default="outputs/scene", metavar="FOLDER")
    p.add_argument("--json", action="store_true", help="print what was written")


def _print_folder(args: argparse.Namespace, result: dict[str, Any]) -> None:
    print(args.out)
