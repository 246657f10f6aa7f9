"""Load LoRA on a small random Wan in core's own classes: every layout acts as the merged weights do, and leaves."""

from __future__ import annotations

import importlib
import json

import pytest
import torch

from .conftest import OUT, PACK, ROOT
from .test_api import node
from .test_bridge import random_weights
from .test_mask_nodes import BUILD, SAID
from .test_page import FIT, UPDATE, browser, crop, page, press_run  # noqa: F401 - two of them are fixtures

pytestmark = pytest.mark.comfyui
DIM, FFN, LAYERS, TEXT, RANK = 256, 512, 4, 4096, 4
STRENGTH, ALPHA = 0.7, 2.0
# Modules of Wan, and diffusers' names of them.
PAIRS = {
    "blocks.0.self_attn.q": "blocks.0.attn1.to_q",
    "blocks.1.cross_attn.q": "blocks.1.attn2.to_q",
    "blocks.2.ffn.0": "blocks.2.ffn.net.0.proj",
    "blocks.3.ffn.2": "blocks.3.ffn.net.2",
    "patch_embedding": "patch_embedding",
}
CHANGES = {"blocks.1.norm3": "blocks.1.norm2", "blocks.0.modulation": "blocks.0.scale_shift_table"}
KOHYA = ("lora_down.weight", "lora_up.weight")
PEFT = ("lora_A.default.weight", "lora_B.default.weight")
PLAIN = ("lora_A.weight", "lora_B.weight")
# Writer -> (prefix, diffusers' names, underscores, tails, alpha).
LAYOUTS = {
    "ComfyUI": ("diffusion_model.", False, False, PLAIN, False),
    "LightX2V": ("diffusion_model.", False, False, KOHYA, True),
    "DiffSynth": ("", False, False, PEFT, False),
    "DiffSynth's pipeline": ("pipe.dit.", False, False, PEFT, False),
    "checkpoint": ("model.diffusion_model.", False, False, PLAIN, False),
    "diffusers": ("transformer.", True, False, PLAIN, False),
    "transformer": ("transformer.", False, False, PLAIN, False),
    "PEFT": ("base_model.model.", True, False, PEFT, False),
    "musubi": ("lora_unet_", False, True, KOHYA, True),
    "VideoX-Fun": ("lora_unet__", False, True, KOHYA, True),
    "LyCORIS": ("lycoris_", True, True, KOHYA, True),
    "OneTrainer": ("lora_transformer_", True, True, KOHYA, True),
}


def module(name: str):
    """A module of the pack as the host loaded it."""
    return importlib.import_module(f"{PACK}.{name}")


def user_error():
    return module("control.errors").UserError


@pytest.fixture(scope="module")
def weights(host) -> dict[str, torch.Tensor]:
    """Random weights of a Wan with 4 blocks, under the original keys."""
    torch.set_num_threads(1)
    config = module("models.config").FullDiTConfig(
        dim=DIM, ffn_dim=FFN, num_layers=LAYERS, num_heads=2, text_dim=TEXT, text_len=512, streams=(), text="umt5"
    )
    network = module("models.backbone.transformer").FullDiT(config)
    numbers = torch.Generator().manual_seed(0)
    state = {}
    for name, value in network.state_dict().items():
        state[name] = torch.randn(value.shape, generator=numbers) * (
            1 / value[0].numel() ** 0.5 if value.ndim > 1 else 0.1
        )
        if ".norm" in name and name.endswith("weight"):
            state[name] += 1
    return state


@pytest.fixture(scope="module")
def model(weights, tmp_path_factory):
    """The file of these weights as core loads it."""
    import comfy.sd
    from safetensors.torch import save_file

    path = tmp_path_factory.mktemp("wan") / "wan.safetensors"
    save_file(weights, path)
    return comfy.sd.load_diffusion_model(str(path), model_options={"dtype": torch.float32})


@pytest.fixture(scope="module")
def changes(weights) -> dict[str, torch.Tensor]:
    """What a LoRA holds, by module and kind of tensor."""
    numbers = torch.Generator().manual_seed(1)
    found = {}
    for name in PAIRS:
        out, into, *kernel = weights[f"{name}.weight"].shape
        found[f"{name}.down"] = torch.randn(RANK, into, *kernel, generator=numbers) * 0.2
        found[f"{name}.up"] = torch.randn(out, RANK, *(1 for _ in kernel), generator=numbers) * 0.2
    found["blocks.1.norm3.diff"] = torch.randn(DIM, generator=numbers)
    found["blocks.1.norm3.diff_b"] = torch.randn(DIM, generator=numbers)
    found["blocks.0.modulation.diff"] = torch.randn(1, 6, DIM, generator=numbers)
    return found


