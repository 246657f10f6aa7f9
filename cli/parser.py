"""What can be asked of `fulldit`: commands and their options; those of conditions come from their registry."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from ..control.camera.formats import FORMATS
from ..control.conditions import CONDITIONS
from ..control.fit import SpaceFit, TimeFit
from ..control.fit_video import TimeMode
from . import commands
from .bench_parser import add_bench
from .dataset_parser import add_dataset

OVERLAP = "frames that neighboring windows share (default: about half)"


def build_parser() -> argparse.ArgumentParser:
    """Return the whole command line. A parsed command has `work`, `json` and `show` (what prints the result)."""
    parser = argparse.ArgumentParser(prog="fulldit", description="Video under camera, identity and depth control.")
    added = parser.add_subparsers(dest="command", required=True)
    for add in (
        _generate,
        _agreement,
        _fit,
        _upscale,
        _export,
        _describe,
        _train,
        _tune,
        _models,
        _convert,
        _doctor,
    ):
        add(added)
    add_bench(added, _command)
    add_dataset(added, _command)
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


def _add_fit(p: argparse.ArgumentParser) -> None:
    """Add how conditions are brought to the video, and the folder that they may come from."""
    p.add_argument("--bundle", metavar="FOLDER", help="all conditions from a folder that `fulldit export` wrote")
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


def _add_video(p: argparse.ArgumentParser, own: str) -> None:
    _add_size(p, own)
    p.add_argument("--fps", type=float, help=f"frames per second of the video (default: the camera file's, else {own})")


def _add_size(p: argparse.ArgumentParser, own: str) -> None:
    p.add_argument("--frames", type=int, help=f"length of the video (default: {own})")
    p.add_argument("--height", type=int, help=f"height in pixels (default: {own})")
    p.add_argument("--width", type=int, help=f"width in pixels (default: {own})")


def _generate(added: Any) -> None:
    def show(args: argparse.Namespace, result: dict[str, Any]) -> None:
        for path in result["files"].values():
            print(path)

    p = _command(added, "generate", commands.generate, "Generate a video under any combination of conditions.", show)
    p.add_argument("--demo", action="store_true", help="the files in assets/ for whatever is not given, and --compare")
    p.add_argument(
        "--prompt", help="what the video shows; a story has time spans: '0-2s: a red ball | 2s-end: a blue ball'"
    )
    p.add_argument("--story", metavar="FILE", help="a story as text or JSON, instead of --prompt")
    _add_conditions(p)
    _add_fit(p)
    p.add_argument("--seed", type=int, help="default: 0")
    p.add_argument("--steps", type=int, help="sampling steps (default: the checkpoint's)")
    p.add_argument("--guidance", type=float, help="classifier-free guidance (default: the checkpoint's)")
    p.add_argument(
        "--first-frame-pass",
        type=float,
        metavar="SHARE",
        help="share of the steps that settle the first frame; the rest follows from it (default: the checkpoint's)",
    )
    p.add_argument("--window", type=int, metavar="FRAMES", help="for long clips: so many frames at a time, 4k+1")
    p.add_argument("--overlap", type=int, metavar="FRAMES", help=OVERLAP)
    p.add_argument(
        "--upscale", type=int, metavar="FACTOR", help="then the video once more with sides so much longer: 2"
    )
    p.add_argument("--upsampler", metavar="FILE", help="the upsampler checkpoint of --upscale")
    p.add_argument(
        "--key-frames",
        type=int,
        metavar="N",
        help="for long clips: every N-th frame first, as a clip of its own, then what lies between",
    )
    p.add_argument("--compare", action="store_true", help="the same seed with each condition taken away, in the sheet")
    _add_video(p, "the checkpoint's")
    p.add_argument(
        "--checkpoint",
        metavar="FILE",
        help="generator and text encoder (default: the embedded ones; fulldit_mini_few_steps: their faster kin)",
    )
    p.add_argument("--model", metavar="FILE", help="a plain Wan text-to-video model, with --condition-file and --vae")
    p.add_argument("--condition-file", metavar="FILE", help="what makes a FullDiT of the Wan model")
    p.add_argument("--low-noise-model", metavar="FILE", help="the other expert, where --model is the high-noise one")
    p.add_argument("--low-noise-condition-file", metavar="FILE", help="what belongs to the low-noise expert")
    _add_files(p)
    p.add_argument("--out", default="outputs/generate", metavar="FOLDER")
    p.add_argument("--json", action="store_true", help="print the report")


def _print_report(args: argparse.Namespace, result: dict[str, Any]) -> None:
    for line in [*result.get("lines", []), *result.get("report", [])]:
        print(line)


def _agreement(added: Any) -> None:
    text = "What was asked of a finished video, and what came out, as an image and JSON."
    p = _command(added, "agreement", commands.agreement, text, _print_report)
    p.add_argument("video", metavar="VIDEO", help="a video or a folder of images, with a frame per frame asked for")
    _add_conditions(p)
    _add_fit(p)
    _add_video(p, "the embedded model's")
    p.add_argument(
        "--estimators",
        default="auto",
        choices=("auto", "embedded", "connected"),
        help="embedded: those of this pack; connected: only what --found-... gives; auto: embedded for small videos",
    )
    p.add_argument("--found-camera", metavar="FILE", help="the camera path of the finished video")
    p.add_argument("--found-depth", metavar="FILE", help="the depth of the finished video")
    p.add_argument(
        "--found-mask",
        action="append",
        metavar="FILE",
        help="masks of an identity in the finished video, in the order of the identities; - for none",
    )
    p.add_argument("--out", default="outputs/agreement", metavar="FOLDER")
    p.add_argument("--json", action="store_true", help="print the report as JSON")


def _fit(added: Any) -> None:
    text = "A video at another size, length and frame rate, and what that cost."
    p = _command(added, "fit", commands.fit, text, _print_report)
    p.add_argument("video", metavar="VIDEO", help="a video or a folder of images")
    p.add_argument("to", metavar="FILE", help="the video to write (.mp4)")
    _add_size(p, "its own, made to fit")
    p.add_argument("--fps", type=float, help="frames per second of the result (default: its own)")
    p.add_argument("--source-fps", type=float, help="frames per second of the video (default: what its file says)")
    p.add_argument("--start", type=float, default=0.0, metavar="SECONDS", help="where the result begins (default: 0)")
    p.add_argument(
        "--time",
        default=TimeMode.SPEED.value,
        choices=[mode.value for mode in TimeMode],
        help="which moment each new frame shows (default: keep_speed)",
    )
    p.add_argument("--fit-space", default=SpaceFit.CROP.value, choices=[fit.value for fit in SpaceFit])
    p.add_argument("--json", action="store_true", help="print what was done as JSON")


def _upscale(added: Any) -> None:
    text = "A video with longer sides, by an upsampler checkpoint and windows over time."
    p = _command(added, "upscale", commands.upscale, text, _print_report)
    p.add_argument("video", metavar="VIDEO", help="a video or a folder of images")
    p.add_argument("to", metavar="FILE", help="the video to write (.mp4)")
    p.add_argument(
        "--checkpoint", required=True, metavar="FILE", help="the upsampler: training.md says how to make one"
    )
    p.add_argument("--factor", type=int, default=2, help="how many times as long the sides become (default: 2)")
    p.add_argument("--prompt", default="", help="what the video shows")
    p.add_argument("--noise", type=float, default=0.0, help="0..1: the more, the more is made anew (default: 0)")
    p.add_argument("--fps", type=float, help="frames per second of the video (default: what its file says)")
    p.add_argument("--seed", type=int, help="default: 0")
    p.add_argument("--steps", type=int, help="sampling steps (default: the checkpoint's)")
    p.add_argument("--guidance", type=float, help="classifier-free guidance (default: the checkpoint's)")
    p.add_argument("--window", type=int, metavar="FRAMES", help="so many frames at a time (default: as it was trained)")
    p.add_argument("--overlap", type=int, metavar="FRAMES", help=OVERLAP)
    _add_files(p)
    p.add_argument("--json", action="store_true", help="print what was done as JSON")


def _add_files(p: argparse.ArgumentParser) -> None:
    """Add what a checkpoint runs with."""
    p.add_argument("--text-encoder", metavar="FILE", help="the Wan model's UMT5; needs transformers and sentencepiece")
    p.add_argument("--vae", metavar="FILE", help="VAE (default: the embedded one)")
    p.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")


def _export(added: Any) -> None:
    text = "All conditions in one folder: the camera for other programs, masks and depth as images, a manifest."
    p = _command(added, "export", commands.export, text, _print_report)
    _add_conditions(p)
    _add_fit(p)
    _add_video(p, "the embedded model's")
    p.add_argument("to", metavar="FOLDER", help="the folder to write, which must not exist")
    formats = [name for name, entry in FORMATS.items() if entry.writable]
    p.add_argument("--camera-format", default="transforms", choices=formats, help="the camera file for other programs")
    p.add_argument("--no-videos", action="store_true", help="no MP4 beside the images")
    p.add_argument("--json", action="store_true", help="print what was written as JSON")


def _describe(added: Any) -> None:
    def show(args: argparse.Namespace, result: dict[str, Any]) -> None:
        print(result.get("request", result["camera"]))

    text = "A camera path in plain words; with --prompt, what to ask a language model for a full caption."
    p = _command(added, "describe", commands.describe, text, show)
    _add_conditions(p)
    _add_fit(p)
    _add_video(p, "the embedded model's")
    p.add_argument("--prompt", help="a short prompt: print the request for a caption that agrees with the conditions")
    p.add_argument(
        "--form", default="structured", choices=("structured", "paragraph"), help="of the caption (default: structured)"
    )
    p.add_argument("--json", action="store_true", help="print both as JSON")


def _train(added: Any) -> None:
    text = "Train: VAE, data, generator, estimators, or all of them; resumes where it stopped."
    p = _command(added, "train", commands.train, text, _print_report)
    p.add_argument("stage", choices=("all", "vae", "data", "generator", "estimators"))
    p.add_argument("--config", default="cpu", help="cpu, gpu, debug, or a JSON file of the stage")
    p.add_argument("--out", metavar="FOLDER", help="default: runs/CONFIG")
    p.add_argument("--ship", action="store_true", help="copy the finished weights to checkpoints/")
    p.add_argument(
        "--dry-run", action="store_true", help="of the generator: memory, traffic and time of a step, by computation"
    )
    p.add_argument("--ranks", type=int, default=1, help="of --dry-run: so many processes are simulated (default: 1)")
    p.add_argument("--clips", type=int, help="of --dry-run: clips of each process at a time (default: the config's)")
    p.add_argument("--json", action="store_true", help="print the result")


def _tune(added: Any) -> None:
    text = "Tune a model on one video under its conditions, or on a folder of videos; goes on where it stopped."
    p = _command(added, "tune", commands.tune, text, _print_report)
    p.add_argument("video", metavar="VIDEO", help="a video; or a folder of videos with texts, or with a manifest.jsonl")
    p.add_argument("--prompt", help="what the one video shows")
    _add_conditions(p)
    _add_fit(p)
    _add_video(p, "the checkpoint's")
    p.add_argument("--checkpoint", metavar="FILE", help="what to begin with (default: the embedded one)")
    p.add_argument("--model", metavar="FILE", help="begin with a plain Wan instead, with --vae and --text-encoder")
    p.add_argument("--condition-file", metavar="FILE", help="go on from what makes a FullDiT of the Wan model")
    p.add_argument("--text-encoder", metavar="FOLDER", help="the Wan model's UMT5, as transformers loads it")
    p.add_argument("--vae", metavar="FILE", help="VAE of the model (default: the embedded one)")
    p.add_argument("--steps", type=int, default=200, help="how long it learns (default: 200)")
    p.add_argument("--learning-rate", type=float, help="default: 0.005, for a Wan 0.0001")
    p.add_argument("--rank", type=int, default=16, help="of the LoRA (default: 16)")
    p.add_argument("--batch", type=int, default=2, help="clips in each step (default: 2)")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--tokenizers", action="store_true", help="train the condition tokenizers too; new ones always are")
    p.add_argument("--anew", action="store_true", help="do not go on from an earlier run in the folder")
    p.add_argument("--out", default="runs/tuned", metavar="FOLDER", help="of the run; the file is FOLDER.safetensors")
    p.add_argument("--json", action="store_true", help="print what was learned as JSON")


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


def _convert(added: Any) -> None:
    def show(args: argparse.Namespace, result: dict[str, Any]) -> None:
        print(result["path"])

    text = "Write a Wan or FullDiT in another layout: ours and ComfyUI's, or that of diffusers."
    p = _command(added, "convert", commands.convert, text, show)
    p.add_argument("source", metavar="FILE", help="the model: its file, its parts or their folder")
    p.add_argument("to", metavar="TO", help="what to write: a .safetensors file (native), or a folder (diffusers)")
    p.add_argument("--layout", required=True, choices=("native", "diffusers"))
    p.add_argument("--condition-file", metavar="FILE", help="put this onto the Wan first: a whole FullDiT is written")
    p.add_argument("--json", action="store_true", help="print what was written as JSON")


def _doctor(added: Any) -> None:
    def show(args: argparse.Namespace, result: dict[str, Any]) -> None:
        for name, value in result.items():
            print(f"{name:20} {value}")

    p = _command(added, "doctor", commands.doctor, "Versions, device, weights, and what works.", show)
    p.add_argument("--json", action="store_true", help="print the findings as JSON")
