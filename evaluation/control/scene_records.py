"""What every scene of a benchmark gave, kept while it runs: one JSON line each; the first says under which setting."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...control.files import atomic_path, room_for


class SceneRecords:
    """The records `found` so far, by scene number. Those of another setting, and a line cut short, are left out."""

    def __init__(self, path: Path | None, setting: dict[str, Any], resume: bool):
        self.path = path
        self.found: dict[int, dict[str, Any]] = {}
        head = json.dumps(setting, sort_keys=True)
        if path is None:
            return
        lines = path.read_text(encoding="utf-8").splitlines() if resume and path.is_file() else []
        if lines and lines[0] == head:
            for line in lines[1:]:
                try:
                    entry = json.loads(line)
                except json.JSONDecodeError:
                    break  # cut by the interruption: this scene is measured again
                self.found[entry["scene"]] = entry["record"]
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = [head, *(self._line(number, record) for number, record in self.found.items())]
        with atomic_path(path) as part:
            part.write_text("\n".join(kept) + "\n", encoding="utf-8")

    @staticmethod
    def _line(number: int, record: dict[str, Any]) -> str:
        return json.dumps({"scene": number, "record": record}, allow_nan=False)

    def add(self, number: int, record: dict[str, Any]) -> None:
        """Keep the record of a scene, in memory and in the file."""
        self.found[number] = record
        if self.path is not None:
            with room_for(self.path), self.path.open("a", encoding="utf-8") as file:
                file.write(self._line(number, record) + "\n")

    def remove(self) -> None:
        """Delete the file: the result holds everything."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
