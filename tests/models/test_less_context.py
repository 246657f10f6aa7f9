"""FullDiT2's ways to read less of the conditions: in some blocks alone, and of the tokens the most important ones."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.models.backbone.attention import BACKENDS, use_backend
from comfyui_fulldit.models.backbone.initialize import initialize
from comfyui_fulldit.models.backbone.token_selection import ImportancePredictor
from comfyui_fulldit.models.backbone.transformer import FullDiT
from comfyui_fulldit.models.config import FullDiTConfig
from comfyui_fulldit.models.weights.attach import attach, condition_file_of
from comfyui_fulldit.models.weights.checkpoint import load_network, save_model
from comfyui_fulldit.models.weights.condition_file import read_condition_file, write_condition_file
from comfyui_fulldit.models.weights.convert import convert
from comfyui_fulldit.models.weights.lora_layers import add_lora, lora_layers
from comfyui_fulldit.models.weights.open_weights import load_backbone
from comfyui_fulldit.models.weights.tensor_file import write_tensors

from .nets import apart, conditions, latent, randomized, small, words

T = torch.tensor([640.0])
TOKENS = sum(stream.tokens for stream in conditions().streams)
BLOCKS, SELECTED = {"condition_blocks": (0, 2)}, {"token_selection": 0.5}
BOTH = {**BLOCKS, **SELECTED}
MODES = pytest.mark.parametrize("changes", [BLOCKS, SELECTED, BOTH], ids=["blocks", "tokens", "both"])


def less(**changes) -> FullDiTConfig:
    return small(num_layers=4, **changes)


def mixed(batch=1):
    """Conditions of which one has a strength of its own."""
    first, *rest = conditions(batch).streams
    return replace(conditions(batch), streams=(replace(first, strength=0.4), *rest))


@torch.no_grad()
def test_all_blocks_and_all_tokens_are_what_a_network_without_the_choice_computes():
    plain, listed = randomized(less()), randomized(less(condition_blocks=(0, 1, 2, 3), token_selection=1))
    assert plain.state_dict().keys() == listed.state_dict().keys()
    x, context = latent(), words(plain.config)
    assert torch.equal(plain(x, T, context, mixed()), listed(x, T, context, mixed()))
    everything = randomized(less(token_selection=0.999))  # rounded up: all of them, in the same order
    with torch.no_grad():
        for block in everything.blocks:
            block.importance[2].weight.zero_()
            block.importance[2].bias.zero_()
    own = {name: value for name, value in everything.state_dict().items() if ".importance." in name}
    everything.load_state_dict({**plain.state_dict(), **own})
    assert torch.equal(everything(x, T, context, mixed()), plain(x, T, context, mixed()))


@MODES
@torch.no_grad()
def test_a_cache_gives_what_the_conditions_give_at_every_time_and_batch(changes):
    model = randomized(less(**changes))
    cache = model.prefill(mixed())
    for t in (0.0, 333.0, 1000.0):
        x, context, times = latent(batch=3, seed=int(t)), words(model.config, 3), torch.full((3,), t)
        found = model(x, times, context, kv_cache=cache)
        assert torch.equal(found, model(x, times, context, mixed()))
        assert apart(model(x, times, context), found) > 1e-3
    several = model(latent(batch=2), T.expand(2), words(model.config, 2), conditions(2))
    for i in range(2):
        one = replace(conditions(2), streams=tuple(replace(s, data=s.data[i : i + 1]) for s in conditions(2).streams))
        assert apart(model(latent(batch=2)[i : i + 1], T, words(model.config, 2)[i : i + 1], one), several[i]) < 1e-5


@MODES
@torch.no_grad()
def test_the_cache_holds_the_selected_tokens_of_the_chosen_blocks(changes):
    config = less(**changes)
    cache = randomized(config).prefill(conditions())
    count = math.ceil(config.token_selection * TOKENS)
    chosen = changes.get("condition_blocks", range(4))
    assert [None if layer is None else layer[0].shape[1] for layer in cache.layers] == [
        count if i in chosen else None for i in range(4)
    ]
    assert cache.nbytes == 2 * len(chosen) * count * config.dim * 4
    assert cache.expand(3).layers[1] is None or "condition_blocks" not in changes
    assert torch.equal(cache.in_main_memory().layers[2][1], cache.layers[2][1])


@torch.no_grad()
def test_other_blocks_never_see_a_condition_token():
    """What attends to what, and that nothing of the conditions is even computed there."""
    model = randomized(less(**BOTH))
    calls, entered = [], []

    def own(q, k, v, heads, transformer_options=None, kind="self"):
        calls.append((kind, q.shape[1], k.shape[1]))
        return BACKENDS["explicit"](q, k, v, heads)

    use_backend(model, own)
    for i, block in enumerate(model.blocks):
        block.norm1.register_forward_hook(lambda _m, inputs, _o, i=i: entered.append((i, inputs[0].shape[1])))
    model(latent(), T, words(model.config), conditions())
    k, video, text = math.ceil(TOKENS / 2), 18, ("text", 18, 7)
    reading, alone = ("self", video, video + k), ("self", video, video)
    assert calls == [("condition", k, k), reading, text, alone, text, reading, text, alone, text]
    assert [n for i, n in entered if i in (1, 3)] == [video, video]


@MODES
@torch.no_grad()
def test_the_order_of_conditions_does_not_matter(changes):
    model = randomized(less(**changes))
    x, context, given = latent(), words(model.config), mixed()
    found = model(x, T, context, given)
    assert apart(model(x, T, context, given.subset(reversed(range(5)))), found) < 5e-6


@MODES
def test_training_computes_what_sampling_does_and_gradients_reach_the_predictors(changes):
    config = less(**changes)
    nets = [randomized(config), randomized(config).train(), randomized(config).train()]
    nets[2].checkpoint_gradients()
    outputs = [net(latent(batch=2), T.expand(2), words(config, 2), mixed(2)) for net in nets]
    for output in outputs:
        output.square().mean().backward()
    gradients = [torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None]) for net in nets]
    for i in (1, 2):
        assert apart(outputs[i].detach(), outputs[0].detach()) < 1e-6 and apart(gradients[i], gradients[0]) < 1e-6
    predictors = {n: p for n, p in nets[1].named_parameters() if ".importance." in n}
    blocks = changes.get("condition_blocks", range(4)) if "token_selection" in changes else ()
    assert predictors.keys() == {
        f"blocks.{i}.importance.{j}" for i in blocks for j in ("0.weight", "0.bias", "2.weight", "2.bias")
    }
    assert all(p.grad.abs().sum() > 0 for p in predictors.values())


def test_the_gradient_of_a_predictor_is_that_of_the_loss():
    """Not an estimate: by differences, as long as the choice stays."""
    model = randomized(less(**BOTH)).double()
    weight = model.blocks[0].importance[2].weight
    given = replace(conditions(), streams=tuple(replace(s, data=s.data.double()) for s in conditions().streams))

    def loss():
        return model(latent().double(), T.double(), words(model.config).double(), given).square().mean()

    loss().backward()
    direction = weight.grad / weight.grad.norm()
    step = 1e-3
    with torch.no_grad():
        weight += step * direction
        above = float(loss())
        weight -= 2 * step * direction
        below = float(loss())
    assert (above - below) / (2 * step) == pytest.approx(float(weight.grad.norm()), rel=0.01)


@torch.no_grad()
def test_a_fresh_predictor_changes_no_value_and_thins_all_conditions_out_alike():
    model = FullDiT(less(token_selection=0.5))
    initialize(model)
    chosen = model.blocks[0].importance.choose(torch.randn(2, 300, model.config.dim))
    assert torch.equal(chosen.weight, torch.ones(2, 150, 1))
    assert torch.equal(chosen.numbers, chosen.numbers.sort(1).values) and torch.equal(
        chosen.numbers[0], chosen.numbers[1]
    )
    assert int(chosen.numbers[0].diff().max()) <= 3
    for start in range(0, 300, 50):
        assert 23 <= int(((chosen.numbers[0] >= start) & (chosen.numbers[0] < start + 50)).sum()) <= 27


@torch.no_grad()
def test_the_tokens_with_the_largest_scores_are_taken():
    predictor = ImportancePredictor(less(token_selection=0.3))
    values = torch.randn(2, 11, predictor.count.__self__.dim)
    scores = predictor(values)[..., 0]
    chosen = predictor.choose(values)
    for row, score in enumerate(scores.tolist()):
        best = sorted(range(11), key=lambda i: -score[i])[:4]
        assert chosen.numbers[row].tolist() == sorted(best)
        assert torch.equal(chosen.values[row], values[row, sorted(best)])
    assert torch.allclose(chosen.weight, 2 * scores.gather(1, chosen.numbers).sigmoid()[..., None])


def restated(model, x, t, context, given):
    """The whole network again, token by token and head by head, from its weights and the paper's words alone."""
    config, weights = model.config, model.state_dict()
    heads, width = config.num_heads, config.dim // config.num_heads

    def linear(name, row):
        return weights[f"{name}.weight"] @ row + weights[f"{name}.bias"]

    def rms(name, row):
        return row / (row.square().mean() + config.eps).sqrt() * weights[f"{name}.weight"]

    def layer_norm(row):
        return (row - row.mean()) / (row.var(unbiased=False) + config.eps).sqrt()

    def turn(row, rope):
        pairs = torch.view_as_complex(row.view(heads, -1, 2).contiguous())
        cos, sin = (one[0].view(-1, 2)[:, 1] for one in rope)
        return torch.view_as_real(pairs * torch.complex(cos, sin)).reshape(-1)

    def attend(q, keys, values):
        out = []
        for h in range(heads):
            at = slice(h * width, (h + 1) * width)
            share = torch.stack([q[at] @ k[at] for k in keys]).div(width**0.5).softmax(0)
            out.append(sum(s * v[at] for s, v in zip(share, values, strict=True)))
        return torch.cat(out)

    def modulation(i, e):
        return (weights[f"blocks.{i}.modulation"][0] + e).unbind(0)

    def feed(i, row, shift, scale):
        hidden = linear(f"blocks.{i}.ffn.0", layer_norm(row) * (1 + scale) + shift)
        return linear(f"blocks.{i}.ffn.2", torch.nn.functional.gelu(hidden, approximate="tanh"))

    def score(i, value):
        hidden = torch.nn.functional.gelu(linear(f"blocks.{i}.importance.0", value), approximate="tanh")
        return float(linear(f"blocks.{i}.importance.2", hidden))

    others, rope, strength = model._embed_conditions(given, {}, torch.float32)
    others = list(others[0])
    strengths = [1.0] * len(others) if strength is None else strength[:, 0].tolist()
    ropes = [(rope[0][j], rope[1][j]) for j in range(len(others))]
    zero = model.embed_time(torch.zeros(1), torch.float32)[1][0, 0]
    read = {}
    for i in config.condition_blocks:
        attn = f"blocks.{i}.self_attn"
        shift1, scale1, gate1, shift2, scale2, gate2 = modulation(i, zero)
        normed = [layer_norm(row) * (1 + scale1) + shift1 for row in others]
        value = [linear(f"{attn}.v", row) for row in normed]
        scores = [score(i, v) for v in value]
        best = sorted(range(len(others)), key=lambda j: -scores[j])[: math.ceil(config.token_selection * len(others))]
        keys = {j: turn(rms(f"{attn}.norm_k", linear(f"{attn}.k", normed[j])), ropes[j]) for j in best}
        weighted = {j: value[j] * 2 / (1 + math.exp(-scores[j])) for j in best}
        read[i] = ([keys[j] for j in best], [weighted[j] * strengths[j] for j in best])
        after = list(others)
        for j in best:
            q = turn(rms(f"{attn}.norm_q", linear(f"{attn}.q", normed[j])), ropes[j])
            row = others[j] + gate1 * linear(f"{attn}.o", attend(q, list(keys.values()), list(weighted.values())))
            after[j] = row + gate2 * feed(i, row, shift2, scale2)
        others = after

    tokens, shape = model.embed_video(x)
    tokens = list(tokens[0])
    e, e0 = model.embed_time(t, torch.float32)
    text = list(model.embed_text(context)[0])
    from comfyui_fulldit.models.backbone.positions import grid, make_rope

    cos, sin = make_rope(grid(*(range(side) for side in shape)), width)
    for i in range(config.num_layers):
        attn, cross = f"blocks.{i}.self_attn", f"blocks.{i}.cross_attn"
        shift1, scale1, gate1, shift2, scale2, gate2 = modulation(i, e0[0, 0])
        normed = [layer_norm(row) * (1 + scale1) + shift1 for row in tokens]
        keys = [turn(rms(f"{attn}.norm_k", linear(f"{attn}.k", row)), (cos[j], sin[j])) for j, row in enumerate(normed)]
        values = [linear(f"{attn}.v", row) for row in normed]
        more_keys, more_values = read.get(i, ([], []))
        text_keys = [rms(f"{cross}.norm_k", linear(f"{cross}.k", row)) for row in text]
        text_values = [linear(f"{cross}.v", row) for row in text]
        after = []
        for j, row in enumerate(tokens):
            q = turn(rms(f"{attn}.norm_q", linear(f"{attn}.q", normed[j])), (cos[j], sin[j]))
            row = row + gate1 * linear(f"{attn}.o", attend(q, keys + more_keys, values + more_values))
            norm3 = layer_norm(row) * weights[f"blocks.{i}.norm3.weight"] + weights[f"blocks.{i}.norm3.bias"]
            q = rms(f"{cross}.norm_q", linear(f"{cross}.q", norm3))
            row = row + linear(f"{cross}.o", attend(q, text_keys, text_values))
            after.append(row + gate2 * feed(i, row, shift2, scale2))
        tokens = after
    return model.to_latent(model.head(torch.stack(tokens)[None], e), shape)


