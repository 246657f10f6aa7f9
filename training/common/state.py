"""What a run needs to go on exactly where it stopped, in one safetensors file without pickles."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ...control.errors import UserError
from ...models.weights.tensor_file import read_metadata, read_tensors, write_tensors
from .ema import EMA
from .loop import Loop

FORMAT = "fulldit-training-state-2"


@dataclass
class TrainingState:
    """What every training saves: the network, its averaged weights, its optimizers, and how far the run is."""

    module: torch.nn.Module
    ema: EMA
    optimizers: Sequence[torch.optim.Optimizer]
    loop: Loop

    def save(self, path: Path, **more: Any) -> None:
        """Write all of it, and `more`, to one file, which appears whole or not at all."""
        tree = {
            "module": self.module.state_dict(),
            "ema": self.ema.values,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "loop": self.loop.state(),
            "more": more,
        }
        save_tree(path, tree)

    def load(self, path: Path) -> dict[str, Any]:
        """Take over what `save` wrote; returns its `more`."""
        tree = load_tree(path)
        self.module.load_state_dict(tree["module"])
        self.ema.load(tree["ema"])
        for optimizer, state in zip(self.optimizers, tree["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        self.loop.load(tree["loop"])
        return dict(tree["more"])


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
    tree = put_back_tensors(json.loads(metadata["tree"]), read_tensors(path))
    assert isinstance(tree, dict)
    return tree


def put_back_tensors(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """Return the value that `take_out_tensors` took apart."""
    if isinstance(value, dict) and "__tensor__" in value:
        return tensors[value["__tensor__"]]
    if isinstance(value, dict):
        return {k: put_back_tensors(v, tensors) for k, v in value["__dict__"]}
    if isinstance(value, list):
        return [put_back_tensors(v, tensors) for v in value]
    return value
