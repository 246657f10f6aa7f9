"""The door of the command line: options of every kind, with the sampling and the training left out."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from comfyui_fulldit.cli import build_parser, main
from comfyui_fulldit.cli.commands import ASSETS

from .door import READ, REFUSED, Door

WORDS = (
    "0", "-1", "1", "5", "17", "1000000000", "1" * 400, "nan", "inf", "-inf", "1e400", "1e-400", "0.5", "-0.0", "", " ",
    "a", "a" * 300, "a" * 5000, "/", "/dev/null", "/proc/self/mem", "../..", "~", "~nobody", ".", "\ud800", "é", "#2",
    "=", ",", "name=", "=x", "a=b=c,,,", "cpu", "cuda:99", "meta", "auto", "--", "{}", "[", "*", "con", "1,5", "0x10",
    "١٢", "pan_right", "pan_right:1e400", "pan_right:nan", "pan_right:20@0-2", "orbit_left:20,ease=x", "+", "@", ":",
    "%s",
)  # fmt: skip
# What a command needs, and what keeps it short; OUT is where it writes. Options that come again replace these.
BASES = {
    "generate": "--frames 5 --height 32 --width 48 --out OUT",
    "agreement": "assets/mask.mp4 --camera pan_left --out OUT",
    "fit": "assets/mask.mp4 OUT.mp4",
    "export": "OUT --frames 5 --height 32 --width 48",
    "describe": "--frames 5 --height 32 --width 48",
    "train": "generator --config debug --out OUT",
    "bench": "masks",
    "targets": "result.json",
    "gallery": "--out OUT",
    "scene": "--frames 2 --height 16 --width 16 --out OUT",
    "models": "",
    "convert": "model.safetensors OUT.safetensors --layout native",
    "dataset read": "folder clips --out OUT",
    "dataset split": "manifest.jsonl --shortest 0 --without-license take",
    "dataset filter": "manifest.jsonl --without-license take --keep-duplicates",
    "dataset annotate": "manifest.jsonl --without-license take",
    "dataset encode": "manifest.jsonl --without-license take",
}
OFTEN = ("generate", "generate", "generate", "fit", "export", "describe")
# Ray and servers have processes of their own, and help is no work.
LEFT_OUT = ("--workers", "--address", "--captions", "--help", "--quiet")


def options_by_command() -> dict[str, list[argparse.Action]]:
    """Return the options of every command that is attacked, as the parser has them."""

    def walk(parser: argparse.ArgumentParser, name: str) -> Iterator[tuple[str, list[argparse.Action]]]:
        own = [action for action in parser._actions if action.option_strings]
        inner = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
        if not inner:
            yield name, [action for action in own if action.option_strings[-1] not in LEFT_OUT]
        for action in inner:
            for word, below in action.choices.items():
                yield from walk(below, f"{name} {word}".strip())

    return {name: options for name, options in walk(build_parser(), "") if name in BASES}


class CommandDoor(Door):
    """`fulldit COMMAND OPTIONS`: exit code 2 and one line, or what it was asked for."""

    name = "commands"
    seconds = 30.0

    def __init__(self, folder: Path):
        super().__init__(folder)
        self.options = options_by_command()
        assert set(self.options) == set(BASES)
        self._make()
        self.files = [str(path) for path in sorted((folder / "whole").iterdir())]
        self.files += [str(path) for path in sorted(ASSETS.iterdir())]
        self._leave_out_the_work()

    def _make(self) -> None:
        """Write what the commands read: a dataset of two clips and its manifest, a model, a result, an export."""
        for place in ("assets", "clips"):
            (self.whole / place).mkdir()
        shutil.copy(ASSETS / "mask.mp4", self.whole / "assets")
        for name in ("one", "two"):
            shutil.copy(ASSETS / "depth.mp4", self.whole / "clips" / f"{name}.mp4")
            (self.whole / "clips" / f"{name}.txt").write_text(f"{name} thing")
        save_file({"patch_embedding.weight": torch.zeros(2, 2)}, self.whole / "model.safetensors")
        (self.whole / "result.json").write_text(json.dumps({"scenes": 1}))
        size = ["--frames", "5", "--height", "32", "--width", "48", "--fit-time", "resample"]
        export = ["export", str(self.whole / "export"), "--camera", "pan_right", *size, "--quiet"]
        read = ["dataset", "read", "folder", str(self.whole / "clips"), "--out", str(self.whole), "--quiet"]
        assert run(export, self.whole) == run(read, self.whole) == READ

    def _leave_out_the_work(self) -> None:
        """What would take minutes returns at once; whatever is checked before it stays."""
        from comfyui_fulldit.cli import commands
        from comfyui_fulldit.evaluation.control import benchmark, gallery
        from comfyui_fulldit.models import pipeline
        from comfyui_fulldit.training import stages

        def sample(model: Any, noise: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
            return noise

        def decode(self: Any, latent: torch.Tensor) -> np.ndarray:
            _, _, t, h, w = latent.shape
            return np.zeros((4 * t - 3, 8 * h, 8 * w, 3), np.float32)

        pipeline.sample = sample
        pipeline.Pipeline.decode = decode  # type: ignore[method-assign]
        stages.run_stage = lambda *_: {"finished": True}  # type: ignore[assignment]
        for name in ("_bench_masks", "_bench_camera", "_bench_depth"):
            commands.BENCHMARKS[name.removeprefix("_bench_")] = lambda args: {}
        commands.BENCHMARKS["control"] = lambda args: {}
        gallery.run_gallery = lambda *_, **__: {}
        benchmark.run_control = lambda *_, **__: {}  # type: ignore[assignment]

    def attack(self, chance: Random) -> str:
        for path in self.folder.glob("out*"):  # what was written before must not stand in the way
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        command = chance.choice((*OFTEN, *BASES))
        base = BASES[command].replace("OUT", str(self.folder / "out")).split()
        base = [str(self.whole / word) if (self.whole / word).exists() else word for word in base]
        arguments = [*command.split(), *base, "--quiet"]
        if chance.random() < 0.15:  # another file, or what is none
            at = chance.randrange(len(arguments))
            arguments[at] = chance.choice((*WORDS, *self.files))
        for _ in range(chance.choice((1, 1, 2, 3))):
            arguments += self._option(chance.choice(self.options[command]), chance)
        self.last = " ".join(arguments)[:600]
        return run(arguments, self.folder)

    def _option(self, action: argparse.Action, chance: Random) -> list[str]:
        """Return an option with a value of any kind."""
        name = action.option_strings[-1]
        if action.nargs == 0:
            return [name]
        if action.choices is not None and chance.random() < 0.7:
            return [name, str(chance.choice(list(action.choices)))]
        value = chance.choice(WORDS) if chance.random() < 0.6 else chance.choice(self.files)
        if name == "--identity" and chance.random() < 0.5:
            value = ",".join(chance.choice((*self.files, *WORDS)) for _ in range(chance.choice((1, 2, 3, 4))))
        return [name, value]


def run(arguments: list[str], folder: Path) -> str:
    """Run a command in a folder; READ for exit code 0, REFUSED for 2 with one line that says why."""
    out, error = io.StringIO(), io.StringIO()
    before = os.getcwd()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
            code = main(arguments)
    except SystemExit as exit:  # argparse, which prints usage first
        assert exit.code == 2, exit.code
        return REFUSED
    finally:
        os.chdir(before)
    if code == 0:
        return READ
    lines = [line for line in error.getvalue().splitlines() if not line.startswith("warning:")]
    assert code == 2 and len(lines) == 1 and lines[0].startswith("fulldit: "), (code, error.getvalue()[-800:])
    return REFUSED