@torch.no_grad()
def test_it_computes_what_the_paper_says_by_an_independent_restatement():
    model = randomized(less(**BOTH))
    x, context = latent(), words(model.config)
    expected = restated(model, x, T, context, mixed())
    assert apart(model(x, T, context, mixed()), expected) < 1e-5
    with torch.no_grad():  # the comparison can fail: with other scores other tokens are read
        model.blocks[2].importance[2].weight.neg_()
    assert apart(model(x, T, context, mixed()), expected) > 1e-4


WRONG = [
    ({"condition_blocks": (0, 4)}, "increasing numbers of its blocks, from 0 to 3"),
    ({"condition_blocks": (-1,)}, "increasing numbers of its blocks"),
    ({"condition_blocks": (2, 0)}, "increasing numbers of its blocks"),
    ({"condition_blocks": (1, 1)}, "increasing numbers of its blocks"),
    ({"condition_blocks": (True,)}, "increasing numbers of its blocks"),
    ({"condition_blocks": (0.0,)}, "increasing numbers of its blocks"),
    ({"condition_blocks": ("0",)}, "increasing numbers of its blocks"),
    ({"condition_blocks": ([0],)}, "increasing numbers of its blocks"),
    ({"condition_blocks": 3}, "must be of type tuple"),
    ({"token_selection": 0}, "must lie between 0.01 and 1"),
    ({"token_selection": 1.5}, "must lie between 0.01 and 1"),
    ({"token_selection": float("nan")}, "must lie between 0.01 and 1"),
    ({"token_selection": "half"}, "must be of type float"),
    ({"token_selection": True}, "must be of type float"),
    ({"attention": "full", **SELECTED}, "set attention to 'decoupled'"),
    ({"attention": "full", **BLOCKS}, "set attention to 'decoupled'"),
    ({"joint_text": True, **BLOCKS}, "joint_text to false"),
]


