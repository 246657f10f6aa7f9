"""Trains the estimators one after the other: perception, identity, and camera, which builds on perception.

Every stage has a budget of steps and of minutes of computing (processor time over threads, so that a busy machine does
not shorten the training) and a learning rate that is zero when the first of the two is used up. What a stage saves is
enough to go on exactly where it stopped. A batch is a function of the seed and the step.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import torch

from ...evaluation.control.judge import METRICS, Judge
from ...evaluation.held_out_scenes import held_out_scenes
from ...evaluation.metrics import mean_and_error
from ...models.estimators.estimators_file import Estimators, save_estimators
from ...models.estimators.layers import SIZE
from ..common.log import Log
from ..common.optimizers import Average, optimizers, rate, set_rate
from ..common.settings import read_settings
from ..common.state import load_state, save_state
from .estimator_clips import add_seen_disparity, load_bank
from .tasks import LOSSES


@dataclass(frozen=True)
class EstimatorSettings:
    """A config of the stage. `data`: clips, shard, frames, minutes. Each of `stages`: steps, minutes, batch, lr."""

    data: dict
    stages: dict[str, dict]
    seed: int = 0
    threads: int = 1
    bf16: bool = True
    save_seconds: float = 45.0
    log_every: int = 20
    about: str = ""
    held_out: int = 64
    order: tuple[str, ...] = field(default=("perception", "identity", "camera"))


def train_estimators(config: str | Path, out: str | Path, resume: bool = True) -> Path:
    """Train all estimators of a config into `out`; returns the weights file. Finished stages are not repeated."""
    settings = read_settings(Path(config), EstimatorSettings)
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(settings.threads)
    bank = load_bank(out / "data", **settings.data)
    torch.manual_seed(settings.seed)
    estimators = Estimators()
    steps = {}
    for name in settings.order:
        if name == "camera":
            add_seen_disparity(bank, estimators.perception.eval(), settings.bf16)
        steps[name] = train_stage(name, estimators.modules()[name], bank, settings, out, resume)
    return finish(estimators, bank, settings, steps, out)


def train_stage(
    name: str, net: torch.nn.Module, bank: dict, settings: EstimatorSettings, out: Path, resume: bool
) -> int:
    """Train one network; leaves its averaged weights in `net` and returns the number of steps."""
    budget = settings.stages[name]
    path = out / f"{name}_state.safetensors"
    net = net.to(memory_format=torch.channels_last).train()
    found = optimizers(net.named_parameters(), (), muon_lr=0.0, adam_lr=budget["lr"], weight_decay=0.01)
    average = Average(net, share=0.08)
    step, spent = 0, 0.0
    if resume and path.exists():
        state = load_state(path)
        net.load_state_dict(state["net"])
        for optimizer, saved in zip(found, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        average.values = dict(state["average"])
        step, spent = state["step"], state["seconds"]
    log = Log(out / f"{name}.jsonl", step)
    began, saved_at = computing(settings), time.perf_counter()

    def save() -> None:
        save_state(
            path,
            {
                "net": net.state_dict(),
                "optimizers": [optimizer.state_dict() for optimizer in found],
                "average": average.values,
                "step": step,
                "seconds": spent + computing(settings) - began,
            },
        )

    sums: dict[str, float] = {}
    while True:
        seconds = spent + computing(settings) - began
        progress = max(step / budget["steps"], seconds / (60 * budget["minutes"]))
        if progress >= 1:
            break
        set_rate(found, rate(progress, step, budget.get("warmup", 50)))
        generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + step)
        with torch.autocast("cpu", torch.bfloat16, enabled=settings.bf16):
            losses = LOSSES[name](net, bank, budget["batch"], generator)
        loss = sum(losses.values())
        for optimizer in found:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), budget.get("clip", 5.0))
        for optimizer in found:
            optimizer.step()
        step += 1
        average.update(net, step)
        for key, value in losses.items():
            sums[key] = sums.get(key, 0.0) + float(value.detach())
        if step % settings.log_every == 0:
            means = {key: value / settings.log_every for key, value in sums.items()}
            log.write(step=step, seconds=seconds, loss=sum(means.values()), **means)
            sums = {}
        if time.perf_counter() - saved_at > settings.save_seconds:
            save()
            saved_at = time.perf_counter()
    save()
    net.load_state_dict(average.values)
    net.eval()
    return step


def computing(settings: EstimatorSettings) -> float:
    """Seconds that each of this process's threads has computed so far."""
    return time.process_time() / settings.threads


@torch.no_grad()
def finish(estimators: Estimators, bank: dict, settings: EstimatorSettings, steps: dict[str, int], out: Path) -> Path:
    """Center the features on the bank, note how the networks were trained and how well they see, write the file."""
    estimators.perception.mean.zero_()
    features = [
        estimators.perception(part.flatten(0, 1).float() / 255, clips=len(part)).features
        for part in bank["frames"][:256].split(16)
    ]
    estimators.perception.mean.copy_(torch.cat(features).mean(0))
    estimators.about = {
        "clips": len(bank["frames"]),
        "steps": steps,
        "minutes": {name: settings.stages[name]["minutes"] for name in settings.order},
        "seed": settings.seed,
    }
    frames = settings.data["frames"]
    estimators.about.update(held_out_floors(Judge(estimators), settings.held_out, frames))
    return save_estimators(out / "fulldit_mini_estimators.safetensors", estimators)


def held_out_floors(judge: Judge, count: int, frames: int, first: int = 1_000_000) -> dict[str, dict[str, float]]:
    """What the judge says of `count` renders: `floor` against their own controls, `mismatch` against another's.

    An estimator is good enough when its floor is far below its mismatch. The scenes are not those of the benchmark.
    """
    scenes = list(held_out_scenes(count, frames, *SIZE, first=first))
    found: dict[str, dict[str, float]] = {}
    for name, shift in (("floor", 0), ("mismatch", 1)):
        values = [
            judge.measure(scene.frames, scenes[(index + shift) % count].conditions).values
            for index, scene in enumerate(scenes)
        ]
        means = {metric: mean_and_error([value[metric] for value in values])[0] for metric in METRICS}
        found[name] = {metric: round(mean, 4) for metric, mean in means.items() if mean is not None}
    return found
