"""Records what transformers computes with YaRN: frequencies, attention factors, and the logits of a golden checkpoint.

    pip install transformers==5.18.0 torch==2.13.0
    cd tests/golden/yarn && python record.py

Writes expected.json. The function of transformers is in float32; what it makes of these numbers is recorded.
"""

import json

import torch
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

FAMILIES = ["llama", "granite", "mistral", "qwen2", "qwen3"]
# Head width, max_position_embeddings, and what stands beside rope_type.
CASES = [
    # As in the model cards of Qwen2.5 and Qwen3.
    (128, 32768, {"rope_theta": 1e6, "factor": 4.0, "original_max_position_embeddings": 32768}),
    (128, 131072, {"rope_theta": 1e6, "factor": 4.0, "original_max_position_embeddings": 32768}),
    (64, 4096, {"rope_theta": 1e4, "factor": 16.0}),
    (64, 4096, {"rope_theta": 1e4, "factor": 8, "original_max_position_embeddings": 512, "truncate": False}),
    (64, 4096, {"rope_theta": 1e4, "factor": 8, "original_max_position_embeddings": 512, "truncate": None}),
    (64, 4096, {"rope_theta": 5e5, "factor": None, "original_max_position_embeddings": 256}),
    (32, 2048, {"rope_theta": 1e4, "factor": 2, "beta_fast": 64, "beta_slow": 2.5}),
    (32, 2048, {"rope_theta": 1e4, "factor": 2, "beta_fast": None, "beta_slow": None, "attention_factor": None}),
    (32, 2048, {"rope_theta": 1e4, "factor": 2, "attention_factor": 1.5, "mscale": 2.0, "mscale_all_dim": 0.5}),
    (32, 2048, {"rope_theta": 1e4, "factor": 40, "mscale": 0.707, "mscale_all_dim": 1.2}),
    (32, 2048, {"rope_theta": 1e4, "factor": 40, "mscale": 0.707}),
    (32, 2048, {"rope_theta": 1e4, "factor": 40, "mscale_all_dim": 0.707}),
    (16, 2048, {"rope_theta": 1e4, "factor": 0.5, "mscale": 2.0, "mscale_all_dim": 1.0}),
    # Both ends of the ramp below the first pair, at the same pair, and in the wrong order.
    (16, 64, {"rope_theta": 1e4, "factor": 4, "original_max_position_embeddings": 4}),
    (16, 64, {"rope_theta": 1e4, "factor": 4, "beta_fast": 3, "beta_slow": 3, "truncate": False}),
    (16, 4096, {"rope_theta": 1e4, "factor": 4, "beta_fast": 1, "beta_slow": 32}),
    # The upper end beyond the last pair.
    (8, 2000000, {"rope_theta": 100, "factor": 4, "original_max_position_embeddings": 1000000, "beta_slow": 0.001}),
]
GOLDEN = "qwen3_tied_bf16"
ROPE = {"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0, "original_max_position_embeddings": 16}


def case(number, width, positions, parameters):
    family = FAMILIES[number % len(FAMILIES)]
    rope = {"rope_type": "yarn", **parameters}
    config = AutoConfig.for_model(
        family,
        hidden_size=4 * width,
        num_attention_heads=4,
        head_dim=width,
        max_position_embeddings=positions,
        rope_parameters=dict(rope),
    )
    frequencies, factor = ROPE_INIT_FUNCTIONS["yarn"](config, torch.device("cpu"))
    return {
        "family": family,
        "head_dim": width,
        "max_position_embeddings": positions,
        "rope_parameters": rope,
        "inverse_frequencies": frequencies.tolist(),
        "attention_factor": factor,
    }


def logits():
    config = AutoConfig.from_pretrained(f"../{GOLDEN}")
    config.rope_parameters = dict(ROPE)
    model = AutoModelForCausalLM.from_pretrained(f"../{GOLDEN}", config=config, dtype=torch.float64)
    with open(f"../{GOLDEN}/golden.json") as file:
        prompts = json.load(file)["prompts"]
    with torch.no_grad():
        return [model(torch.tensor([prompt])).logits[0, -1].tolist() for prompt in prompts]


with open("expected.json", "w") as file:
    rows = [case(number, *row) for number, row in enumerate(CASES)]
    golden = {"name": GOLDEN, "rope_parameters": ROPE, "logits_last": logits()}
    json.dump({"cases": rows, "golden": golden}, file)
    file.write("\n")
