"""A plain page of a run: its loss, its figures on held-out clips, its samples and its settings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from ...control.files import atomic_path
from ..common.log import read_log

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72em; margin: 2em auto; padding: 0 1em; color: #222; }
table { border-collapse: collapse; } td, th { padding: 0.2em 0.8em; border-bottom: 1px solid #ddd; text-align: right; }
th:first-child, td:first-child { text-align: left; } img { max-width: 100%; } pre { background: #f5f5f5; padding: 1em; }
"""
SHOWN_SHEETS = 3


def write_page(out: Path, record: Mapping[str, Any]) -> Path:
    """Write `index.html` of the run in the folder `out`, from its log and its images; returns it.

    The page needs nothing from elsewhere, and the folder can be moved with it.
    """
    lines = read_log(out / "log.jsonl")
    parts = [f"<h1>{escape(out.resolve().parent.name)}: generator</h1>", _summary(record, lines)]
    if (out / "loss.png").exists():
        parts.append('<h2>Loss</h2><p><img src="loss.png" alt="Losses over the steps"></p>')
    held_out = [line for line in lines if "held_out" in line]
    if held_out:
        parts.append(f"<h2>Held-out clips, t = {record['held_out_time']:g}</h2>" + _held_out(held_out))
    sheets = sorted((out / "sheets").glob("*.png"))[-SHOWN_SHEETS:]
    for sheet in reversed(sheets):
        parts.append(
            f"<h2>Samples, {escape(sheet.stem.replace('_', ' '))}</h2><p>For each clip: the clip, a sample under all "
            f'conditions, under the first, under none.</p><p><img src="sheets/{escape(sheet.name)}" alt="Samples"></p>'
        )
    notes = [line for line in lines if "note" in line]
    if notes:
        items = "".join(f"<li>Step {line['step']}: {escape(line['note'])}</li>" for line in notes)
        parts.append(f"<h2>Notes</h2><ul>{items}</ul>")
    settings = json.dumps(record["settings"], indent=2, ensure_ascii=False)
    parts.append(f"<h2>Settings</h2><pre>{escape(settings)}</pre>")
    head = f'<meta charset="utf-8"><title>{escape(out.resolve().parent.name)}</title><style>{STYLE}</style>'
    with atomic_path(out / "index.html") as part:
        part.write_text(f"<!doctype html><html><head>{head}</head><body>{''.join(parts)}</body></html>\n", "utf-8")
    return out / "index.html"


def _summary(record: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> str:
    """Return a table of how far the run is and how fast it goes."""
    speed: Mapping[str, Any] = next((line for line in reversed(lines) if "tokens_per_second" in line), {})
    rows = {
        "Steps": record["steps"],
        "Samples": record["samples"],
        "Clips": record["clips"],
        "Minutes": record["minutes"],
        "Processes": record["processes"],
        "Parameters": f"{record['parameters']:,}",
        "of them trained": f"{record['trained']:,}",
        "Precision": record["precision"],
        "Tokens per second": speed.get("tokens_per_second", "-"),
        "TFLOP/s per device": speed.get("tflops", "-"),
        "MFU": speed.get("mfu", "not known for this device"),
        "Finished": "yes" if record["finished"] else "no",
    }
    return _table(("", ""), [[name, value] for name, value in rows.items()])


def _held_out(lines: Sequence[Mapping[str, Any]]) -> str:
    names = list(lines[-1]["held_out"])
    rows = [[line["step"], *(line["held_out"].get(name, "-") for name in names)] for line in reversed(lines)]
    return _table(("step", *names), rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    def cells(values: Sequence[object], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(str(value))}</{tag}>" for value in values) + "</tr>"

    top = cells(head, "th") if any(head) else ""
    return f"<table>{top}{''.join(cells(row, 'td') for row in rows)}</table>"
