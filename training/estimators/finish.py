"""What follows the estimators' training: centered features, how well they see, the file."""

from __future__ import annotations

from pathlib import Path

import torch
from einops import rearrange

from ...evaluation.held_out_scenes import held_out_scenes
from ...models.estimators.estimators_file import Estimators, save_estimators
from ...models.estimators.judge import METRICS, Judge
from ...models.estimators.layers import SIZE
from ...models.estimators.metrics import mean_and_error
from .settings import EstimatorSettings
from .tasks import Bank


def finish(estimators: Estimators, bank: Bank, settings: EstimatorSettings, steps: dict[str, int], out: Path) -> Path:
    """Center the features, note how the estimators were trained and how well they see; returns the written file."""
    center_features(estimators, bank)
    estimators.about = {
        "clips": len(bank["frames"]),
        "steps": steps,
        "minutes": {name: settings.stages[name].minutes for name in settings.order},
        "seed": settings.seed,
        **held_out_floors(Judge(estimators), settings.held_out, settings.data.frames),
    }
    return save_estimators(out / "fulldit_mini_estimators.safetensors", estimators)


@torch.no_grad()
def center_features(estimators: Estimators, bank: Bank) -> None:
    """Make the mean of perception's features over the first clips of the bank zero."""
    mean = estimators.perception.mean
    assert isinstance(mean, torch.Tensor)
    mean.zero_()
    features = [
        estimators.perception(rearrange(clips, "n k c h w -> (n k) c h w").float() / 255, clips=len(clips)).features
        for clips in torch.split(bank["frames"][:256], 16)
    ]
    mean.copy_(torch.cat(features).mean(0))


def held_out_floors(judge: Judge, count: int, frames: int, first: int = 1_000_000) -> dict[str, dict[str, float]]:
    """Return what the judge says of `count` renders: `floor` against their own controls, `mismatch` against another's.

    An estimator is good enough when its floor is far below its mismatch. The scenes are not those of the benchmark.
    """
    scenes = list(held_out_scenes(count, frames, *SIZE, first=first))
    result: dict[str, dict[str, float]] = {}
    for name, shift in (("floor", 0), ("mismatch", 1)):
        values = [
            judge.measure(scene.frames, scenes[(index + shift) % count].conditions).values
            for index, scene in enumerate(scenes)
        ]
        means = {metric: mean_and_error([value[metric] for value in values])[0] for metric in METRICS}
        result[name] = {metric: round(mean, 4) for metric, mean in means.items() if mean is not None}
    return result