def written(changes, layout) -> dict[str, torch.Tensor]:
    """The file of a LoRA in a layout."""
    prefix, diffusers, flat, (down, up), alpha = layout
    file = {}
    for key, value in changes.items():
        name, _, kind = key.rpartition(".")
        name = (PAIRS | CHANGES)[name] if diffusers else name
        name = prefix + (name.replace(".", "_") if flat else name)
        file[f"{name}.{ {'down': down, 'up': up}.get(kind, kind) }"] = value
        if kind == "down" and alpha:
            file[f"{name}.alpha"] = torch.tensor(ALPHA)
    return file


def merged(weights, changes, scale: float) -> dict[str, torch.Tensor]:
    """The weights with the changes added by hand; scale: of the pairs."""
    state = {name: value.double() for name, value in weights.items()}
    for name in PAIRS:
        product = changes[f"{name}.up"].double().flatten(1) @ changes[f"{name}.down"].double().flatten(1)
        state[f"{name}.weight"] += STRENGTH * scale * product.view_as(state[f"{name}.weight"])
    state["blocks.1.norm3.weight"] += STRENGTH * changes["blocks.1.norm3.diff"]
    state["blocks.1.norm3.bias"] += STRENGTH * changes["blocks.1.norm3.diff_b"]
    state["blocks.0.modulation"] += STRENGTH * changes["blocks.0.modulation.diff"]
    return {name: value.float() for name, value in state.items()}


def run(patcher, concat=None) -> torch.Tensor:
    """The model's answer, through core's loading and unloading of patches."""
    import comfy.model_management

    numbers = torch.Generator().manual_seed(2)
    x = torch.randn(1, 16, 3, 4, 6, generator=numbers)
    text = torch.randn(1, 9, TEXT, generator=numbers)
    comfy.model_management.load_models_gpu([patcher])
    with torch.inference_mode():
        return patcher.model.apply_model(x, torch.tensor([0.6]), c_concat=concat, c_crossattn=text)


def apart(a: torch.Tensor, b: torch.Tensor) -> float:
    return ((a - b).norm() / b.norm()).item()


@pytest.fixture(scope="module")
def plain(model) -> torch.Tensor:
    """The model's answer without a LoRA."""
    return run(model)


@pytest.fixture(scope="module")
def by_hand(weights, changes) -> dict[bool, torch.Tensor]:
    """The answers of models with merged weights, for files without and with alpha."""
    import comfy.sd

    return {
        alpha: run(
            comfy.sd.load_diffusion_model_state_dict(
                merged(weights, changes, ALPHA / RANK if alpha else 1.0), model_options={"dtype": torch.float32}
            )
        )
        for alpha in (False, True)
    }


@pytest.fixture
def load(model, tmp_path):
    """Write a LoRA file and load it by the node: (model, report)."""
    import folder_paths
    from safetensors.torch import save_file

    folder_paths.add_model_folder_path("loras", str(tmp_path))

    def load(file, strength=STRENGTH, onto=model):
        save_file(file, tmp_path / "lora.safetensors")
        return module("nodes.lora").FullDiTLoadLora.execute(onto, "lora.safetensors", strength).args

    yield load
    folder_paths.folder_names_and_paths["loras"][0].remove(str(tmp_path))


@pytest.mark.parametrize("writer", LAYOUTS)
def test_every_layout_acts_as_the_merged_weights_and_leaves(model, plain, by_hand, changes, load, writer):
    layout = LAYOUTS[writer]
    file = written(changes, layout)
    patched, report = load(file)
    assert report.startswith(f"lora.safetensors: {len(file)} of {len(file)} keys applied to 7 modules, strength 0.7.")
    assert report.endswith(
        f"\nLayout: {repr(layout[0]) if layout[0] else 'no prefix'}, "
        + ("diffusers' names." if layout[1] else "Wan's names.")
    )
    found = run(patched)
    assert apart(found, by_hand[layout[4]]) < 1e-5
    assert apart(found, plain) > 1e-2 and apart(by_hand[not layout[4]], by_hand[layout[4]]) > 1e-3
    assert torch.equal(run(model), plain), "gone without the LoRA"


