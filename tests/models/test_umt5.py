"""Wan's text encoder outside the host: a tiny UMT5 in ComfyUI's file, held against the formula written out here."""

from __future__ import annotations

import io
import math

import pytest
import torch

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.models.conditioning.umt5 import END, load_umt5
from comfyui_fulldit.models.weights.tensor_file import write_tensors

DIM, HEADS, KV, FFN, LAYERS, BUCKETS = 16, 2, 8, 24, 2, 32
TEXTS = ["a red ball", "a blue box rolls to the left of a red ball", ""]
CORPUS = ["a red ball rolls", "a blue box", "the green cone stands left of the box", "a ball to the right of a cone"]


def vocabulary() -> bytes:
    """A small sentencepiece model with UMT5's special pieces (pad 0, end 1)."""
    trainer = pytest.importorskip("sentencepiece")
    model = io.BytesIO()
    trainer.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS * 8),
        model_writer=model,
        vocab_size=48,
        hard_vocab_limit=False,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    return model.getvalue()


def tiny_umt5(seed: int = 0, width: int = DIM) -> dict[str, torch.Tensor]:
    """Random weights under the names of ComfyUI's file."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape, scale=0.5):
        return torch.randn(shape, generator=generator) * scale

    state = {
        "shared.weight": draw(48, width, scale=1.0),
        "encoder.final_layer_norm.weight": 1 + draw(width, scale=0.1),
        "spiece_model": torch.frombuffer(bytearray(vocabulary()), dtype=torch.uint8),
    }
    for i in range(LAYERS):
        attention, feed = (f"encoder.block.{i}.layer.{n}" for n in (0, 1))
        for part in "qkv":
            state[f"{attention}.SelfAttention.{part}.weight"] = draw(HEADS * KV, width)
        state[f"{attention}.SelfAttention.o.weight"] = draw(width, HEADS * KV)
        state[f"{attention}.SelfAttention.relative_attention_bias.weight"] = draw(BUCKETS, HEADS)
        state[f"{attention}.layer_norm.weight"] = 1 + draw(width, scale=0.1)
        state[f"{feed}.DenseReluDense.wi_0.weight"] = draw(FFN, width)
        state[f"{feed}.DenseReluDense.wi_1.weight"] = draw(FFN, width)
        state[f"{feed}.DenseReluDense.wo.weight"] = draw(width, FFN)
        state[f"{feed}.layer_norm.weight"] = 1 + draw(width, scale=0.1)
    return state


def bucket(distance: int) -> int:
    """T5's bucket of a distance (key minus query), both directions (arXiv 1910.10683)."""
    half = BUCKETS // 2
    start = half if distance > 0 else 0
    distance, exact = abs(distance), half // 2
    if distance < exact:
        return start + distance
    far = exact + int(math.log(distance / exact) / math.log(128 / exact) * (half - exact))
    return start + min(far, half - 1)


def by_hand(state, ids: list[int]) -> torch.Tensor:
    """(n, width): what the encoder gives for ids without padding."""
    x = state["shared.weight"][ids].double()
    norm = lambda x, w: x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt() * w.double()  # noqa: E731
    n = len(ids)
    for i in range(LAYERS):
        a, f = (f"encoder.block.{i}.layer.{k}" for k in (0, 1))
        get = lambda name: state[name].double()  # noqa: E731
        y = norm(x, get(f"{a}.layer_norm.weight"))
        q, k, v = ((y @ get(f"{a}.SelfAttention.{p}.weight").T).view(n, HEADS, KV).transpose(0, 1) for p in "qkv")
        table = get(f"{a}.SelfAttention.relative_attention_bias.weight")
        bias = torch.stack([torch.stack([table[bucket(j - i)] for j in range(n)]) for i in range(n)]).movedim(-1, 0)
        y = ((q @ k.transpose(1, 2) + bias).softmax(-1) @ v).transpose(0, 1).flatten(1)
        x = x + y @ get(f"{a}.SelfAttention.o.weight").T
        y = norm(x, get(f"{f}.layer_norm.weight"))
        gate = torch.nn.functional.gelu(y @ get(f"{f}.DenseReluDense.wi_0.weight").T, approximate="tanh")
        x = x + (gate * (y @ get(f"{f}.DenseReluDense.wi_1.weight").T)) @ get(f"{f}.DenseReluDense.wo.weight").T
    return norm(x, state["encoder.final_layer_norm.weight"]).float()


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    pytest.importorskip("transformers")
    path = tmp_path_factory.mktemp("umt5") / "umt5.safetensors"
    state = tiny_umt5()
    write_tensors(path, state, {})
    return path, state


def test_words_become_what_the_formula_says(written):
    path, state = written
    text = load_umt5(path, DIM)
    out = text.encode(TEXTS)
    assert out.shape == (3, 512, DIM)
    for row, words in zip(out, TEXTS, strict=True):
        ids = [*text.words.encode(words), END]
        assert torch.allclose(row[: len(ids)], by_hand(state, ids), atol=1e-4)
        assert row[len(ids) :].abs().max() == 0
    assert torch.equal(text.encode(["a red ball " * 400])[0, 511].bool().any(), torch.tensor(True)), "long text is cut"


def test_the_fp8_file_gives_nearly_the_same(written, tmp_path):
    path, state = written
    small = {"scaled_fp8": torch.zeros(2, dtype=torch.float8_e4m3fn)}
    for name, value in state.items():
        if name.startswith("encoder.block") and value.ndim == 2 and "bias" not in name:
            scale = value.abs().max() / 448
            small[name] = (value / scale).to(torch.float8_e4m3fn)
            small[name.replace(".weight", ".scale_weight")] = scale
        else:
            small[name] = value
    write_tensors(tmp_path / "fp8.safetensors", small, {})
    exact, rounded = (load_umt5(p, DIM).encode(TEXTS[:1]) for p in (path, tmp_path / "fp8.safetensors"))
    assert 0 < ((rounded - exact).norm() / exact.norm()).item() < 0.2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.pop("spiece_model"), "lacks 'spiece_model'"),
        (lambda s: s.pop("shared.weight"), "lacks 'shared.weight'"),
        (lambda s: s.update(spiece_model=torch.zeros(9, dtype=torch.uint8)), "vocabulary that cannot be read"),
        (lambda s: s.pop("encoder.block.0.layer.0.SelfAttention.q.weight"), "weights of its first block"),
        (lambda s: s.pop("encoder.block.1.layer.0.SelfAttention.q.weight"), "does not fit the UMT5"),
    ],
)
def test_a_file_of_something_else_is_refused(written, tmp_path, change, words):
    state = dict(written[1])
    change(state)
    write_tensors(tmp_path / "odd.safetensors", state, {})
    with pytest.raises(UserError, match=words):
        load_umt5(tmp_path / "odd.safetensors", DIM)


def test_another_width_or_no_file_is_refused(written):
    with pytest.raises(UserError, match="words of width 16, but the model reads 4096"):
        load_umt5(written[0], 4096)
    with pytest.raises(UserError, match="--text-encoder, or use Wan and condition file in ComfyUI"):
        load_umt5(None, 4096)
