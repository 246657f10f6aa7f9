"""Puts the table of the benchmark into a model card."""

from __future__ import annotations

from pathlib import Path

from ...control.errors import UserError
from ...control.files import atomic_path
from .ratios import Result
from .table import markdown_table

BEGIN = "<!-- bench control -->"
END = "<!-- /bench control -->"


def fill_card(card: str | Path, result: Result, unseen: Result | None = None) -> None:
    """Replace what stands between the two markers of `card` by the table of `result`; everything else stays.

    `unseen`: the result of the unseen family, for the targets that need it.

    Raises UserError where the card or one of its markers is missing.
    """
    card = Path(card)
    if not card.is_file():
        raise UserError(f"There is no model card {card}. Give the path of an existing one.")
    text = card.read_text(encoding="utf-8")
    before, found, rest = text.partition(BEGIN)
    _, closed, after = rest.partition(END)
    if not found or not closed:
        raise UserError(f"{card} lacks the lines {BEGIN} and {END}, between which the table belongs. Add them.")
    with atomic_path(card) as part:
        part.write_text(f"{before}{BEGIN}\n{markdown_table(result, unseen)}\n{END}{after}", encoding="utf-8")
