"""The text that the Conditions node shows: how many tokens each condition costs beside the video's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

NAMES = {"reference": "references", "identity_map": "who is where"}
PER_LINE = 2  # so that the text fits into the node on the page


def describe_budget(counts: Mapping[str, int], warnings: Sequence[str], others: Sequence[str] = ()) -> str:
    """Return the budget (stream -> tokens, and 'video') and the warnings, each once, in lines.

    others: conditions that the model reads in other ways than as tokens.
    """
    video = counts["video"]
    parts = [f"{NAMES.get(name, name)} {count:,}" for name, count in counts.items() if name != "video"]
    lines = [f"{sum(counts.values()) - video:,} tokens, video {video:,}" if parts else f"video {video:,} tokens"]
    lines += [", ".join(parts[i : i + PER_LINE]) for i in range(0, len(parts), PER_LINE)]
    if others:
        lines.append(f"read without tokens of their own: {', '.join(others)}")
    return "\n".join([*lines, *dict.fromkeys(warnings)])