def test_a_lokr_of_lycoris_acts_as_a_kronecker_product(model, weights, plain, load):
    import comfy.sd

    numbers = torch.Generator().manual_seed(3)
    one, two = torch.randn(16, 8, generator=numbers) * 0.1, torch.randn(DIM // 16, DIM // 8, generator=numbers) * 0.1
    patched, report = load(
        {"lycoris_blocks_0_attn1_to_v.lokr_w1": one, "lycoris_blocks_0_attn1_to_v.lokr_w2": two}, 1.0
    )
    assert "2 of 2 keys applied to 1 module," in report
    state = dict(weights)
    state["blocks.0.self_attn.v.weight"] = weights["blocks.0.self_attn.v.weight"] + torch.kron(one, two)
    wanted = run(comfy.sd.load_diffusion_model_state_dict(state, model_options={"dtype": torch.float32}))
    assert apart(run(patched), wanted) < 1e-5 and apart(wanted, plain) > 1e-3


def test_two_loras_add_up_and_a_negative_one_takes_away(model, plain, changes, load):
    file = written(changes, LAYOUTS["diffusers"])
    once, _ = load(file)
    both, _ = load(written(changes, LAYOUTS["musubi"]), -STRENGTH * RANK / ALPHA, onto=once)
    pairs_gone = {key: value for key, value in file.items() if "lora" not in key}
    assert apart(run(both), run(load(pairs_gone, STRENGTH * (1 - RANK / ALPHA))[0])) < 1e-5
    same, report = load(file, 0.0)
    assert same is model and "not used" in report


def test_a_depth_control_lora_widens_the_patch_embedding_while_it_is_on(model, plain, weights, load):
    numbers = torch.Generator().manual_seed(4)
    file = {
        "diffusion_model.patch_embedding.lora_down.weight": torch.randn(RANK, 32 * 4, generator=numbers) * 0.2,
        "diffusion_model.patch_embedding.lora_up.weight": torch.randn(DIM, RANK, generator=numbers) * 0.2,
        "diffusion_model.patch_embedding.reshape_weight": torch.tensor([DIM, 32, 1, 2, 2]),
        "diffusion_model.blocks.0.self_attn.q.lora_down.weight": torch.randn(RANK, DIM, generator=numbers) * 0.1,
        "diffusion_model.blocks.0.self_attn.q.lora_up.weight": torch.randn(DIM, RANK, generator=numbers) * 0.1,
    }
    patched, report = load(file, 1.0)
    assert "5 of 5 keys applied to 2 modules" in report and "shape" not in report
    depth = torch.randn(1, 16, 3, 4, 6, generator=numbers)
    answers = [run(patched, concat) for concat in (depth, -depth)]
    layer = patched.model.diffusion_model.patch_embedding
    assert layer.weight.shape == (DIM, 32, 1, 2, 2)
    assert apart(answers[0], answers[1]) > 1e-2 and apart(answers[0], plain) > 1e-2
    # The next LoRA is measured against the model itself, though it is still widened.
    fits = {"diffusion_model.patch_embedding.diff": torch.zeros(DIM, 16, 1, 2, 2)}
    assert "1 of 1 keys" in load(fits)[1]
    assert torch.equal(run(model), plain) and layer.weight.shape == (DIM, 16, 1, 2, 2)


def test_what_does_not_fit_is_named(changes, load):
    foreign = {
        "lora_te_encoder.lora_down.weight": torch.zeros(1),
        "patch_embedding.set_weight": torch.zeros(DIM, 36, 1, 2, 2),
    }
    _, report = load(
        {**written({"blocks.0.modulation.diff": changes["blocks.0.modulation.diff"]}, LAYOUTS["DiffSynth"]), **foreign}
    )
    assert "1 of 3 keys applied to 1 module," in report
    assert "Not of this model: lora_te_encoder.lora_down.weight." in report
    assert "Of another shape: patch_embedding (256x36x1x2x2, the model's is 256x16x1x2x2)." in report


def test_what_changes_nothing_is_refused(load, tmp_path):
    with pytest.raises(user_error(), match=r"'lora\.safetensors': None of the 1 keys.*'a\.lora_A\.weight'"):
        load({"a.lora_A.weight": torch.zeros(2, 2)})
    with pytest.raises(user_error(), match="another size of the model"):
        load(
            {
                "blocks.0.ffn.0.lora_A.weight": torch.zeros(2, 5120),
                "blocks.0.ffn.0.lora_B.weight": torch.zeros(13824, 2),
            }
        )
    with pytest.raises(user_error(), match="Stand-In"):
        load({"blocks.0.self_attn.q_loras.down.weight": torch.zeros(2, 2)})
    with pytest.raises(user_error(), match="'gone.safetensors' is not there.*models/loras"):
        module("nodes.lora").FullDiTLoadLora.execute(None, "gone.safetensors", 1.0)


def test_a_model_in_fp8_takes_it(weights, changes, load):
    """As core loads the repacked fp8 files: quantized layers with their scales beside them."""
    import comfy.sd

    state = {}
    for name, value in weights.items():
        state[name] = value
        if name.startswith("blocks.") and value.ndim == 2:
            layer, scale = name.removesuffix(".weight"), value.abs().max() / 448
            state |= {name: (value / scale).to(torch.float8_e4m3fn), f"{layer}.weight_scale": scale}
            state[f"{layer}.comfy_quant"] = torch.tensor(
                list(json.dumps({"format": "float8_e4m3fn"}).encode()), dtype=torch.uint8
            )
    small = comfy.sd.load_diffusion_model_state_dict(state)
    before = run(small)
    file = written(changes, LAYOUTS["diffusers"])
    patched, report = load(file, onto=small)
    assert f"{len(file)} of {len(file)} keys" in report and apart(run(patched), before) > 1e-2
    with pytest.raises(user_error(), match="another size"):
        load({"blocks.0.ffn.0.diff": torch.zeros(3, 3)}, onto=small)


def test_our_own_network_takes_it_also_on_its_tokenizers(host, tmp_path, load):
    fulldit, *_ = module("nodes.bridge.loaders").load_all(*random_weights(tmp_path), "fp32")
    network = fulldit.model.diffusion_model
    out, into = network.blocks[0].ffn[0].weight.shape
    file = {
        "transformer.blocks.0.ffn.net.0.proj.lora_A.weight": torch.ones(2, into),
        "transformer.blocks.0.ffn.net.0.proj.lora_B.weight": torch.ones(out, 2),
        "transformer.tokenizers.depth.patch_embedding.diff_b": torch.ones(network.config.dim),
    }
    patched, report = load(file, onto=fulldit)
    assert "3 of 3 keys applied to 2 modules" in report
    assert set(patched.patches) == {
        "diffusion_model.blocks.0.ffn.0.weight",
        "diffusion_model.tokenizers.depth.patch_embedding.bias",
    }


@pytest.fixture
def distilled(server) -> str:
    """A LoRA for the embedded model in the server's folder, as DiffSynth writes it."""
    from safetensors.torch import load_file, save_file

    shape = load_file(ROOT / "checkpoints" / "fulldit_mini.safetensors")["blocks.0.self_attn.q.weight"].shape
    numbers = torch.Generator().manual_seed(5)
    file = {
        "blocks.0.self_attn.q.lora_A.default.weight": torch.randn(RANK, shape[1], generator=numbers) * 0.01,
        "blocks.0.self_attn.q.lora_B.default.weight": torch.randn(shape[0], RANK, generator=numbers) * 0.01,
    }
    save_file(file, server.models / "loras" / "distilled_rank4.safetensors")
    return "distilled_rank4.safetensors"


def test_the_node_on_the_page_says_what_it_applied(distilled, server, page):  # noqa: F811
    """The loader, the LoRA and its report; the node is the image of its help page."""
    chain = {
        "load": node("FullDiTLoad", checkpoint="embedded", vae="embedded", precision="default"),
        "lora": node("FullDiTLoadLora", model=["load", 0], lora=distilled, strength=0.8),
        "report": node("PreviewAny", source=["lora", 1]),
    }
    page.evaluate(BUILD, [chain, {"load": (0, 0), "lora": (320, 0), "report": (700, 0)}])
    history = server.wait(press_run(page))
    assert history["status"]["status_str"] == "success", history["status"]["messages"][-1]
    in_node, in_preview = (out["text"][0] for out in history["outputs"].values() if "text" in out)
    assert in_node == in_preview and in_node.splitlines() == [
        f"{distilled}: 2 of 2 keys applied to 1 module, strength 0.8.",
        "Layout: no prefix, Wan's names.",
    ]
    page.wait_for_function(f"() => ({SAID})('FullDiTLoadLora').includes('2 of 2 keys')")
    boxes = page.evaluate(FIT)
    page.evaluate("document.querySelectorAll('[data-testid=queue-notification-banner]').forEach(e => e.remove())")
    page.wait_for_timeout(1500)
    OUT.mkdir(parents=True, exist_ok=True)
    image = OUT / "lora.png"
    page.screenshot(path=image)
    assert page.errors == []
    if UPDATE:
        (box,) = (box for box in boxes if box["type"] == "FullDiTLoadLora")
        crop(image, box, ROOT / "web" / "docs" / "FullDiTLoadLora.png", width=520)