@pytest.mark.parametrize(("changes", "words_of_it"), WRONG)
def test_malformed_values_are_refused_in_a_sentence(changes, words_of_it):
    with pytest.raises(UserError, match=words_of_it):
        FullDiTConfig.from_dict({"num_layers": 4, **changes})


def test_processes_that_share_a_sequence_cannot_select():
    with pytest.raises(UserError, match="set token_selection to 1, or sequence_processes to 1"):
        FullDiT(less(**SELECTED)).share_sequences(None)


@MODES
def test_a_checkpoint_says_how_it_reads_and_loads_strictly(changes, tmp_path):
    config = less(**changes)
    model = randomized(config)
    save_model(tmp_path / "m.safetensors", model, None, config, dtype=None)
    loaded, said = load_network(tmp_path / "m.safetensors")
    assert said == config and FullDiTConfig.from_json(config.to_json()) == config
    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in model.state_dict().items())
    with pytest.raises(UserError, match="published class for diffusers does not"):
        convert(tmp_path / "m.safetensors", tmp_path / "folder", "diffusers")


def test_what_an_older_version_wrote_reads_everything():
    text = less().to_json()
    for name in ("condition_blocks", "token_selection"):
        assert f'"{name}": ' in text
    older = text.replace(', "condition_blocks": [], "token_selection": 1.0', "")
    assert "token_selection" not in older
    config = FullDiTConfig.from_json(older)
    assert config == less() and not config.reads_less and config.blocks_of_conditions == (0, 1, 2, 3)


