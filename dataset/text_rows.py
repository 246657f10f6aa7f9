"""Captions as rows of bytes of one length, as tensors are kept in shards."""

from __future__ import annotations

from collections.abc import Sequence

import torch


def text_rows(texts: Sequence[str], length: int = 256) -> torch.Tensor:
    """Return (N, length) uint8: UTF-8, cut at `length`, padded with zeros."""
    rows = torch.zeros(len(texts), length, dtype=torch.uint8)
    for row, text in zip(rows, texts, strict=True):
        data = text.encode(errors="replace")[:length]
        row[: len(data)] = torch.frombuffer(bytearray(data), dtype=torch.uint8) if data else row[:0]
    return rows


def row_text(row: torch.Tensor) -> str:
    """Return the text of one row of `text_rows`."""
    return bytes(row.tolist()).rstrip(b"\0").decode(errors="ignore")
