"""`fulldit tune`: a model tuned on one video, or on a folder of them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..control.files import existing, is_folder
from ..control.fit import SpaceFit
from ..control.fit_video import fit_video
from ..control.media import read_video, video_rate
from .clock import Bar
from .options import conditions_of

if TYPE_CHECKING:
    from ..models.config import FullDiTConfig
    from ..training.tuning.clips import TuneClips

Result = dict[str, Any]


def tune_model(args: argparse.Namespace, progress: Bar) -> Result:
    """Write the tuned model, and return what was learned."""
    from ..dataset.text_states import open_text_encoder
    from ..models.weights.checkpoint import embedded_path, named_path
    from ..training.tuning.settings import TuneOptions
    from ..training.tuning.start import Start
    from ..training.tuning.tune import tune

    vae = named_path(args.vae) if args.vae else embedded_path("fulldit_mini_vae")
    if args.model is None:
        start = Start(vae, named_path(args.checkpoint or "fulldit_mini"))
    else:
        start = Start(vae, None if args.condition_file is None else Path(args.condition_file), Path(args.model))
    config = start.config()
    clips = _clips(args, config)
    options = TuneOptions(args.steps, args.learning_rate, args.rank, args.batch, args.seed, args.tokenizers)
    words = None
    if args.text_encoder is not None and config.text != "bytes":
        words = open_text_encoder(args.text_encoder, config.text_len)
    out = Path(args.out)
    with progress(options.steps, "tuning") as step:
        made = tune(
            start,
            clips,
            options,
            out,
            out.with_suffix(".safetensors"),
            not args.anew,
            words,
            args.text_encoder or "",
            callback=lambda number, loss: step(),
        )
    return {"file": str(made.path), "losses": made.losses, "before": made.before, "lines": made.lines()}


def _clips(args: argparse.Namespace, config: FullDiTConfig) -> TuneClips:
    """Return the videos of a folder, or one video at the size, length and rate of its conditions."""
    from ..training.tuning.clips import OneClip, clips_in

    conditions = conditions_of(args, config)
    if is_folder(args.video):
        return clips_in(Path(args.video), conditions.video)
    path = existing(args.video, "video")
    frames = fit_video(read_video(path), video_rate(path), conditions.video, SpaceFit.CROP).frames
    return OneClip(frames, conditions, args.prompt or "")
