"""The figures of a run in TensorBoard or Weights & Biases, besides the log that every run has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from ...control.errors import UserError

Tracker = Literal["none", "tensorboard", "wandb"]
Add = Callable[[int, dict[str, float]], None]


def open_tracker(kind: Tracker, folder: Path, settings: Mapping[str, Any]) -> Add:
    """Return what takes the figures of a step: `add(step, {"loss": 0.5, "held_out/depth": 0.4})`.

    Raises UserError where the library is not installed.
    """
    if kind == "tensorboard":
        return _tensorboard(folder)
    if kind == "wandb":
        return _wandb(folder, settings)
    return lambda _step, _figures: None


def _tensorboard(folder: Path) -> Add:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UserError("tracker is 'tensorboard', which is not installed: pip install tensorboard") from error
    writer = SummaryWriter(str(folder / "tensorboard"))

    def add(step: int, figures: dict[str, float]) -> None:
        for name, value in figures.items():
            writer.add_scalar(name, value, step)
        writer.flush()

    return add


def _wandb(folder: Path, settings: Mapping[str, Any]) -> Add:
    try:
        import wandb
    except ImportError as error:
        raise UserError("tracker is 'wandb', which is not installed: pip install wandb") from error
    run = wandb.init(project="fulldit", dir=str(folder), name=folder.parent.name, config=dict(settings), resume="allow")

    def add(step: int, figures: dict[str, float]) -> None:
        run.log(figures, step=step)

    return add


def flat_figures(values: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """Return the numbers of a line of the log by name, those of a part as `part/name`."""
    figures: dict[str, float] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            figures |= flat_figures(value, f"{prefix}{name}/")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            figures[prefix + name] = float(value)
    return figures
