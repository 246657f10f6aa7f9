"""`fulldit dataset read`, `split`, `filter`, `annotate` and `encode`."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..control.errors import UserError
from ..control.files import atomic_path
from .commands import progress

if TYPE_CHECKING:
    from ..dataset.engine import Summary
    from ..dataset.manifest import Manifest

Result = dict[str, Any]


def read(args: argparse.Namespace) -> Result:
    """`fulldit dataset read`: write `manifest.jsonl` and, of what had to be skipped, `skipped.txt`."""
    from ..dataset.manifest import MANIFEST, Clip, write_manifest
    from ..dataset.readers import read_dataset

    out = Path(args.out)
    clips, skipped = [], []
    with progress(args.quiet)(0, f"read {args.layout}") as step:
        for found in read_dataset(args.layout, Path(args.root), out, args.license, args.fps):
            if isinstance(found, Clip):
                clips.append(found)
            else:
                skipped.append(f"{found.id}: {found.reason}")
            step()
    if not clips:
        reasons = f" ({skipped[0]})" if skipped else ""
        raise UserError(f"no clips of the layout '{args.layout}' were found in '{args.root}'{reasons}")
    write_manifest(out / MANIFEST, clips)
    lines = [f"{len(clips)} clips: {out / MANIFEST}"]
    if skipped:
        with atomic_path(out / "skipped.txt") as path:
            path.write_text("\n".join(skipped) + "\n", encoding="utf-8")
        lines.append(f"{len(skipped)} skipped, with reasons: {out / 'skipped.txt'}")
    without = sum(not clip.license for clip in clips)
    if without:
        lines.append(f"{without} have no license: state one with --license, or they will be skipped")
    return {"manifest": str(out / MANIFEST), "clips": len(clips), "skipped": skipped, "lines": lines}


def _manifest(args: argparse.Namespace) -> Manifest:
    from ..dataset.manifest import read_manifest

    return read_manifest(args.manifest, args.without_license)


def split(args: argparse.Namespace) -> Result:
    """`fulldit dataset split`: write NAME.jsonl."""
    from ..dataset.filters.shots import split_clip
    from ..dataset.manifest import write_manifest

    manifest = _manifest(args)
    shots, failed = [], []
    with progress(args.quiet)(len(manifest), "cut into shots") as step:
        for clip in manifest:
            try:
                shots += split_clip(clip, manifest.folder, args.shortest, args.longest)
            except UserError as error:
                failed.append(f"{clip.id}: {error}")
            step()
    path = manifest.folder / f"{args.name}.jsonl"
    write_manifest(path, shots)
    lines = [f"{len(shots)} clips of {len(manifest)} videos: {path}", *failed]
    return {"manifest": str(path), "clips": len(shots), "failed": failed, "lines": lines}


def _summary(summary: Summary, manifest: Manifest, more: Result | None = None) -> Result:
    kept = summary.done - summary.rejected
    lines = [
        f"{kept} clips kept, {summary.rejected} rejected, {summary.failed} failed, {len(manifest.skipped)} without a"
        f" license skipped; {summary.before} were done before",
        f"manifest: {summary.manifest}",
        f"reasons:  {summary.report.with_name('failed.jsonl')}",
        f"report:   {summary.report}",
    ]
    result = {
        "kept": kept,
        "rejected": summary.rejected,
        "failed": summary.failed,
        "skipped": len(manifest.skipped),
        "before": summary.before,
        "manifest": str(summary.manifest),
        "report": str(summary.report),
    }
    more = more or {}
    return {**result, **more, "lines": [*lines, *(f"{name + ':':9} {value}" for name, value in more.items())]}


def filter_clips(args: argparse.Namespace) -> Result:
    """`fulldit dataset filter`."""
    from ..dataset.engine import run
    from ..dataset.filters.filter_work import FilterWork
    from ..dataset.filters.hashes import reject_duplicates
    from ..dataset.filters.thresholds import Thresholds, parse_range

    stated = {name: parse_range(getattr(args, name)) for name in vars(Thresholds()) if getattr(args, name) is not None}
    work = FilterWork(replace(Thresholds(), **stated), args.measure_text, args.aesthetics_model)
    manifest = _manifest(args)
    reject = (lambda clips: {}) if args.keep_duplicates else reject_duplicates
    summary = run(manifest, work, args.name, args.workers, args.address, progress(args.quiet), reject)
    return _summary(summary, manifest)


def annotate(args: argparse.Namespace) -> Result:
    """`fulldit dataset annotate`."""
    from ..dataset.annotate.annotate_work import AnnotateWork
    from ..dataset.annotate.endpoint import Endpoint
    from ..dataset.engine import run

    captions: Endpoint | str | None = args.captions
    if args.captions and args.captions.startswith(("http://", "https://")):
        if not args.captions_model:
            raise UserError("captions by a server need the name of its model: state --captions-model")
        captions = Endpoint(args.captions, args.captions_model)
    work = AnnotateWork(args.camera, args.depth, args.masks, captions, args.units, args.doubtful)
    manifest = _manifest(args)
    return _summary(run(manifest, work, args.name, args.workers, args.address, progress(args.quiet)), manifest)


def encode(args: argparse.Namespace) -> Result:
    """`fulldit dataset encode`."""
    from ..dataset.encode_work import EncodeWork, encode_manifest
    from ..dataset.hold_out import FOLDER, held_out_of
    from ..models.families.presets import PRESETS
    from ..models.vae.vae_file import fingerprint, load_vae
    from ..models.weights.checkpoint import embedded_path, read_config

    config = PRESETS[args.model] if args.model in PRESETS else read_config(args.model)
    vae = str(Path(args.vae).resolve() if args.vae else embedded_path("fulldit_mini_vae"))
    work = EncodeWork(vae, fingerprint(load_vae(vae)), config, text=args.text)
    manifest = _manifest(args)
    shards = Path(args.to) if args.to else manifest.folder / args.name / "shards"
    held_out = held_out_of(manifest.clips, args.held_out, args.held_out_seed) if args.held_out else frozenset()
    summary = encode_manifest(
        manifest, work, args.name, shards, args.per_shard, args.workers, args.address, progress(args.quiet), held_out
    )
    more: Result = {"shards": str(shards)}
    if held_out:
        more["held out"] = f"{len(held_out)} of {len(manifest)} clips: {shards.parent / FOLDER}"
    return _summary(summary, manifest, more)
