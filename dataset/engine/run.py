"""A run: one work on every clip of a manifest. What was done before is not done again; what failed is tried again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ...control.errors import UserError
from ...control.files import NOT_TEXT, atomic_path
from ...control.folder_lock import folder_lock
from ...control.progress import Progress, quiet
from ..manifest import Clip, Manifest, write_manifest
from .records import Outcome, Records
from .report import write_report
from .work import Work


@dataclass(frozen=True)
class Summary:
    """How many clips are done, of these rejected by a filter, failed, and were done before; and the files."""

    done: int
    rejected: int
    failed: int
    before: int
    manifest: Path
    report: Path


def run(
    manifest: Manifest,
    work: Work,
    name: str,
    workers: int = 0,
    address: str | None = None,
    progress: Progress = quiet,
    reject: Callable[[list[Clip]], dict[str, str]] = lambda clips: {},
    present: Callable[[Clip], bool] = lambda clip: True,
) -> Summary:
    """Do the work on all clips; write `NAME.jsonl` beside the manifest, and `NAME/` with records, failures and a page.

    workers: processes of Ray, 0 for none but this one; address: of a Ray cluster instead of one on this machine.
    reject: says of all clips that are kept which are not, by id, and why: what one clip does not show by itself.
    present: whether what was made of a clip that is done is still there. Raises UserError where another run is in the
    folder or the settings differ from its earlier ones, and DiskFullError, after which the run can be started again.
    """
    if workers < 0:
        raise UserError(f"{workers} workers were asked for: 0 works in this process, more need Ray")
    folder = manifest.folder / name
    with folder_lock(folder, f"a run '{name}'"):
        records = Records(folder)
        records.begin({"work": work.title, **work.settings()})
        todo = [clip for clip in manifest if not (records.done(clip) and present(clip))]
        try:
            with progress(len(todo), work.title) as step:
                for _ in _process(todo, manifest.folder, records, work, workers, address):
                    step()
        finally:
            outcomes = _rejected(records.outcomes(manifest), reject)
            summary = _summary(manifest, outcomes, folder, len(manifest) - len(todo))
            _write_lists(summary, outcomes, manifest, folder)
            write_report(summary.report, work.title, outcomes, records)
    return summary


def _process(
    todo: list[Clip], root: Path, records: Records, work: Work, workers: int, address: str | None
) -> Iterator[str]:
    """Yield the reason of each clip's failure, '' where it did not fail, as they come."""
    if not todo:
        return
    if workers or address:
        from .ray_workers import process_on_ray

        yield from process_on_ray(todo, root, records, work, workers, address)
        return
    process = work.open(root, records.folder)
    for clip in todo:
        yield records.process(process, clip)


def _rejected(outcomes: list[Outcome], reject: Callable[[list[Clip]], dict[str, str]]) -> list[Outcome]:
    """Return the outcomes with those clips rejected that are not kept beside the others."""
    reasons = reject([outcome.clip for outcome in outcomes if outcome.clip is not None and not outcome.clip.rejected])
    return [
        replace(outcome, clip=replace(outcome.clip, rejected=reasons[outcome.id]))
        if outcome.clip is not None and outcome.id in reasons
        else outcome
        for outcome in outcomes
    ]


def _summary(manifest: Manifest, outcomes: list[Outcome], folder: Path, before: int) -> Summary:
    done = [outcome.clip for outcome in outcomes if outcome.clip is not None]
    return Summary(
        done=len(done),
        rejected=sum(bool(clip.rejected) for clip in done),
        failed=len(outcomes) - len(done),
        before=before,
        manifest=folder.with_name(f"{folder.name}.jsonl"),
        report=folder / "report.html",
    )


def _write_lists(summary: Summary, outcomes: list[Outcome], manifest: Manifest, folder: Path) -> None:
    """Write the manifest of the clips that are left, and the list of those that are not, each with the reason."""
    kept = (outcome.clip for outcome in outcomes if outcome.clip is not None and not outcome.clip.rejected)
    write_manifest(summary.manifest, kept)
    reasons = [(id, "It has no license.") for id in manifest.skipped]
    for outcome in outcomes:
        reason = outcome.reason if outcome.clip is None else outcome.clip.rejected
        if reason:
            reasons.append((outcome.id, reason))
    with (
        atomic_path(folder / "failed.jsonl") as temporary,
        temporary.open("w", encoding="utf-8", errors=NOT_TEXT) as file,
    ):
        for id, reason in reasons:
            file.write(json.dumps({"id": id, "reason": reason}, ensure_ascii=False) + "\n")
