"""`docs/models.md`: the matrix as a page, first for people who make videos.

The page is never edited by hand: `FULLDIT_UPDATE=1 python -m pytest tests/models/test_families_document.py` writes it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from ...control.files import size_text
from . import model_files
from .distilled import DISTILLED
from .family import FACETS, Family, ModelFile, Settings, Variant
from .matrix import FAMILIES, ROLE_NAMES, families_that_take, in_words
from .memory import CLASSES, memory_class, model_file, needed_bytes
from .supports import SPAN

_WIDTH = 118
_COLUMNS = {
    "camera": "camera",
    "identity": "identities",
    "mask": "who is where",
    "depth": "depth",
    "source": "source video",
    "known": "known frames",
    "control": "control videos",
}
_WISHES = {
    "camera": "how the camera moves",
    "identity": "who or what is in the video (reference images)",
    "mask": "who is where (mask videos)",
    "depth": "the shapes of the scene (depth)",
    "source": "what an existing video becomes",
    "known": "frames or regions that are there already (start, end, a clip to go on from, a region to keep)",
    "control": "edges, poses, flow and the like (control videos)",
}
_HOW = {"native": "**yes**", "part": "in part", "rendered": "by rendering", "refused": "no", "ignored": "no"}

_INTRODUCTION = """
Find what you want to control, and under your GPU's memory the models that do it: in bold those that do it as you mean
it, the others with a limit. Models of a smaller column run on your GPU too. Then get the files from the next table.
"""

_COMPUTED = """
The memory is **computed, not measured**: the weights (of the 14B models in 8 bits) and what ComfyUI counts for one pass
of the model's own length, at its own size or at 832x480. References or a source video of full length come on top, about
as much again as the pass; with less memory ComfyUI keeps a part of the weights in RAM, which is slower.
"""

_START = """
Put the file into `ComfyUI/models/` and the folder that is named. Every Wan model needs a text encoder and a VAE beside
it ([two more files](#what-every-wan-model-needs)). License and all other forms of a model stand in its section.
"""

_PROMISE = """
You say once what you want: a camera path, people and things with reference images, masks of who is where, depth, a
video to start from, frames that are known. FullDiT takes what a checkpoint was trained with as tokens of one sequence.
Public models, made from Wan 2.1 and 2.2, take some of it in their own ways, and this pack hands it to them. What a
model cannot take is refused by name before anything runs, never left out without a word.
"""

# Combinations of models, by the column that they stand in.
_AT_ONCE = {
    8: "the FullDiT miniature, in its own small world; VACE 1.3B, the camera by rendering",
    24: "**VACE 14B with Uni3C** ([workflow](../workflows/fulldit_vace_uni3c.json)), some weights in RAM",
}

_CAMERA = """
ReCamMaster, OmniCamera and Wan Fun Camera read a camera path: over a source video, over one or none, and over a start
image. VACE, Bernini-R and Wan Fun Control follow one by rendering: give a source video (or one image) and its depth
beside the path, and what the camera sees of them is what the model starts from. *Render along Camera* shows the same
images, holes and depth before you sample, and takes the path of a camera that moved in the source. *Depth along Camera*
turns a path into a depth clip alone, and the models that take depth follow it. Phantom takes depth in part once the
depth LoRA is on it. On the 14B models ComfyUI's *Apply Wan Uni3C ControlNet* moves the camera as a rendered video does,
beside references and depth; where it is on a model, nothing else is rendered.
"""

_WORDS = """
**yes**: as you mean it. **in part**: with a limit, which the model's section names. **by rendering**: through images
that are made of it, with what the section says is needed. **no**: refused. Memory is that of the GPUs that they are
meant for, an estimate from the size of the weights.
"""

_SPANS = """
**Start and end** of a condition are shares of the sampling, 0 to 1. Unless a model's section says otherwise, the
condition takes part from start to end, and outside of that the model does not see it. What **strength** does differs
from model to model, so each section says it.
"""

_FILES = """
Put each file into the folder of that name in ComfyUI's models folder. `fulldit models --get NAME --to FOLDER` fetches
one: it shows size, license and checksum and asks first. Where several forms of one model are listed, one is enough
(with two experts: one pair). Where the size is missing, the hub says it.
"""

_FEWER_STEPS = """
A step-distilled LoRA makes a video in a few steps with one pass each. Load it on the model with *Load LoRA* (on both
experts of a pair) and choose it as `distilled` in the FullDiT Sampler, which then takes these settings.
"""

_UNCHECKED = """
No weights of the public models could be loaded where this pack was made. How they read their conditions was taken from
the authors' code and from ComfyUI's, and run on tiny networks of the same architecture with random weights. How the
videos look was not judged. In particular nobody has seen:
"""

_RECOGNIZED = """
The pack recognizes these by their weights, so that nobody waits for a control that the model never sees.
"""

_DETECTION = """
`fulldit models FILE` says what a file is, from the names and shapes of its weights: nothing is loaded. It reads
ComfyUI's layout and that of diffusers, single files, parts, and folders. Plain Wan, Phantom and Bernini-R have the
same names and shapes, so no file can say which of the three it is: the file's name is taken as a guess, and you are
asked to choose. `fulldit models` prints the table above.
"""


def document() -> str:
    """Return the text of `docs/models.md`."""
    driven = [family for family in FAMILIES.values() if family.driven]
    others = [family for family in FAMILIES.values() if not family.driven]
    parts = [
        "# Choose a model",
        _prose(_INTRODUCTION),
        _choice(),
        _prose(_COMPUTED),
        "## Which file?",
        _prose(_START),
        _first_files(driven),
        "## Which model takes which control",
        _prose(_PROMISE),
        _wishes(),
        _prose(_CAMERA),
        _overview(driven),
        _prose(_WORDS),
        _prose(_SPANS),
        *(_family(family) for family in driven),
        "## What every Wan model needs",
        _prose("The text encoder (one of the two) and the VAE. TI2V 5B has a VAE of its own."),
        _file_table([(None, file) for file in (*model_files.SHARED, model_files.VAE_5B)]),
        _prose("The authors' negative prompt for all of them:"),
        f"```text\n{model_files.NEGATIVE}\n```",
        "## Fewer steps",
        _prose(_FEWER_STEPS),
        _table(
            ("distilled", "on", "LoRA", "steps", "shift", "sampler", "what is lost"),
            [
                (one.id, one.models, one.lora, one.steps, f"{one.shift:g}", one.sampler, one.loses)
                for one in DISTILLED.values()
            ],
        ),
        "## Files",
        _prose(_FILES),
        "## What could not be checked",
        _prose(_UNCHECKED),
        "\n".join(_bullet(f"**{family.name}.** {family.unverified}") for family in driven if family.unverified),
        "## Models that are only recognized",
        _prose(_RECOGNIZED),
        _table(("model", "what to know"), [(_link(family), family.sentence) for family in others]),
        _prose("Files of these:"),
        _file_table([(None, file) for family in others for file in family.files]),
        "## What is this file?",
        _prose(_DETECTION),
    ]
    return "\n\n".join(parts) + "\n"


def _choice() -> str:
    """Return the table from what is wanted and the GPU's memory to the models."""
    head = ("you want to control", *(f"{size} GB" for size in CLASSES))
    rows: list[tuple[object, ...]] = []
    for facet, wish in _WISHES.items():
        cells: dict[int, list[str]] = {size: [] for size in CLASSES}
        for family in families_that_take(facet):
            for variant in family.variants if family.id != "fulldit" else ():
                name = f"[{_name(family, variant)}](#{_anchor(family)})"
                native = family.support(facet).how == "native"
                cells[memory_class(variant)].append(f"**{name}**" if native else name)
        if FAMILIES["fulldit"].support(facet).taken:
            cells[CLASSES[0]].insert(0, f"[the miniature](#{_anchor(FAMILIES['fulldit'])})")
        rows.append((wish, *(", ".join(cells[size]) or "-" for size in CLASSES)))
    rows.append(("camera, identities and depth at once", *(_AT_ONCE.get(size, "-") for size in CLASSES)))
    return _table(head, rows)


def _first_files(driven: list[Family]) -> str:
    """Return the table of the file to begin with of each model, with the memory that it takes."""
    rows: list[tuple[object, ...]] = []
    for family in driven:
        for variant in family.variants:
            file = model_file(variant)
            if file is None:
                continue
            more = " and its low-noise expert" if any(one.role == "second expert" for one in variant.files) else ""
            if family.id == "omnicamera":
                more = " and the part that its section names"
            rows.append(
                (
                    f"[{_name(family, variant)}](#{_anchor(family)})",
                    f"[{file.name}]({file.url}){more}",
                    size_text(file.bytes) if file.bytes else "-",
                    f"{needed_bytes(variant) / 1e9:.1f} GB",
                    file.folder,
                )
            )
    return _table(("model", "file", "download", "GPU memory, computed", "folder"), rows)


def _name(family: Family, variant: Variant) -> str:
    """Return the name of a model with its size, once."""
    return family.name if variant.name in family.name else f"{family.name} {variant.name}"


def _wishes() -> str:
    """Return the table from what is wanted to the models."""
    rows: list[tuple[object, ...]] = []
    for facet, wish in _WISHES.items():
        taking = families_that_take(facet)
        links: dict[str, list[str]] = {"native": [], "part": [], "rendered": []}
        for family in taking:
            links[family.support(facet).how].append(f"[{family.name}](#{_anchor(family)})")
        rendered = f"by rendering: {in_words(links['rendered'])}" if links["rendered"] else ""
        part = "; ".join(filter(None, (in_words(links["part"]), rendered)))
        rows.append((wish, in_words(links["native"]), part or "-"))
    return _table(("you want to control", "take", "in part"), rows)


def _overview(driven: list[Family]) -> str:
    """Return the table of all driven families."""
    rows: list[tuple[object, ...]] = []
    for family in driven:
        cells = [_HOW[family.support(facet).how] for facet in FACETS]
        if family.support("identity").taken:
            cells[FACETS.index("identity")] += f", up to {family.most_identities}"
        memory = "; ".join(f"{variant.name}: {variant.memory}" for variant in family.variants)
        rows.append((f"[{family.name}](#{_anchor(family)})", *cells, memory))
    return _table(("model", *(_COLUMNS[facet] for facet in FACETS), "GPU memory"), rows)


def _family(family: Family) -> str:
    """Return the section of a driven family."""
    supports = {_COLUMNS[facet]: family.support(facet) for facet in FACETS}
    supports |= {f"{_COLUMNS[facet]}, with the depth LoRA": one for facet, one in family.with_depth_lora.items()}
    conditions: list[tuple[object, ...]] = [
        (name, _HOW[one.how], one.sentence, one.strength or "-") for name, one in supports.items()
    ]
    spans = [f"Start and end of {name}: {one.span}" for name, one in supports.items() if one.span not in ("", SPAN)]
    files = [
        (variant, file)
        for variant in family.variants
        for file in variant.files
        if file.role not in ("text encoder", "vae")
    ]
    return "\n\n".join(
        [
            f"## {family.name}",
            f"<{family.source}>",
            "\n".join(_bullet(note) for note in (*family.notes, *spans)),
            _table(("you give", "taken", "what becomes of it", "strength"), conditions),
            _settings_table(family.variants),
            *([_file_table(files)] if files else []),
        ]
    )


def _settings_table(variants: tuple[Variant, ...]) -> str:
    """Return the table of the authors' settings."""
    rows: list[tuple[object, ...]] = []
    for variant in variants:
        s = variant.settings
        video = f"{s.width}x{s.height}, {s.frames} frames, {s.fps:g} fps"
        rows.append((variant.name, video, s.steps, f"{s.shift:g}", f"{s.sampler}, {s.scheduler}", _guidance(s)))
    return _table(("size", "video", "steps", "shift", "sampler, scheduler", "guidance"), rows)


def _guidance(settings: Settings) -> str:
    """Return the guidance scales in words."""
    scales = ", ".join(f"{name} {scale:g}" for name, scale in settings.scales.items())
    if not settings.boundary:
        return scales
    return f"{scales}; x {settings.low_noise_factor:g} from the second expert on (below t = {settings.boundary:g})"


def _file_table(files: Sequence[tuple[Variant | None, ModelFile]]) -> str:
    """Return the table of files, with the size of the model that they are for."""
    rows = [
        (
            f"{variant.name}, {ROLE_NAMES[file.role]}" if variant else ROLE_NAMES[file.role],
            f"[{file.name}](https://huggingface.co/{file.repository})",
            size_text(file.bytes) if file.bytes else "-",
            file.folder,
            file.license,
        )
        for variant, file in files
    ]
    return _table(("for", "file", "size", "folder", "license"), rows)


def _table(head: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> str:
    """Return a Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def _prose(text: str) -> str:
    """Return a paragraph in lines of the documents' width."""
    return textwrap.fill(" ".join(text.split()), _WIDTH, break_long_words=False, break_on_hyphens=False)


def _bullet(text: str) -> str:
    """Return a list entry in lines of the documents' width."""
    return textwrap.fill(
        text, _WIDTH, initial_indent="- ", subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


def _link(family: Family) -> str:
    """Return a family's name, as a link to its authors where they are known."""
    return f"[{family.name}]({family.source})" if family.source else family.name


def _anchor(family: Family) -> str:
    """Return the anchor of a family's section."""
    kept = "".join(letter for letter in family.name.lower() if letter.isalnum() or letter in " -_")
    return kept.replace(" ", "-")
