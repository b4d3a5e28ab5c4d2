"""The model is CLIP's: sizes, names, arithmetic."""

import math
import re

import pytest
import torch

from trainer.model import build
from trainer.settings import MODELS, TrainerError
from trainer.towers import attend

BLOCK = [
    "attn.in_proj_weight",
    "attn.in_proj_bias",
    "attn.out_proj.weight",
    "attn.out_proj.bias",
    "ln_1.weight",
    "ln_1.bias",
    "mlp.c_fc.weight",
    "mlp.c_fc.bias",
    "mlp.c_proj.weight",
    "mlp.c_proj.bias",
    "ln_2.weight",
    "ln_2.bias",
]
SHARED = {
    "positional_embedding",
    "text_projection",
    "logit_scale",
    "token_embedding.weight",
    "ln_final.weight",
    "ln_final.bias",
    *(f"transformer.resblocks.N.{name}" for name in BLOCK),
}
NORM = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
VIT = {
    "class_embedding",
    "positional_embedding",
    "proj",
    "conv1.weight",
    "ln_pre.weight",
    "ln_pre.bias",
    "ln_post.weight",
    "ln_post.bias",
    *(f"transformer.resblocks.N.{name}" for name in BLOCK),
}
RESNET = {
    *(f"{at}conv{i}.weight" for at in ("", "layerN.N.") for i in (1, 2, 3)),
    *(f"{at}bn{i}.{name}" for at in ("", "layerN.N.") for i in (1, 2, 3) for name in NORM),
    "layerN.N.downsample.0.weight",
    *(f"layerN.N.downsample.1.{name}" for name in NORM),
    "attnpool.positional_embedding",
    *(f"attnpool.{x}_proj.{name}" for x in "kqvc" for name in ("weight", "bias")),
}


@pytest.mark.parametrize(
    ("name", "millions"),
    [("RN50", 102.007), ("ViT-B-32", 151.277), ("ViT-B-16", 149.621), ("ViT-L-14", 427.617)],
)
def test_a_paper_model_has_the_papers_number_of_parameters(name, millions):
    with torch.device("meta"):
        model = build(name)
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 3) == millions


@pytest.mark.parametrize(("name", "vision"), [("ViT-B-32", VIT), ("RN50", RESNET)])
def test_the_names_of_the_weights_are_openais(name, vision):
    with torch.device("meta"):
        keys = build(name).state_dict().keys()
    patterns = {re.sub(r"resblocks\.\d+", "resblocks.N", key) for key in keys}
    patterns = {re.sub(r"layer\d\.\d+", "layerN.N", key) for key in patterns}
    assert patterns == SHARED | {f"visual.{key}" for key in vision}


@pytest.mark.parametrize("name", MODELS)
def test_every_model_embeds_both_sides_in_one_space(name):
    with torch.device("meta"):
        model = build(name)
        pixels = model.config.vision.pixels
        images = torch.zeros(2, 3, pixels, pixels, dtype=torch.uint8)
        image, text, _ = model(images, torch.zeros(2, 7, dtype=torch.int64))
    assert image.shape == text.shape == (2, model.config.embed)


def test_an_unknown_model_is_refused_with_the_known_names():
    with pytest.raises(TrainerError, match=r"'RN51'.*expected one of RN50, RN101"):
        build("RN51")


@torch.inference_mode()
def test_padding_beyond_the_longest_text_changes_nothing():
    model = build("tiny-vit").eval()
    tokens = torch.tensor([[9, 5, 6, 11, 0, 0], [9, 7, 11, 0, 0, 0]])
    whole, trimmed = model.encode_text(tokens), model.encode_text(tokens[:, :4])
    torch.testing.assert_close(whole, trimmed, rtol=1e-5, atol=1e-6)


@torch.inference_mode()
def test_a_word_after_the_end_token_changes_nothing():
    model = build("tiny-vit").eval()
    first, second = model.encode_text(torch.tensor([[9, 5, 11, 0], [9, 5, 11, 3]]))
    torch.testing.assert_close(first, second, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("causal", [False, True])
def test_plain_attention_equals_torchs_fused_attention(causal):
    q, k, v = torch.randn(3, 2, 4, 7, 8, generator=torch.manual_seed(0), dtype=torch.float64)
    fused = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)
    torch.testing.assert_close(attend(q, k, v, causal=causal), fused)


def test_the_temperature_starts_at_007_and_never_falls_below_001():
    model = build("tiny-vit")
    assert math.isclose(model.logit_scale.exp().item(), 1 / 0.07, rel_tol=1e-5)
    model.logit_scale.data.fill_(9.0)
    model.clamp_scale()
    assert math.isclose(model.logit_scale.exp().item(), 100, rel_tol=1e-5)


def test_a_residual_block_starts_as_the_identity():
    model = build("tiny-rn")
    assert not any(
        stage[0].bn3.weight.any() for stage in (model.visual.layer1, model.visual.layer4)
    )
