"""Trains the estimators one after the other: perception, identity, and camera, which builds on perception.

Every stage has a budget of steps and of minutes of computing (processor time over threads, so that a busy machine does
not shorten the training) and a learning rate that is zero when the first of the two is used up. What a stage saves is
enough to go on exactly where it stopped. A batch is a function of the seed and the step.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from functools import reduce
from pathlib import Path

import torch
from torch import Tensor, nn

from ...models.estimators.estimators_file import Estimators
from ..common.ema import EMA, power_function_decay
from ..common.log import Log
from ..common.loop import Loop
from ..common.optimizers import learning_rate_share, muon_and_adam, set_learning_rate
from ..common.precision import autocast, compute_dtype
from ..common.settings import read_settings
from ..common.state import TrainingState
from .estimator_clips import add_seen_disparity, load_bank
from .finish import finish
from .settings import EstimatorSettings
from .tasks import LOSSES, Bank


def train_estimators(config: str | Path, out: str | Path, resume: bool = True) -> Path:
    """Train all estimators of a config into `out`; returns the weights file. Finished stages are not repeated."""
    settings = read_settings(Path(config), EstimatorSettings)
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(settings.threads)
    bank = load_bank(out / "data", **asdict(settings.data))
    torch.manual_seed(settings.seed)
    estimators = Estimators()
    steps = {}
    for name in settings.order:
        if name == "camera":
            add_seen_disparity(bank, estimators.perception.eval(), compute_dtype(settings.precision, "cpu"))
        trainer = Trainer(name, estimators.modules()[name], bank, settings, out)
        if resume:
            trainer.load()
        steps[name] = trainer.run()
    return finish(estimators, bank, settings, steps, out)


class Trainer:
    """The training of one estimator on the CPU: NAME_state.safetensors (all that resuming needs) and NAME.jsonl."""

    def __init__(self, name: str, net: nn.Module, bank: Bank, settings: EstimatorSettings, out: Path) -> None:
        self.name, self.bank, self.settings, self.out = name, bank, settings, out
        self.stage = settings.stages[name]
        self.dtype = compute_dtype(settings.precision, "cpu")
        self.net = net.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]  # not in its stubs
        self.optimizers = muon_and_adam(
            self.net.named_parameters(), (), muon_lr=0.0, adam_lr=self.stage.lr, weight_decay=0.01
        )
        self.ema = EMA(self.net, power_function_decay(0.08))
        self.loop = Loop(self.stage.steps, self.stage.minutes, clock=lambda: time.process_time() / settings.threads)
        self.state = TrainingState(self.net, self.ema, self.optimizers, self.loop)
        self.state_path = out / f"{name}_state.safetensors"

    def load(self) -> None:
        """Go on from the saved state where there is one."""
        if self.state_path.exists():
            self.state.load(self.state_path)

    def run(self) -> int:
        """Train to the end of the budget; leaves the averaged weights in the network and returns the number of steps.

        Raises UserError where SIGTERM came first; the state is saved then.
        """
        s, loop = self.settings, self.loop
        log = Log(self.out / f"{self.name}.jsonl", loop.step)
        sums: dict[str, float] = {}
        with loop.running():
            while loop.goes_on():
                for part, value in self.train_step().items():
                    sums[part] = sums.get(part, 0.0) + value
                loop.tick()
                if loop.step % s.log_every == 0:
                    means = {part: value / s.log_every for part, value in sums.items()}
                    log.write(step=loop.step, seconds=loop.seconds, loss=sum(means.values()), **means)
                    sums = {}
                if loop.due("save", s.save_seconds / 60):
                    self.state.save(self.state_path)
        self.state.save(self.state_path)
        loop.raise_if_stopped()
        self.net.load_state_dict(self.ema.values)
        self.net.eval()
        return loop.step

    def train_step(self) -> dict[str, float]:
        """Make one step; returns the parts of its loss."""
        stage, step = self.stage, self.loop.step
        set_learning_rate(self.optimizers, learning_rate_share(self.loop.progress, step, stage.warmup))
        generator = torch.Generator().manual_seed(self.settings.seed * 1_000_003 + step)
        with autocast("cpu", self.dtype):
            losses = LOSSES[self.name](self.net, self.bank, stage.batch, generator)
        loss: Tensor = reduce(torch.add, losses.values())
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.net.parameters(), stage.clip)
        for optimizer in self.optimizers:
            optimizer.step()
        self.loop.count(stage.batch)
        self.ema.update(self.net, self.loop.step)
        return {part: float(value.detach()) for part, value in losses.items()}
