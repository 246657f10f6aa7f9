"""What a run needs to go on exactly where it stopped, in safetensors files without pickles."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from functools import cache
from pathlib import Path
from typing import Any

import torch

from ...control.errors import UserError
from ...models.weights.tensor_file import read_metadata, read_tensors, write_tensors
from .distributed import from_main, is_main
from .ema import EMA, trained_state
from .loop import Loop
from .sharded_files import (
    Saved,
    background_group,
    begin_sharded,
    nothing_left,
    read_sharded,
    saved_tensors,
    write_sharded,
)

FORMAT = "fulldit-training-state-3"


class TrainingState:
    """What every training saves: the network, its averaged weights, its optimizers, and how far the run is.

    `state.safetensors` says how far the run is and names the folder beside it that holds the tensors, in torch's
    distributed checkpoint (safetensors, no pickle): each process writes its share, and any number of processes reads
    them again. Frozen weights are not saved: they are where they came from.
    """

    def __init__(
        self, module: torch.nn.Module, ema: EMA, optimizers: Sequence[torch.optim.Optimizer], loop: Loop
    ) -> None:
        self.module, self.ema, self.optimizers, self.loop = module, ema, optimizers, loop
        self._writing: tuple[Future[Any], Path, dict[str, Any]] | None = None
        self._background = cache(background_group)

    def save(self, path: Path, background: bool = False, **more: Any) -> None:
        """Write all of it, and `more`; the new state takes the place of the old one whole or not at all.

        background: return once the tensors are copied; `finish` publishes what is written. All processes call this.
        """
        self.finish()
        folder = path.with_name(from_main(f"{path.stem}.{uuid.uuid4().hex[:8]}"))
        tree = {"loop": self.loop.state(), "tensors": folder.name, "more": more}
        tensors = self._tensors()
        if background:
            self._writing = (begin_sharded(folder, tensors, self._background()), path, tree)
        else:
            write_sharded(folder, tensors)
            _publish(path, tree)

    def finish(self, wait: bool = True) -> None:
        """Publish what is being written in the background; without `wait` only if it is written."""
        if self._writing is None:
            return
        writing, path, tree = self._writing
        if wait or writing.done():
            self._writing = None
            with nothing_left(path.with_name(tree["tensors"])):
                writing.result()
            _publish(path, tree)

    def load(self, path: Path) -> dict[str, Any]:
        """Take over what `save` wrote, in this or another number of processes; returns its `more`.

        Raises UserError for a state that is damaged or of another network.
        """
        tree = load_tree(path)
        try:
            folder, loop, more = path.with_name(tree["tensors"]), tree["loop"], dict(tree["more"])
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged(path) from error
        saved = saved_tensors(folder)
        read_sharded(folder, {**self._tensors(), **self._optimizer_tensors(saved)}, saved)
        self.loop.load(loop)
        return more

    def _tensors(self) -> dict[str, torch.Tensor]:
        """Return everything by name: `module.NAME`, `ema.NAME`, and `optimizer.NAME.KEY` of the parameter NAME."""
        tensors = {f"module.{name}": value for name, value in trained_state(self.module).items()}
        tensors |= {f"ema.{name}": value for name, value in self.ema.values.items()}
        states = {p: state for optimizer in self.optimizers for p, state in optimizer.state.items()}
        for name, p in self.module.named_parameters():
            tensors |= {f"optimizer.{name}.{key}": value for key, value in states.get(p, {}).items()}
        return tensors

    def _optimizer_tensors(self, saved: Mapping[str, Saved]) -> dict[str, torch.Tensor]:
        """Make room in the optimizers for what they had `saved`; what a parameter had no gradient for, they have not.

        Learning rates and the like are not of it: they are those of the config.
        """
        keys: dict[str, list[str]] = {}
        for entry in saved:
            if entry.startswith("optimizer."):
                name, _, key = entry.removeprefix("optimizer.").rpartition(".")
                keys.setdefault(name, []).append(key)
        names = {p: name for name, p in self.module.named_parameters()}
        for optimizer in self.optimizers:
            optimizer.state.clear()
            for p in (p for group in optimizer.param_groups for p in group["params"]):
                for key in keys.get(names[p], ()):
                    size, dtype = saved[f"optimizer.{names[p]}.{key}"]
                    alike = size == tuple(p.shape)
                    room = torch.zeros_like(p, dtype=dtype) if alike else torch.zeros(size, dtype=dtype)
                    optimizer.state[p][key] = room.detach()
        return {name: value for name, value in self._tensors().items() if name.startswith("optimizer.")}


def _publish(path: Path, tree: dict[str, Any]) -> None:
    """Let the state `path` be `tree` from now on, and remove the tensors of the one before."""
    if is_main():
        save_tree(path, tree)
        for folder in path.parent.glob(f"{path.stem}.*"):
            if folder.is_dir() and folder.name != tree["tensors"]:
                shutil.rmtree(folder, ignore_errors=True)


def _damaged(path: Path) -> UserError:
    return UserError(f"{path} is a damaged training state. Delete it to begin anew, or choose another folder.")


def save_tree(path: Path, tree: dict[str, Any]) -> None:
    """Write nested dicts and lists of tensors, numbers, strings and None. The file appears whole or not at all."""
    tensors: dict[str, torch.Tensor] = {}
    text = json.dumps(take_out_tensors(tree, "state", tensors))
    write_tensors(path, tensors, {"format": FORMAT, "tree": text})


def take_out_tensors(value: Any, name: str, tensors: dict[str, torch.Tensor]) -> Any:
    """Return the value as JSON can hold it, its tensors put into `tensors` under names that begin with `name`."""
    if isinstance(value, torch.Tensor):
        tensors[name] = value.detach().cpu().clone().contiguous()
        return {"__tensor__": name}
    if isinstance(value, dict):  # as a list of pairs, since its keys may be numbers
        return {"__dict__": [[k, take_out_tensors(v, f"{name}/{k}", tensors)] for k, v in value.items()]}
    if isinstance(value, list | tuple):
        return [take_out_tensors(v, f"{name}/{i}", tensors) for i, v in enumerate(value)]
    return value


def load_tree(path: Path) -> dict[str, Any]:
    """Return the tree that `save_tree` wrote. Raises UserError for a file that is cut short or of another format."""
    metadata = read_metadata(path)
    if metadata.get("format") != FORMAT:
        raise UserError(
            f"{path} is not a training state of this version. Delete it to begin anew, or choose another folder."
        )
    try:
        tree = put_back_tensors(json.loads(metadata["tree"]), read_tensors(path))
        if isinstance(tree, dict):
            return tree
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        if isinstance(error, UserError):
            raise
    raise _damaged(path)


def saved_step(path: Path) -> int | None:
    """Return the step at which `TrainingState.save` wrote a file, from its header; None where it does not say."""
    try:
        tree = dict(json.loads(read_metadata(path)["tree"])["__dict__"])
        return int(dict(tree["loop"]["__dict__"])["step"])
    except (ValueError, KeyError, TypeError):
        return None


def put_back_tensors(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """Return the value that `take_out_tensors` took apart."""
    if isinstance(value, dict) and "__tensor__" in value:
        return tensors[value["__tensor__"]]
    if isinstance(value, dict):
        return {k: put_back_tensors(v, tensors) for k, v in value["__dict__"]}
    if isinstance(value, list):
        return [put_back_tensors(v, tensors) for v in value]
    return value