@torch.no_grad()
def test_a_condition_file_brings_its_predictors(tmp_path):
    config = less(text="umt5", **BOTH)
    base = {
        n: v for n, v in randomized(config).state_dict().items() if "tokenizers." not in n and ".importance." not in n
    }
    model = FullDiT(config)
    load_backbone(model, base)
    assert not model.blocks[2].importance[2].weight.any()  # from open weights they begin at zero
    add_lora(model, 2, None)
    for name, p in model.named_parameters():
        if ".lora_" in name or "tokenizers." in name or ".importance." in name:
            p.copy_(torch.randn(p.shape, generator=torch.Generator().manual_seed(3)) * 0.2)
    alphas = {name: layer.alpha for name, layer in lora_layers(model).items()}
    made = condition_file_of(model.state_dict(), base, {}, config, alphas, "tiny", dtype=torch.float32)
    write_condition_file(tmp_path / "c.safetensors", made)
    write_tensors(tmp_path / "wan.safetensors", base, {})
    whole = attach(tmp_path / "wan.safetensors", read_condition_file(tmp_path / "c.safetensors"))
    arguments = (latent(), T, words(config), conditions())
    assert apart(whole(*arguments), model.eval()(*arguments)) < 1e-5
    own = {n: v for n, v in made.own.items() if n != "blocks.0.importance.2.bias"}
    with pytest.raises(UserError, match="lacks 'blocks.0.importance.2.bias'"):
        write_condition_file(tmp_path / "bad.safetensors", replace(made, own=own))
