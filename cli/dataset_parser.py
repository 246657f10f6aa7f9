"""What can be asked of `fulldit dataset`: from what people have to shards that training reads."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from ..control.camera.from_video import METHODS
from . import dataset

Command = Callable[..., argparse.ArgumentParser]


def add_dataset(added: Any, command: Command) -> None:
    """Add the command and its parts; `command` makes a parser that calls a function."""
    text = "Datasets: read public ones, filter, annotate, and encode them for training."
    parts = added.add_parser("dataset", help=text, description=text).add_subparsers(dest="part", required=True)
    for add in (_read, _split, _filter, _annotate, _encode):
        add(parts, command)


def _show(args: argparse.Namespace, result: dict[str, Any]) -> None:
    for line in result["lines"]:
        print(line)


def _read(added: Any, command: Command) -> None:
    from ..dataset.readers import READERS

    p = command(added, "read", dataset.read, "Make a manifest, one JSON line a clip, of a dataset.", _show)
    layouts = "; ".join(f"{name}: {reader.doc}" for name, reader in READERS.items())
    p.add_argument("layout", choices=tuple(READERS), metavar="LAYOUT", help=layouts)
    p.add_argument("root", metavar="FOLDER", help="where the dataset is")
    p.add_argument("--out", required=True, metavar="FOLDER", help="where manifest.jsonl is written")
    p.add_argument("--license", default="", help="of the clips, where the dataset does not state it")
    p.add_argument("--fps", type=float, help="frames per second, where the dataset does not state them")
    p.add_argument("--json", action="store_true", help="print the result as JSON")


def _add_manifest(p: argparse.ArgumentParser, name: str) -> None:
    from ..dataset.manifest import WITHOUT_LICENSE

    p.add_argument("manifest", metavar="FILE", help="a manifest")
    p.add_argument("--name", default=name, help=f"of the result: NAME.jsonl and NAME/ beside it (default: {name})")
    p.add_argument("--without-license", default="skip", choices=WITHOUT_LICENSE, help="clips that have none")
    p.add_argument("--json", action="store_true", help="print the result as JSON")


def _add_workers(p: argparse.ArgumentParser) -> None:
    p.add_argument("--workers", type=int, default=0, help="processes of Ray; 0: this one, without Ray (default)")
    p.add_argument("--address", help="of a Ray cluster, instead of Ray on this machine")


def _split(added: Any, command: Command) -> None:
    p = command(added, "split", dataset.split, "Cut videos into clips of one shot each.", _show)
    _add_manifest(p, "shots")
    p.add_argument("--shortest", type=float, default=3.0, metavar="SECONDS", help="shorter shots are left out (3)")
    p.add_argument("--longest", type=float, default=15.0, metavar="SECONDS", help="longer ones are cut up (15)")


def _filter(added: Any, command: Command) -> None:
    from ..dataset.filters.thresholds import Thresholds

    p = command(
        added, "filter", dataset.filter_clips, "Measure clips, and take out those beyond the thresholds.", _show
    )
    _add_manifest(p, "filtered")
    _add_workers(p)
    for name, (low, high) in vars(Thresholds()).items():
        own = f"{'' if low is None else f'{low:g}'}..{'' if high is None else f'{high:g}'}"
        p.add_argument(f"--{name}", metavar="LOW..HIGH", help=f"what is kept (default: {own})")
    p.add_argument("--measure-text", action="store_true", help="measure how much text covers (needs EasyOCR)")
    p.add_argument("--aesthetics-model", default="", metavar="FOLDER", help="CLIP, with a predictor head.safetensors")
    p.add_argument("--keep-duplicates", action="store_true", help="do not compare the clips with each other")


def _annotate(added: Any, command: Command) -> None:
    p = command(added, "annotate", dataset.annotate, "Estimate what clips lack.", _show)
    _add_manifest(p, "annotated")
    _add_workers(p)
    p.add_argument("--camera", default="", choices=METHODS, help="estimate cameras from the videos")
    p.add_argument("--doubtful", type=float, default=0.5, help="share of doubtful frames that a camera may have")
    p.add_argument("--units", action="store_true", help="compare cameras of an unknown unit with their videos")
    p.add_argument(
        "--depth", default="", metavar="NAME", help="small, depth_anything:FOLDER, moge:FOLDER or da3:FOLDER"
    )
    p.add_argument("--masks", default="", choices=("small",), help="find objects and carry their masks along")
    p.add_argument("--captions", metavar="URL|FOLDER", help="a server with OpenAI's API (URL/v1), or a local model")
    p.add_argument("--captions-model", default="", metavar="NAME", help="the model on the server")


def _encode(added: Any, command: Command) -> None:
    p = command(added, "encode", dataset.encode, "Encode clips into WebDataset shards for training.", _show)
    _add_manifest(p, "encoded")
    _add_workers(p)
    p.add_argument("--model", default="mini-cpu", help="a preset or checkpoint: size, rate and conditions")
    p.add_argument("--vae", metavar="FILE", help="default: the embedded one")
    p.add_argument(
        "--text", default="", metavar="FOLDER", help="a (U)MT5 of transformers: cache its states of captions"
    )
    p.add_argument("--to", metavar="FOLDER", help="where the shards go (default: NAME/shards)")
    p.add_argument("--per-shard", type=int, default=256, metavar="CLIPS", help="clips in a shard (default: 256)")
    p.add_argument(
        "--held-out",
        default="",
        metavar="SHARE|FILE",
        help="clips to measure a training on, into held_out beside the shards: a share such as 0.02, or a file with an "
        "id or video a line; whole videos, pairs and scenes, so that nothing is in both",
    )
    p.add_argument("--held-out-seed", type=int, default=0, metavar="SEED", help="which videos a share takes (0)")
