"""What a run leaves for its reader: a JSON-lines log, a plot of the losses, sheets of samples."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange, repeat

from ...control.errors import UserError
from ...control.files import atomic_path, room_for
from ...control.media import write_image


class Log:
    """One JSON object per line, written at once. Lines after `step` are dropped on resuming: they will come again."""

    def __init__(self, path: Path, step: int = 0):
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        kept = [line for line in read_log(self.path) if line.get("step", 0) <= step] if step else []
        with atomic_path(self.path) as part:
            part.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")

    def write(self, **values: Any) -> None:
        """Append one line; numbers are rounded to six digits."""
        with room_for(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(rounded(values)) + "\n")

    def lines(self) -> list[dict[str, Any]]:
        """Return all lines so far."""
        return read_log(self.path)


def rounded(value: Any) -> Any:
    """Return the value with its floats rounded to six digits, through dicts and lists."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(v) for v in value]
    return value


def read_log(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a log; a last line cut by a crash is left out."""
    lines = []
    if Path(path).exists():
        for line in Path(path).read_text(encoding="utf-8").splitlines():
            try:
                lines.append(json.loads(line))
            except json.JSONDecodeError:
                break
    return lines


def plot_losses(log: Path, image: Path) -> None:
    """Draw the training loss and the held-out losses over the steps. Raises UserError where matplotlib is missing."""
    try:
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise UserError("The loss plot needs matplotlib: pip install 'comfyui-fulldit[train]'") from error
    lines = read_log(log)
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.5))
    train = [line for line in lines if "loss" in line]
    left.plot([line["step"] for line in train], [line["loss"] for line in train], color="0.3")
    left.set(xlabel="step", ylabel="loss", title="training, all subsets and times")
    held = [line for line in lines if "held_out" in line]
    for name in held[0]["held_out"] if held else ():
        right.plot([line["step"] for line in held], [line["held_out"][name] for line in held], label=name)
    right.set(xlabel="step", title="held-out clips, t = 0.8, averaged weights")
    if held:
        right.legend()
    figure.tight_layout()
    with atomic_path(image) as part:
        figure.savefig(part, dpi=80)
    plt.close(figure)


def write_sheet(path: Path, rows: Sequence[torch.Tensor], columns: int = 5, scale: int = 2) -> None:
    """Write an image with one clip (3, F, H, W) in [0, 1] per row, `columns` of its frames from first to last."""
    strips = []
    for clip in rows:
        frames = rearrange(clip.float().clamp(0, 1), "c f h w -> f h w c").cpu().numpy()
        chosen = frames[np.linspace(0, len(frames) - 1, columns).round().astype(int)]
        framed = np.pad(chosen, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=1.0)
        strips.append(rearrange(framed, "f h w c -> h (f w) c"))
    sheet = repeat(np.concatenate(strips, 0), "h w c -> (h y) (w x) c", y=scale, x=scale)
    write_image(path, sheet)
