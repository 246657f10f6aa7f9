"""Trains the miniature's autoencoder on rendered clips: bfloat16, Muon and AdamW, cosine to zero, resumable exactly.

The schedule follows whichever comes first of `steps` and `minutes`, so the learning rate is zero when time is up.
"""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...control.errors import UserError
from ...models.vae import layers
from ...models.vae.autoencoder import VAE
from ..common.optimizers import Muon
from ..common.state import load_state, save_state
from .activation_limiter import ActivationLimiter
from .finish import finish
from .initialize import compiled_rms_silu, initialize, lay_out
from .quality import channels_last, evaluate
from .vae_clips import KINDS, ClipPool, Phase, rendered

STATE = "state.safetensors"


def load_config(path: str | Path) -> dict:
    """Reads a config file; `cpu`, `gpu` and `debug` name those in the repository."""
    known = Path(__file__).parents[1] / "configs" / "vae" / f"{path}.json"
    path = known if known.exists() else Path(path)
    if not path.is_file():
        names = ", ".join(sorted(file.stem for file in known.parent.glob("*.json")))
        raise UserError(f"There is no VAE training config '{path}'. Give a JSON file or one of: {names}.")
    return json.loads(path.read_text())


def loss_of(vae: VAE, x: Tensor, config: dict, noise: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Squared and absolute error, error of the change between frames, a touch of KL, and the error of what half-size
    latents decode to; and each as a number.

    The last makes latents smooth, so that a generator finds in them what it can predict ("Improving the Diffusability
    of Autoencoders", arXiv 2502.14831, section 3: scale equivariance).
    """
    mean, log_variance = (part.float() for part in vae.posterior(x))
    log_variance = log_variance.clamp(-20, 10)
    z = mean + noise * torch.exp(0.5 * log_variance)
    y = vae.decode(z).float()
    mse, l1 = F.mse_loss(y, x), F.l1_loss(y, x)
    kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
    loss = mse + config["l1"] * l1 + config["kl"] * kl
    parts = {"mse": mse.item(), "l1": l1.item(), "kl": kl.item()}
    if x.shape[2] > 1:
        motion = F.mse_loss(y.diff(dim=2), x.diff(dim=2))
        loss = loss + config["motion"] * motion
        parts["motion"] = motion.item()
    if config.get("scale") and min(z.shape[3:]) > 1:
        h, w = (side // 2 * 2 for side in z.shape[3:])  # an odd row or column has nothing to be averaged with
        small = vae.decode(F.avg_pool3d(z[..., :h, :w], (1, 2, 2))).float()
        scale = F.mse_loss(small, F.avg_pool3d(x[..., : 8 * h, : 8 * w], (1, 2, 2)))
        loss = loss + config["scale"] * scale
        parts["scale"] = scale.item()
    return loss, parts


class Trainer:
    """One run in one folder: state.safetensors (all that resuming needs), ema.safetensors and log.jsonl."""

    def __init__(self, config: dict, out: Path, make=rendered) -> None:
        self.config, self.out = config, out
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        torch.manual_seed(config["seed"])
        self.vae = VAE(dim=config["dim"])
        initialize(self.vae)
        self.vae.to(self.device)
        lay_out(self.vae)
        self.ema = {name: p.detach().clone() for name, p in self.vae.named_parameters()}
        ends = ("encoder.conv1", "encoder.head", "decoder.head", "conv1", "conv2")
        hidden = [
            p for n, p in self.vae.named_parameters() if p.dim() >= 4 and "gamma" not in n and not n.startswith(ends)
        ]
        inside = {id(p) for p in hidden}
        others = [p for p in self.vae.parameters() if id(p) not in inside]
        self.optimizers = [
            Muon(hidden, like_adam=True),
            torch.optim.AdamW(others, betas=(0.9, 0.99), weight_decay=0.0),
        ]
        self.limiter = ActivationLimiter(self.vae)
        self.phases = [Phase(**phase) for phase in config["phases"]]
        size = (config["frames"], config["height"], config["width"])
        self.pool = ClipPool(config["seed"], *size, mix=config["mix"], make=make)
        self.make, self.size = make, size
        self.step, self.seconds = 0, 0.0

    @property
    def progress(self) -> float:
        return min(1.0, max(self.step / self.config["steps"], self.seconds / 60 / self.config["minutes"]))

    def learning_rate(self) -> float:
        """Cosine to zero within each of the `cycles`, whose ends are shares of the run; warm-up at the very start."""
        warm = min(1.0, (self.step + 1) / self.config["warmup"])
        ends = [0.0, *self.config["cycles"]]
        start, end = next((a, b) for a, b in zip(ends, ends[1:], strict=False) if self.progress <= b)
        within = (self.progress - start) / (end - start)
        return self.config["lr"] * warm * 0.5 * (1 + math.cos(math.pi * within))

    def train_step(self) -> dict[str, float]:
        phase = next(p for p in self.phases if self.progress <= p.until)
        x = self.pool.batch(self.step, phase).to(self.device)
        shape = (len(x), self.vae.z_dim, (x.shape[2] + 3) // 4, x.shape[3] // 8, x.shape[4] // 8)
        generator = torch.Generator().manual_seed(self.config["seed"] * 7919 + self.step)
        noise = torch.randn(shape, generator=generator).to(self.device)
        with torch.autocast(self.device, torch.bfloat16):
            loss, parts = loss_of(self.vae, channels_last(x), self.config, noise)
        loss.backward()
        norm = float(nn.utils.clip_grad_norm_(self.vae.parameters(), 1.0))
        rate = self.learning_rate()
        for optimizer, share in zip(self.optimizers, (1.0, self.config["adam"]), strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate * share
            if math.isfinite(norm):
                optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.limiter.pull()
        self.step += 1
        decay = min(self.config["ema"], (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(list(self.ema.values()), [p.detach() for p in self.vae.parameters()], 1 - decay)
        return {"step": self.step, "frames": x.shape[2], "lr": rate, "norm": norm, **parts}

    def averaged(self) -> VAE:
        """The network with the averaged weights."""
        vae = VAE(dim=self.config["dim"]).to(self.device)
        vae.load_state_dict(self.ema)
        lay_out(vae)
        return vae.eval().requires_grad_(False)

    def save(self) -> None:
        """Writes the state whole or not at all."""
        state = {
            "step": self.step,
            "seconds": self.seconds,
            "vae": self.vae.state_dict(),
            "ema": self.ema,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
        }
        save_state(self.out / STATE, state)

    def load(self) -> bool:
        """Goes on from the saved state where there is one."""
        path = self.out / STATE
        if not path.exists():
            return False
        state = load_state(path)
        self.vae.load_state_dict(state["vae"])
        self.ema = state["ema"]
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.step, self.seconds = state["step"], state["seconds"]
        return True

    def log(self, entry: dict) -> None:
        with open(self.out / "log.jsonl", "a") as file:
            file.write(json.dumps(entry) + "\n")

    def held_out(self) -> dict[str, Tensor]:
        """Clips of every kind whose scenes are never trained on."""
        from ...scenes import HELD_OUT_SEED

        clips = self.make(list(range(HELD_OUT_SEED, HELD_OUT_SEED + self.config["evaluate_clips"])), *self.size)
        return {kind: clips[kind] for kind in KINDS}

    def finish(self) -> Path:
        """Folds the averaged weights to Wan 2.1's latent statistics and writes the file."""
        provenance = {"steps": self.step, "minutes": round(self.seconds / 60, 1), "seed": self.config["seed"]}
        clips = self.config["finish_clips"]
        return finish(self.averaged(), self.make, self.size, self.out, self.held_out(), provenance, clips)

    def run(self) -> None:
        """Trains until time or steps are up."""
        held_out = self.held_out()
        saved = judged = self.seconds
        while self.progress < 1.0:
            start = time.monotonic()
            entry = self.train_step()
            self.seconds += time.monotonic() - start
            if self.step % 10 == 0:
                self.log({**entry, "seconds": round(self.seconds, 1)})
            if self.seconds - judged > self.config["evaluate_minutes"] * 60 or self.progress >= 1.0:
                start = time.monotonic()
                self.log({"step": self.step, "psnr": evaluate(self.averaged(), held_out)})
                self.seconds += time.monotonic() - start
                judged = self.seconds
            if self.seconds - saved > self.config["save_minutes"] * 60 or self.progress >= 1.0:
                self.save()
                saved = self.seconds


def train_vae(config_path: str | Path, out_dir: str | Path, resume: bool = True) -> Path:
    """Trains, finishes and writes `vae.safetensors` into `out_dir`; returns its path."""
    config = load_config(config_path)
    out = Path(out_dir)
    out.mkdir(parents=True, exist_ok=True)
    if config.get("compile"):
        layers.rms_silu = compiled_rms_silu()
    trainer = Trainer(config, out)
    if resume:
        trainer.load()
    trainer.run()
    return trainer.finish()
