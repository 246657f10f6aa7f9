"""The page of a run: every clip with its image, figures and notes, and those that were left out with the reasons."""

from __future__ import annotations

import html
from collections import Counter
from pathlib import Path

from ...control.files import atomic_path
from .records import Outcome, Records

MOST = 500  # clips of each part that are shown; all are in the manifest and in failed.jsonl
_STYLE = """
body { font: 14px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 76em; padding: 0 1em; color: #222 }
h2 { margin-top: 2em } table { border-collapse: collapse } td, th { padding: .1em .8em .1em 0; text-align: left }
article { border-top: 1px solid #ddd; padding: .7em 0; display: grid; grid-template-columns: 26em 1fr; gap: 1em }
img { max-width: 100%; background: #eee } .id { font-weight: 600 } .reason { color: #a00 } .small { color: #666 }
"""


def write_report(path: Path, title: str, outcomes: list[Outcome], records: Records) -> None:
    """Write the page, whole or not at all. Its images are the records', so that the folder can be moved as one."""
    kept = [o for o in outcomes if o.clip is not None and not o.clip.rejected]
    rejected = [o for o in outcomes if o.clip is not None and o.clip.rejected]
    failed = [o for o in outcomes if o.clip is None]
    parts = [
        f"<!doctype html><meta charset='utf-8'><title>{html.escape(title)}</title><style>{_STYLE}</style>",
        f"<h1>{html.escape(title)}</h1>",
        f"<p>{len(kept)} clips kept, {len(rejected)} rejected, {len(failed)} failed.</p>",
        _figures(kept + rejected),
        _reasons(rejected + failed),
    ]
    for name, some in (("Rejected", rejected), ("Failed", failed), ("Kept", kept)):
        if some:
            more = f" <span class='small'>(the first {MOST})</span>" if len(some) > MOST else ""
            parts.append(f"<h2>{name}: {len(some)}{more}</h2>")
            parts += [_article(outcome, records) for outcome in some[:MOST]]
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join(parts) + "\n", encoding="utf-8")


def _reason(outcome: Outcome) -> str:
    return outcome.clip.rejected if outcome.clip is not None else outcome.reason


def _figures(outcomes: list[Outcome]) -> str:
    """A table of the least, middle and largest of each figure."""
    names = sorted({name for o in outcomes if o.clip for name, v in o.clip.figures.items() if not isinstance(v, str)})
    rows = []
    for name in names:
        found = (o.clip.figures.get(name) for o in outcomes if o.clip)
        values = sorted(value for value in found if isinstance(value, float))
        cells = "".join(f"<td>{value:.4g}" for value in (values[0], values[len(values) // 2], values[-1]))
        rows.append(f"<tr><td>{html.escape(name)}<td>{len(values)}{cells}")
    head = "<tr><th>figure<th>clips<th>least<th>middle<th>largest"
    return f"<h2>Figures</h2><table>{head}{''.join(rows)}</table>" if rows else ""


def _reasons(outcomes: list[Outcome]) -> str:
    """How often each reason stands, told by its beginning, up to a number or a name in it."""
    counts = Counter(_reason(outcome).split("'")[0].split(":")[0][:60] for outcome in outcomes)
    rows = "".join(f"<tr><td>{count}<td>{html.escape(reason)}" for reason, count in counts.most_common(20))
    return f"<h2>Why clips were left out</h2><table>{rows}</table>" if rows else ""


def _article(outcome: Outcome, records: Records) -> str:
    path = records.image(outcome.id)
    image = f"<img loading='lazy' src='images/{path.name}' alt=''>" if path.exists() else ""
    lines = [f"<span class='id'>{html.escape(outcome.id)}</span>"]
    if _reason(outcome):
        lines.append(f"<span class='reason'>{html.escape(_reason(outcome))}</span>")
    if outcome.clip is not None:
        clip = outcome.clip
        known = [name for name in ("camera", "identities", "depth", "masks") if getattr(clip, name)]
        lines.append(html.escape(", ".join([clip.license or "no license", *known])))
        lines += [f"{html.escape(kind)}: {html.escape(text[:400])}" for kind, text in clip.captions.items()]
        shown = (f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in sorted(clip.figures.items()))
        lines.append(f"<span class='small'>{html.escape(', '.join(shown))}</span>")
    lines += [f"<span class='small'>{html.escape(note)}</span>" for note in outcome.notes]
    return f"<article><div>{image}</div><div>{'<br>'.join(line for line in lines if line)}</div></article>"
