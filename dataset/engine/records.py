"""What became of each clip of a run, in files named by its id and written whole.

clips/ID.json     done: its new line, notes, and the digest of the line that it was made of
failed/ID.json    failed, with the reason; tried again in the next run
images/ID.jpg   for the report
run.json          the settings
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...control.errors import UserError
from ...control.files import NOT_TEXT, DiskFullError, atomic_path, remove_parts, write_json
from ...control.media import write_image
from ..manifest import Clip, parse_clip
from .work import Done, Process


def digest(clip: Clip) -> str:
    """Return a text that differs for clips whose lines differ."""
    return hashlib.sha256(json.dumps(clip.to_json(), sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Outcome:
    """What became of a clip: `clip` where it is done, else `reason`."""

    id: str
    clip: Clip | None
    notes: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Records:
    """The records in a run's folder. Any number of processes may write different clips."""

    folder: Path

    def begin(self, settings: dict[str, object]) -> None:
        """Note the settings, and remove what killed writers left. Raises UserError where the run had other settings."""
        for name in ("clips", "failed", "images"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        path = self.folder / "run.json"
        if path.exists():
            known = json.loads(path.read_text(encoding="utf-8"))
            other = sorted(key for key in {*known, *settings} if known.get(key) != settings.get(key))
            if other:
                raise UserError(
                    f"'{self.folder}' was made with another {other[0]} ({str(known.get(other[0]))[:80]}, now"
                    f" {str(settings.get(other[0]))[:80]}): give the run another name, or delete the folder"
                )
        write_json(path, settings)
        for name in ("clips", "failed", "images"):
            remove_parts(self.folder / name, path.stat().st_mtime)

    def done(self, clip: Clip) -> bool:
        """Return whether a clip, as its line is now, is done."""
        value = self._read("clips", clip.id)
        return value is not None and value.get("input") == digest(clip)

    def process(self, process: Process, clip: Clip) -> str:
        """Do the work on one clip and note what came of it; return the reason where it failed, else ''.

        Raises DiskFullError: what is missing then is not the clip's fault.
        """
        try:
            result = process(clip)
        except DiskFullError:
            raise
        except UserError as error:
            return self._fail(clip, str(error))
        except MemoryError:
            return self._fail(clip, "There was not enough memory for it.")
        except Exception as error:  # a damaged file may raise anything in a library: the other clips go on
            return self._fail(clip, f"{type(error).__name__}: {error}")
        self._write(clip, result)
        return ""

    def _write(self, clip: Clip, result: Done) -> None:
        if result.image is not None:
            write_image(self.image(clip.id), result.image)
        value = {"clip": result.clip.to_json(), "notes": list(result.notes), "input": digest(clip)}
        self._put(self.folder / "clips" / f"{clip.id}.json", value)
        (self.folder / "failed" / f"{clip.id}.json").unlink(missing_ok=True)

    def _fail(self, clip: Clip, reason: str) -> str:
        self._put(self.folder / "failed" / f"{clip.id}.json", {"id": clip.id, "video": clip.video, "reason": reason})
        return reason

    @staticmethod
    def _put(path: Path, value: dict[str, Any]) -> None:
        with atomic_path(path, durable=False) as temporary:
            temporary.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8", errors=NOT_TEXT)

    def image(self, id: str) -> Path:
        """Return the file of a clip's image."""
        return self.folder / "images" / f"{id}.jpg"

    def outcomes(self, clips: Iterable[Clip]) -> list[Outcome]:
        """Return what became of the clips, in their order; those that nothing is known of are not there."""
        result = []
        for clip in clips:
            done = self._read("clips", clip.id)
            if done is not None and done.get("input") == digest(clip):
                result.append(Outcome(clip.id, parse_clip(done["clip"]), tuple(done["notes"])))
                continue
            failed = self._read("failed", clip.id)
            if failed is not None:
                result.append(Outcome(clip.id, None, reason=str(failed["reason"])))
        return result

    def _read(self, kind: str, id: str) -> dict[str, Any] | None:
        """Return a record; None where there is none, and for one that a failing disk has spoiled."""
        try:
            value = json.loads((self.folder / kind / f"{id}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return value if isinstance(value, dict) else None
