"""What a run needs to go on exactly where it stopped, in one safetensors file without pickles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from ...control.errors import UserError
from ...models.weights.tensor_file import read_metadata, read_tensors, write_tensors

MARK = "fulldit-training-state"


def save_state(path: Path, tree: dict[str, Any]) -> None:
    """Write nested dicts and lists of tensors, numbers, strings and None. The file appears whole or not at all."""
    tensors: dict[str, torch.Tensor] = {}

    def strip(value: Any, name: str) -> Any:
        if isinstance(value, torch.Tensor):
            tensors[name] = value.detach().cpu().clone().contiguous()
            return {"__tensor__": name}
        if isinstance(value, dict):
            return {"__dict__": [[k, strip(v, f"{name}/{k}")] for k, v in value.items()]}  # keys may be numbers
        if isinstance(value, list | tuple):
            return [strip(v, f"{name}/{i}") for i, v in enumerate(value)]
        return value

    text = json.dumps(strip(tree, "state"))
    write_tensors(path, tensors, {"format": MARK, "tree": text})


def load_state(path: Path) -> dict[str, Any]:
    """The tree that `save_state` wrote. Raises UserError for a file that is cut short or of another kind."""
    metadata = read_metadata(path)
    if metadata.get("format") != MARK:
        raise UserError(f"{path} is not a training state. Delete it, or start a run in another folder.")
    tensors = read_tensors(path)

    def restore(value: Any) -> Any:
        if isinstance(value, dict) and "__tensor__" in value:
            return tensors[value["__tensor__"]]
        if isinstance(value, dict):
            return {k: restore(v) for k, v in value["__dict__"]}
        if isinstance(value, list):
            return [restore(v) for v in value]
        return value

    return restore(json.loads(metadata["tree"]))
