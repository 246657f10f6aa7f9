"""A folder of videos, in any depth of folders, as people collect them.

A caption is in the text of the same name (clip.mp4, clip.txt), or in a `metadata.jsonl` or `metadata.csv` beside the
videos with the fields file_name and text, as Hugging Face's video folders have it. Texts may be UTF-8, UTF-16, GBK or
Latin-1.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

from ...control.errors import UserError
from ..manifest import Clip
from .place import Place, Skipped, read_text, videos_below

TEXTS = (".txt", ".caption")


def read(root: Path, place: Place) -> Iterator[Clip | Skipped]:
    """Yield a clip for each video."""
    tables: dict[Path, dict[str, str]] = {}
    for video in videos_below(root):
        id = place.id(video.relative_to(root).with_suffix("").as_posix())
        try:
            if video.parent not in tables:
                tables[video.parent] = _table(video.parent)
            text = next((path for ending in TEXTS if (path := video.with_suffix(ending)).exists()), None)
            caption = read_text(text) if text else tables[video.parent].get(video.name, "")
        except UserError as error:
            yield Skipped(id, error.clause)
            continue
        yield Clip(
            id,
            place.name(video),
            fps=place.fps,
            captions={"full": caption} if caption else {},
            provenance={"file": video.relative_to(root).as_posix()},
        )


def _table(folder: Path) -> dict[str, str]:
    """Return the captions of a folder's metadata by file name; none where there is no such file."""
    lines, table = folder / "metadata.jsonl", folder / "metadata.csv"
    try:
        if lines.exists():
            rows = [json.loads(line) for line in read_text(lines).splitlines() if line.strip()]
        elif table.exists():
            rows = list(csv.DictReader(io.StringIO(read_text(table))))
        else:
            return {}
        return {str(row["file_name"]): str(row.get("text") or row.get("caption") or "") for row in rows}
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"the metadata in '{folder}' lacks file_name, or is damaged ({error!r})") from error
