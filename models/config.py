"""What a checkpoint is: the numbers that its networks are built from and the way it wants to be used.

In a file the config is the metadata entry `config`, a JSON object with two parts: `transformer` holds exactly the
fields that ComfyUI's WanModel takes, since the host hands every field found there to its constructor; `fulldit` holds
ours.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

from ..control.condition import VideoSize
from ..control.errors import UserError, shorten
from .conditioning.registry import ENTRIES
from .conditioning.streams import STREAMS
from .geometry import WAN_2_1, LatentGeometry, Size3

CORE_FIELDS = (
    "model_type",
    "patch_size",
    "text_len",
    "in_dim",
    "dim",
    "ffn_dim",
    "freq_dim",
    "text_dim",
    "out_dim",
    "num_heads",
    "num_layers",
    "qk_norm",
    "cross_attn_norm",
    "eps",
)

# The least and the most that a number can be: far beyond any model, and far below what would fill a machine's memory or
# never end. Compared before anything is built.
RANGES: dict[str, tuple[float, float]] = {
    "dim": (2, 2**16),
    "ffn_dim": (1, 2**18),
    "num_layers": (1, 1024),
    "num_heads": (1, 1024),
    "text_dim": (1, 2**16),
    "text_len": (1, 2**16),
    "in_dim": (1, 1024),
    "out_dim": (1, 1024),
    "freq_dim": (2, 2**16),
    "eps": (1e-12, 1),
    "temporal_compression": (1, 64),
    "spatial_compression": (1, 256),
    "slots": (1, 256),
    "frames": (1, 10**6),
    "height": (1, 10**5),
    "width": (1, 10**5),
    "fps": (0.001, 10**4),
    "steps": (1, 10**4),
    "guidance": (0, 1000),
    "shift": (0.001, 1000),
    "first_frame_pass": (0, 0.999),
    "token_selection": (0.01, 1),
}
MOST_PATCH = 64  # a side of a patch

# Of FullDiT's own conditions: what a model has that says nothing else, as all earlier checkpoints and presets do.
FIRST_STREAMS = ("camera", "reference", "identity_map", "depth")

# Fields of earlier checkpoints under the names that they have now.
_RENAMED = {"anchor": "first_frame_pass", "vae": "vae_fingerprint"}


@dataclass(frozen=True)
class FullDiTConfig:
    """The Wan fields have Wan's names and meaning; `ffn_dim`, `dim` etc. are widths, `text_len` a number of tokens.

    temporal_compression, spatial_compression: of the VAE (`LatentGeometry`). attention: 'decoupled' (conditions attend
    to conditions, computed once) or 'full' (every token to every token). slots: how many identities. streams: names of
    the registry (conditioning/registry.py). patches: (name, (frames, rows, columns)) of the streams that are cut
    otherwise than the registry says, for a token budget of one's own; those that share a tokenizer go by its name.
    reference_positions: references lie 'before' the clip in time, or at its start as a 'source' each, which turns their
    positions further (Bernini-R). joint_text: words join the sequence instead of being read by cross-attention.
    condition_blocks: numbers of the blocks that condition tokens go through and in which the video reads them (none:
    all). token_selection: share of the condition tokens that each of these takes. Both are FullDiT2's (2506.04213) and
    belong to 'decoupled' attention. frames, height, width, fps: the clips it was trained on; other_videos: those of
    other sizes and rates, (frames, height, width, fps) each. vae_fingerprint: of the autoencoder. text: kind of text
    encoder ('bytes' or 'umt5'). times: the lowest and highest flow time of its training, not all for one of a pair of
    experts. steps, guidance, shift and first_frame_pass are defaults of sampling.
    """

    dim: int = 192
    ffn_dim: int = 512
    num_layers: int = 6
    num_heads: int = 6
    text_dim: int = 128
    text_len: int = 40
    in_dim: int = WAN_2_1.channels
    out_dim: int = WAN_2_1.channels
    freq_dim: int = 256
    patch_size: Size3 = WAN_2_1.patch
    model_type: str = "t2v"
    qk_norm: bool = True
    cross_attn_norm: bool = True
    eps: float = 1e-6
    temporal_compression: int = WAN_2_1.temporal
    spatial_compression: int = WAN_2_1.spatial
    attention: str = "decoupled"
    slots: int = 3
    streams: tuple[str, ...] = FIRST_STREAMS
    patches: tuple[tuple[str, Size3], ...] = ()
    reference_positions: str = "before"
    joint_text: bool = False
    condition_blocks: tuple[int, ...] = ()
    token_selection: float = 1.0
    frames: int = 17
    height: int = 64
    width: int = 96
    fps: float = 8.0
    other_videos: tuple[tuple[int, int, int, float], ...] = ()
    vae_fingerprint: str = ""
    text: str = "bytes"
    times: tuple[float, float] = (0.0, 1.0)
    steps: int = 20
    guidance: float = 3.0
    shift: float = 3.0
    first_frame_pass: float = 0.0

    def __post_init__(self) -> None:
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:  # NaN is in no range
                raise UserError(
                    f"The config has {name} = {shorten(value)}, but it must lie between {low:g} and {high:g}."
                )
        self._check_lists()
        if self.dim % self.num_heads or (self.dim // self.num_heads) % 2:
            raise UserError(
                f"The config has dim {self.dim} and {self.num_heads} heads, but dim must be an even multiple."
            )
        if self.freq_dim % 2:
            raise UserError(
                f"The config has freq_dim = {self.freq_dim}, but it must be even: a sine and a cosine each."
            )
        if self.model_type != "t2v":
            raise UserError(f"The config has model_type {shorten(self.model_type)}, but only 't2v' is supported.")
        if self.attention not in ("decoupled", "full"):
            raise UserError(f"The config has attention {shorten(self.attention)}: choose 'decoupled' or 'full'.")
        if self.reference_positions not in ("before", "source"):
            raise UserError(
                f"The config has reference_positions {shorten(self.reference_positions)}: choose 'before' or 'source'."
            )
        if self.text not in ("bytes", "umt5"):
            raise UserError(f"The config has text {shorten(self.text)}: choose 'bytes' or 'umt5'.")
        self._check_streams()
        self._check_context()

    def _check_lists(self) -> None:
        """Make tuples of lists. Raises UserError for one whose entries are not what they should be."""
        if not _is_patch(self.patch_size):
            raise UserError(
                f"The config has patch_size {shorten(self.patch_size)}, but it must be three sizes from 1 to"
                f" {MOST_PATCH}."
            )
        object.__setattr__(self, "patch_size", tuple(self.patch_size))
        object.__setattr__(self, "streams", tuple(self.streams))
        try:
            patches = tuple((name, tuple(patch)) for name, patch in self.patches)
        except (TypeError, ValueError):
            patches = None
        if patches is None or not all(isinstance(name, str) and _is_patch(patch) for name, patch in patches):
            raise UserError(
                f"The config has patches {shorten(self.patches)}, but they must be pairs of a stream and three sizes "
                f'from 1 to {MOST_PATCH}, like ["depth", [1, 2, 2]].'
            )
        object.__setattr__(self, "patches", patches)
        self._check_videos()
        if not _is_span(self.times):
            raise UserError(
                f"The config has times {shorten(self.times)}, but they must be two numbers from 0 to 1, the first of "
                f"them 0 or the second 1."
            )
        object.__setattr__(self, "times", tuple(self.times))

    def _check_videos(self) -> None:
        names = ("frames", "height", "width", "fps")
        for video in self.other_videos:
            values = (
                dict(zip(names, video, strict=True)) if isinstance(video, (list, tuple)) and len(video) == 4 else {}
            )
            numbers = [type(value) in (int, float) for value in values.values()]
            if not values or not all(numbers) or not all(RANGES[n][0] <= v <= RANGES[n][1] for n, v in values.items()):
                raise UserError(
                    f"The config has other_videos {shorten(self.other_videos)}, but they must be lists of frames, "
                    f"height, width and frames per second."
                )
        object.__setattr__(self, "other_videos", tuple((*map(int, v[:3]), float(v[3])) for v in self.other_videos))

    def _check_streams(self) -> None:
        odd = [name for name in self.streams if not isinstance(name, str)]
        if odd:
            raise UserError(
                f"The config has the condition stream {shorten(odd[0])}, but streams are names: {', '.join(STREAMS)}."
            )
        tokenizers = {kind.tokenizer for kind in STREAMS.values()}
        unknown = [name for name in self.streams if name not in STREAMS]
        unknown += [name for name in dict(self.patches) if name not in tokenizers]
        added = [name for name in dict(self.patches) if name in STREAMS and STREAMS[name].is_added]
        if added:
            raise UserError(
                f"The config has patches of {added[0]!r}, but that is added to the video's tokens and cut as they are."
            )
        if unknown:
            raise UserError(
                f"The config has the condition streams {', '.join(unknown)[:200]}, which this version does not know "
                f"(it knows {', '.join(STREAMS)}). Update ComfyUI-FullDiT."
            )

    def _check_context(self) -> None:
        """Make a tuple of `condition_blocks`. Raises UserError for blocks that are not there, and where conditions are
        read as the modes of FullDiT2 cannot have it."""
        blocks = tuple(self.condition_blocks)
        whole = all(type(number) is int and 0 <= number < self.num_layers for number in blocks)
        if not whole or list(blocks) != sorted(set(blocks)):
            raise UserError(
                f"The config has condition_blocks {shorten(self.condition_blocks)}, but they must be increasing numbers"
                f" of its blocks, from 0 to {self.num_layers - 1}; none of them stands for all."
            )
        object.__setattr__(self, "condition_blocks", blocks)
        if self.reads_less and (self.attention != "decoupled" or self.joint_text):
            raise UserError(
                "The config has condition_blocks or a token_selection below 1, which belong to conditions that are "
                "computed apart from video and text: set attention to 'decoupled' and joint_text to false, or leave "
                "both out."
            )

    @property
    def reads_less(self) -> bool:
        """Whether some blocks take no condition tokens, or not all of them."""
        return bool(self.condition_blocks) or self.token_selection < 1

    @property
    def blocks_of_conditions(self) -> tuple[int, ...]:
        """The numbers of the blocks that condition tokens go through."""
        return self.condition_blocks or tuple(range(self.num_layers))

    def selected(self, tokens: int) -> int:
        """Return how many of so many condition tokens a block takes: at least one, where there are any."""
        return min(tokens, max(1, math.ceil(self.token_selection * tokens - 1e-9)))

    @property
    def conditions(self) -> tuple[str, ...]:
        """The conditions that it takes (`ConditionEntry.is_known`)."""
        return tuple(name for name, entry in ENTRIES.items() if entry.is_known(self.streams))

    @property
    def expert(self) -> str:
        """Which of a pair of experts it is, 'high-noise' or 'low-noise'; '' for a model of all times."""
        if self.times == (0, 1):
            return ""
        return "high-noise" if self.times[1] == 1 else "low-noise"

    def sharing(self, tokenizer: str) -> tuple[str, ...]:
        """Return the streams that share a tokenizer, in the order of their vectors in it; none for one's own."""
        return tuple(name for name in self.streams if STREAMS[name].shared == tokenizer)

    def patch_of(self, name: str) -> Size3:
        """Return how the latent of the stream `name` is cut into tokens: (frames, rows, columns)."""
        kind = STREAMS[name]
        if kind.is_added:
            return self.patch_size
        return dict(self.patches).get(kind.tokenizer, kind.patch)

    @cached_property
    def geometry(self) -> LatentGeometry:
        """How its videos become latent and tokens."""
        return LatentGeometry(self.in_dim, self.temporal_compression, self.spatial_compression, self.patch_size)

    @property
    def latent_size(self) -> Size3:
        """(T, h, w) of the latent of the clips that it was trained on."""
        return self.geometry.latent_size(self.frames, self.height, self.width)

    @property
    def video(self) -> VideoSize:
        """The size of the clips that it was trained on."""
        return VideoSize(self.frames, self.height, self.width, self.fps)

    @property
    def videos(self) -> tuple[VideoSize, ...]:
        """The sizes, lengths and rates of all clips that it was trained on, its own first."""
        return (self.video, *(VideoSize(*video) for video in self.other_videos))

    def nearest_video(self, video: VideoSize) -> VideoSize:
        """Return the clips it was trained on that are nearest to a video: in size, then in rate, then in length."""
        return min(
            self.videos,
            key=lambda own: (
                abs(math.log(own.width / video.width)) + abs(math.log(own.height / video.height)),
                abs(math.log(own.fps / video.fps)),
                abs(own.frames - video.frames),
            ),
        )

    def asked_video(
        self, frames: int | None = None, height: int | None = None, width: int | None = None, fps: float | None = None
    ) -> VideoSize:
        """Return the video that has these numbers; those that are None are of the nearest of the trained clips.

        Raises UserError for numbers that no video has.
        """
        numbers = {"frames": frames, "height": height, "width": width, "fps": fps}
        given: dict[str, Any] = {name: value for name, value in numbers.items() if value is not None}
        return replace(self.nearest_video(replace(self.video, **given)), **given)

    def sampling_values(
        self, steps: int | None = None, guidance: float | None = None, first_frame_pass: float | None = None
    ) -> tuple[int, float, float]:
        """Return the three, the checkpoint's own value where one is None. Raises UserError for one out of its range."""
        given = {"steps": steps, "guidance": guidance, "first_frame_pass": first_frame_pass}
        for name, value in given.items():
            low, high = RANGES[name]
            if value is not None and not low <= value <= high:
                raise UserError(f"{name} = {value} was asked for, but it must lie between {low:g} and {high:g}.")
        return (
            self.steps if steps is None else steps,
            self.guidance if guidance is None else guidance,
            self.first_frame_pass if first_frame_pass is None else first_frame_pass,
        )

    @property
    def encoding_key(self) -> tuple[object, ...]:
        """What of the config decides how conditions are encoded: equal keys, equal streams."""
        return (self.geometry, self.streams, tuple(self.patch_of(name) for name in self.streams), self.slots)

    def to_json(self) -> str:
        """Return the metadata entry."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        core = {name: values.pop(name) for name in CORE_FIELDS}
        return json.dumps({"transformer": core, "fulldit": values})

    @classmethod
    def from_json(cls, text: str) -> FullDiTConfig:
        """Read a metadata entry strictly. Raises UserError for anything that this version would have to ignore."""
        try:
            parts = json.loads(text)
            core, ours = parts["transformer"], parts["fulldit"]
            values = {**core, **ours}
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise UserError("The file's config is not one of FullDiT: it lacks the part 'fulldit'.") from error
        return cls.from_dict(values)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> FullDiTConfig:
        """Return a config from plain values. Raises UserError for fields of another name or type."""
        values = {_RENAMED.get(name, name): value for name, value in values.items()}
        known = {field.name: field for field in fields(cls)}
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise UserError(
                f"The config has fields that this version does not know: {', '.join(unknown)[:200]}. Update"
                " ComfyUI-FullDiT."
            )
        for name, value in values.items():
            expected = type(known[name].default)
            allowed = {tuple: (list, tuple), float: (int, float)}.get(expected, expected)
            if not isinstance(value, allowed) or (isinstance(value, bool) and expected is not bool):
                raise UserError(
                    f"The config has {name} = {shorten(value)}, but it must be of type {expected.__name__}."
                )
        return cls(**values)


def _is_span(times: Any) -> bool:
    """Return whether a value is a lower and a higher time, of which one is an end of all times."""
    pair = isinstance(times, (list, tuple)) and len(times) == 2 and all(type(t) in (int, float) for t in times)
    return pair and 0 <= times[0] < times[1] <= 1 and (times[0] == 0 or times[1] == 1)


def _is_patch(patch: Any) -> bool:
    """Return whether a value is three whole sizes of a patch."""
    whole = isinstance(patch, (list, tuple)) and all(type(side) is int and 1 <= side <= MOST_PATCH for side in patch)
    return whole and len(patch) == 3
