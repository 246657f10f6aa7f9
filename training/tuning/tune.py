"""One tuning: clips are encoded, a LoRA is trained by the trainer of the generator, and a file comes out.

The folder of a run holds `run.json` (what it was begun with), `clips/` (encoded, by their content) and `generator/`
(the state, the log and the page, as every training of the generator leaves them). A run that was stopped goes on from
there.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ...control.errors import UserError
from ...control.files import check_folder, check_room, write_json
from ...control.progress import Progress, quiet
from ...dataset.open_clips import open_clips
from ...models.config import FullDiTConfig
from ..common.log import read_log
from ..common.state import saved_step
from ..generator.train_generator import Trainer
from ..stages import keep, only_training_in
from .clips import EncodeText, Encoding, TuneClips
from .settings import TuneOptions, settings_of, subsets_of, trained_weights
from .start import Start

# Bytes for each trained weight: itself, its average and AdamW's two numbers, in the state and the one that follows it.
_STATE_BYTES = 2 * 4 * 4
RUN = "run.json"
_SAMPLED = 2**20  # bytes of a file's two ends that stand for it


@dataclass(frozen=True, eq=False)
class Tuned:
    """What came out: the file, the loss of every step, of which `before` were made by earlier runs, the number of
    clips, and notes."""

    path: Path
    losses: list[float]
    before: int
    clips: int
    notes: tuple[str, ...]

    def lines(self) -> list[str]:
        """Return sentences about what was learned: how far the loss fell, by the means of its first and last tenth."""
        part = max(1, len(self.losses) // 10)
        first, last = (sum(some) / len(some) for some in (self.losses[:part], self.losses[-part:]))
        before = f", {self.before} of them in earlier runs" if self.before else ""
        return [
            f"{self.clips} {'clip' if self.clips == 1 else 'clips'}, {len(self.losses)} steps{before}.",
            f"The loss went from {first:.3f} to {last:.3f} (means of {part} steps).",
            *self.notes,
        ]


def tune(
    start: Start,
    clips: TuneClips,
    options: TuneOptions,
    out: Path,
    export: Path,
    resume: bool = True,
    encode_text: EncodeText | None = None,
    text_name: str = "",
    device: str | torch.device = "auto",
    progress: Progress = quiet,
    callback: Callable[[int, float], object] = lambda step, loss: None,
) -> Tuned:
    """Tune a model in the folder `out` and write `export`, whole or not at all: a condition file where it began with a
    plain Wan, else a checkpoint.

    resume: go on where a run in the folder stopped; without it one begins anew. encode_text, text_name: of the text
    encoder, for models that read states of one. callback: called after each step with its number and mean loss; what it
    raises ends the run behind a saved state.

    Raises UserError, before any training, for files that do not belong together, clips that cannot be learned, a run
    that was begun with something else, and where there is no room; DiskFullError later.
    """
    config = start.config()
    if config.text != "bytes" and encode_text is None:
        raise UserError(
            f"The model reads its words by {config.text}, of which the files here have nothing: connect or name the "
            f"text encoder."
        )
    clips.check(config)
    start.check(config)
    check_folder(export.parent)
    if export.exists() and not (out / RUN).exists():
        raise UserError(
            f"There is a file '{export.name}' already, which no run in '{out}' has made: choose another name."
        )
    options = replace(options, tokenizers=options.tokenizers or start.checkpoint is None)
    video = clips.video(config.video)
    sized = replace(config, frames=video.frames, height=video.height, width=video.width, fps=video.fps)
    with only_training_in(out), torch.random.fork_rng():
        facts = _facts(start, clips, options, sized, text_name)
        begun = _begin(out, facts, resume)
        folder = out / "clips" / facts["clips"][:16]
        file = start.file(config, out, options.seed)
        draft = settings_of(options, file, start.wan, sized, {"none": 1.0})
        weights = trained_weights(sized, draft)
        result = 4 * weights if start.wan is not None else file.stat().st_size
        check_room(out, _STATE_BYTES * weights + result, "The training")
        check_room(export.parent, result, "The tuned model")
        notes = clips.encode(folder, Encoding(start.vae, sized, device, encode_text, text_name), progress)
        encoded = open_clips(folder / "shards", None, sized)
        settings = settings_of(options, file, start.wan, sized, subsets_of(encoded, sized))
        made = out / "tuned.safetensors"
        trainer = Trainer(settings, out / "generator", start.vae, folder / "shards", made, resume, device)
        try:
            trainer.run(callback=callback)
            trainer.loop.raise_if_stopped()
        finally:
            trainer.close()
        keep(made, export)
        made.unlink()
    lines = read_log(out / "generator" / "log.jsonl")
    losses = [float(line["loss"]) for line in lines if line.get("subsets")]
    return Tuned(export, losses, begun, len(encoded), notes)


def _facts(
    start: Start, clips: TuneClips, options: TuneOptions, config: FullDiTConfig, text_name: str
) -> dict[str, str]:
    """Return what a run is begun with, and cannot be exchanged in the middle of it."""
    files = {"model": start.checkpoint, "Wan model": start.wan, "VAE": start.vae}
    facts = {name: "none" if path is None else _file_digest(path) for name, path in files.items()}
    size = f"{config.frames}x{config.height}x{config.width} at {config.fps:g} fps"
    encoded = f"{clips.digest()} {size} {facts['VAE']} {config.conditions} {text_name}"
    facts |= {"size": size, "clips": hashlib.sha256(encoded.encode()).hexdigest()}
    chosen = ("rank", "batch", "seed", "tokenizers")
    return {**facts, **{name: str(getattr(options, name)) for name in chosen}}


def _begin(out: Path, facts: dict[str, str], resume: bool) -> int:
    """Note what a run is begun with; return the step that it goes on from. Raises UserError where the one in the folder
    was begun with something else."""
    path, generator = out / RUN, out / "generator"
    if not resume:
        shutil.rmtree(generator, ignore_errors=True)
        (out / "start.safetensors").unlink(missing_ok=True)
    state = generator / "state.safetensors"
    if state.exists():
        try:
            known = dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise UserError(
                f"'{path}' is missing or damaged, which says what the run was begun with: begin anew (without "
                f"resuming), or choose another name."
            ) from error
        other = [name for name, value in facts.items() if known.get(name) != value]
        if other:
            raise UserError(
                f"The run in '{out}' was begun with another {' and another '.join(other)}: set them as they were, "
                f"begin anew (without resuming), or choose another name."
            )
    write_json(path, facts)
    return saved_step(state) or 0 if state.exists() else 0


def _file_digest(path: Path) -> str:
    """Return a digest of a file's two ends and its length: enough to tell one file of weights from another."""
    size = path.stat().st_size
    with path.open("rb") as file:
        first = file.read(_SAMPLED)
        file.seek(max(0, size - _SAMPLED))
        last = file.read()
    return hashlib.sha256(first + last + str(size).encode()).hexdigest()
