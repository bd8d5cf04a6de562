"""Makes this checkpoint and its reference values with SmolLM3ForCausalLM of transformers, in float64.

    pip install transformers==5.18.0 torch==2.13.0 numpy
    cd tests/golden/smollm3_tied_bf16 && python record.py

The class is run as it is, except that whatever it casts to float32 is cast to float64. `../README.md` has the formulas.
"""

import json
import math
import os

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import SmolLM3Config, SmolLM3ForCausalLM, modeling_rope_utils
from transformers.models.smollm3 import modeling_smollm3

LENGTHS = [5, 9, 14, 27]
DETAIL = 3
CONFIG = {
    "bos_token_id": 1,
    "eos_token_id": 2,
    "hidden_size": 64,
    "intermediate_size": 96,
    "max_position_embeddings": 512,
    "max_window_layers": 28,
    "no_rope_layer_interval": 4,
    "no_rope_layers": [1, 0, 1, 0],
    "num_attention_heads": 4,
    "num_hidden_layers": 4,
    "num_key_value_heads": 2,
    "pad_token_id": 0,
    "pretraining_tp": 2,
    "rope_parameters": {"rope_theta": 50000.0, "rope_type": "default"},
    "sliding_window": 6,
    "use_sliding_window": True,
    "vocab_size": 149,
}
LAYERS, NEURONS, VOCABULARY = CONFIG["num_hidden_layers"], CONFIG["intermediate_size"], CONFIG["vocab_size"]
PATHS = {"gate_all": ("gate", False), "gate_last": ("gate", True), "up_all": ("up", False)}


class DoubleTorch:
    """torch with float64 under the names of float32."""

    float32 = float = torch.float64

    def __getattr__(self, name):
        return getattr(torch, name)


def write_checkpoint():
    model = SmolLM3ForCausalLM(SmolLM3Config(**CONFIG))
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            values = torch.randn(weight.shape, generator=generator)
            if weight.dim() == 1:
                weight.copy_(1 + 0.2 * values)
            else:
                scale = 1.4 if "gate_proj" in name else 1 if "embed" in name else 0.8
                width = 1 if "embed" in name else weight.shape[1]
                # A tied head: logits of about 1.5 from normed rows.
                weight.copy_(values * (0.2 if "embed" in name else scale / math.sqrt(width)))
    model.to(torch.bfloat16).save_pretrained(".")
    with open("config.json") as file:
        newer = json.load(file)
    os.remove("generation_config.json")
    with open("config.v5.json", "w") as file:
        json.dump(newer, file, indent=2)
        file.write("\n")
    older = {**newer, "rope_theta": newer["rope_parameters"]["rope_theta"], "rope_scaling": None}
    older.update(torch_dtype=older.pop("dtype"), transformers_version="4.55.0")
    # Version 4 leaves out what the class assumes: a tied head.
    del older["rope_parameters"], older["tie_word_embeddings"]
    with open("config.json", "w") as file:
        json.dump(dict(sorted(older.items())), file, indent=2)
        file.write("\n")


def compute_in(replacement, to_float):
    modeling_smollm3.torch = modeling_rope_utils.torch = replacement
    torch.Tensor.float = to_float


def load(dtype):
    return SmolLM3ForCausalLM.from_pretrained(".", dtype=dtype, attn_implementation="eager").eval()


class Scaled:
    """Multiplies a projection of one layer by factors `[B, 1, F]`, at all positions or at the last."""

    def __init__(self, model, layer, site, factors, last=False):
        self.projection = getattr(model.model.layers[layer].mlp, f"{site}_proj")
        self.factors, self.last = factors, last

    def scale(self, _module, _inputs, output):
        if not self.last:
            return output * self.factors
        return torch.cat([output[:, :-1].expand(len(self.factors), -1, -1), output[:, -1:] * self.factors], 1)

    def __enter__(self):
        self.hook = self.projection.register_forward_hook(self.scale)

    def __exit__(self, *_):
        self.hook.remove()


def last_logits(model, tokens, batch=1):
    return model(torch.tensor([tokens] * batch)).logits[:, -1]


def objective(model, prompt, target, layer, path, factors):
    site, last = PATHS[path]
    with Scaled(model, layer, site, factors, last):
        return last_logits(model, prompt, len(factors))[:, target]


def ig(model, prompt, target, layer, path, nodes, weights):
    factors = torch.tensor(nodes)[:, None, None].expand(-1, 1, NEURONS).clone().requires_grad_()
    total = (torch.tensor(weights) * objective(model, prompt, target, layer, path, factors)).sum()
    return torch.autograd.grad(total, factors)[0].sum((0, 1))


def finite_differences(model, prompt, target, layer, neurons, nodes, weights, step=1e-3):
    values = []
    with torch.no_grad():
        for neuron in neurons:
            slope = 0
            for times, coefficient in ((-2, 1), (-1, -8), (1, 8), (2, -1)):
                factors = torch.tensor(nodes)[:, None, None].repeat(1, 1, NEURONS)
                factors[:, 0, neuron] += times * step
                slope = slope + coefficient * objective(model, prompt, target, layer, "gate_all", factors)
            values.append((torch.tensor(weights) * slope / (12 * step)).sum())
    return torch.stack(values)


nodes64, weights64 = np.polynomial.legendre.leggauss(64)
GL64 = ((nodes64 + 1) / 2, weights64 / 2)
MID20 = ((np.arange(20) + 0.5) / 20, np.full(20, 1 / 20))


def attribute(model, prompt, target, clean):
    """IG by both rules, M(0) and the completeness errors of one prompt, by path."""
    found = {}
    for path in PATHS:
        rows = {"exact": [], "mid20": [], "m0": []}
        for layer in range(LAYERS):
            with torch.no_grad():
                rows["m0"].append(objective(model, prompt, target, layer, path, torch.zeros(1, 1, NEURONS).double())[0])
            rows["exact"].append(ig(model, prompt, target, layer, path, *GL64))
            rows["mid20"].append(ig(model, prompt, target, layer, path, *MID20))
        found[path] = {name: torch.stack(values) for name, values in rows.items()}
        difference = clean - found[path]["m0"]
        for rule in ("exact", "mid20"):
            found[path][f"{rule}_error"] = (found[path][rule].sum(1) - difference).abs()
        found[path]["difference"] = difference.abs()
    return found


def draw_prompt(model, length, generator):
    """A prompt with a clear arg max, along whose paths 64 nodes are exact and the objective changes."""
    while True:
        prompt = torch.randint(3, VOCABULARY, (length,), generator=generator).tolist()
        with torch.no_grad():
            logits = last_logits(model, prompt)[0]
        best, second = logits.topk(2).values.tolist()
        if best - second < 0.2:
            continue
        paths = attribute(model, prompt, int(logits.argmax()), best)
        if all(
            (path["exact_error"] / path["difference"]).max() < 1e-9 and path["difference"].min() > 0.1
            for path in paths.values()
        ):
            return prompt, logits, paths


def continuations(model, prompt, generator):
    tokens = list(prompt)
    with torch.no_grad():
        for _ in range(3):
            tokens.append(int(last_logits(model, tokens)[0].argmax()))
    drawn = [torch.randint(3, VOCABULARY, (size,), generator=generator).tolist() for size in (1, 4)]
    return [drawn[0], tokens[len(prompt) :], drawn[1]]


def log_prob(model, prompt, continuation):
    with torch.no_grad():
        rows = model(torch.tensor([prompt + continuation[:-1]])).logits[0].log_softmax(-1)
    return sum(rows[len(prompt) - 1 + i, token] for i, token in enumerate(continuation))


def residual_stream(model, prompt):
    """hidden_in, hidden_out, logits_all, and the pre-activations of all layers at all positions."""
    seen, gates, ups, hooks = [], [], [], []
    for layer in model.model.layers:
        hooks.append(layer.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0][0])))
        hooks.append(layer.mlp.gate_proj.register_forward_hook(lambda _module, _inputs, out: gates.append(out[0])))
        hooks.append(layer.mlp.up_proj.register_forward_hook(lambda _module, _inputs, out: ups.append(out[0])))
    hooks.append(model.model.norm.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0][0])))
    with torch.no_grad():
        logits = model(torch.tensor([prompt])).logits[0]
    for hook in hooks:
        hook.remove()
    return seen, logits, gates, ups


def padded(rows, width):
    return torch.tensor([row + [-1] * (width - len(row)) for row in rows])


write_checkpoint()
single, to_single = load(torch.float32), torch.Tensor.float
compute_in(DoubleTorch(), torch.Tensor.double)
model = load(torch.float64)
prompts_generator = torch.Generator().manual_seed(11)
prompts, clean, paths = map(list, zip(*(draw_prompt(model, length, prompts_generator) for length in LENGTHS)))
targets = [int(logits.argmax()) for logits in clean]
conts = [continuations(model, prompt, prompts_generator) for prompt in prompts]
streams = [residual_stream(model, prompt) for prompt in prompts]
seen, logits_all, gates, ups = streams[DETAIL]

tensors = {
    "cont_ids": torch.stack([padded(rows, 4) for rows in conts]),
    "cont_len": torch.tensor([[len(row) for row in rows] for rows in conts]),
    "gate_pre_last": torch.stack([torch.stack([gate[-1] for gate in stream[2]]) for stream in streams]),
    "hidden_in": torch.stack(seen[:-1]),
    "hidden_out": seen[-1],
    "logits_all": logits_all,
    "logits_last": torch.stack(clean),
    "m_clean": torch.stack([logits.max() for logits in clean]),
    "prompt_ids": padded(prompts, max(LENGTHS)),
    "prompt_len": torch.tensor(LENGTHS),
    "target_token": torch.tensor(targets),
}
for path in PATHS:
    for rule in ("exact", "mid20"):
        tensors[f"ig_{path}_{rule}"] = torch.stack([found[path][rule] for found in paths])
    tensors[f"m0_{path}"] = torch.stack([found[path]["m0"] for found in paths])
mean = tensors["ig_gate_all_exact"][:, 1].mean(0)
count = NEURONS // 5
ranked = mean.sort(descending=True)
tensors["ig_layer1_mean"] = mean
tensors["zero_idx"] = ranked.indices[:count].sort().values
kept = torch.ones(1, 1, NEURONS, dtype=torch.float64)
kept[0, 0, tensors["zero_idx"]] = 0


def log_probs():
    return torch.tensor([[log_prob(model, prompt, row) for row in rows] for prompt, rows in zip(prompts, conts)])


tensors["cont_logprob"] = log_probs()
with torch.no_grad(), Scaled(model, 1, "gate", kept):
    tensors["cont_logprob_zeroed"] = log_probs()
    tensors["logits_last_zeroed"] = torch.stack([last_logits(model, prompt)[0] for prompt in prompts])

largest = tensors["ig_gate_all_exact"].abs().amax(2)
worst = 0
for layer in range(LAYERS):
    neurons = torch.arange(9) * (NEURONS // 9)
    values = finite_differences(model, prompts[1], targets[1], layer, neurons.tolist(), *GL64)
    difference = (values - tensors["ig_gate_all_exact"][1, layer, neurons]).abs().max() / largest[1, layer]
    worst = max(worst, difference.item())
best = torch.stack(clean).topk(2).values
checks = {
    "std_logits_all": logits_all.std().item(),
    "std_gate_pre_per_layer": [gate.std().item() for gate in gates],
    "std_up_pre_per_layer": [up.std().item() for up in ups],
    "std_hidden_in_per_layer": [hidden.std().item() for hidden in seen],
    "min_argmax_margin": (best[:, 0] - best[:, 1]).min().item(),
}
for path in PATHS:
    by_name = {name: torch.stack([found[path][name] for found in paths]) for name in paths[0][path]}
    apart = (by_name["mid20"] - by_name["exact"]).abs().amax(2) / by_name["exact"].abs().amax(2)
    checks[path] = {
        **{
            f"completeness_{rule}_max_{kind}": (by_name[f"{rule}_error"] / divisor).max().item()
            for rule in ("exact", "mid20")
            for kind, divisor in (("rel", by_name["difference"]), ("abs", 1))
        },
        "mid20_vs_exact_max_of_layer_max": apart.max().item(),
        "min_abs_difference": by_name["difference"].min().item(),
    }
checks["zero_edge_gap"] = (ranked.values[count - 1] - ranked.values[count]).item()
checks["finite_differences_max_of_layer_max"] = worst
compute_in(torch, to_single)
with torch.no_grad():
    off = [(single(torch.tensor([p])).logits[0, -1] - logits).abs().max() for p, logits in zip(prompts, clean)]
checks["transformers_float32_max_abs_logits"] = max(off).item()

with open("../granite_tied_bf16/golden.json") as file:
    described = json.load(file)
names = {torch.float64: "F64", torch.int64: "I64"}
golden = {
    "checkpoint": "smollm3_tied_bf16",
    "family": "smollm3",
    "weight_dtype": "BF16",
    "compute_dtype": "float64",
    "stiff": False,
    "layers": LAYERS,
    "hidden": CONFIG["hidden_size"],
    "ffn": NEURONS,
    "vocab": VOCABULARY,
    "prompts": prompts,
    "continuations": conts,
    "detail_prompt": DETAIL,
    "target_token": targets,
    "quadrature": described["quadrature"],
    "tensors": {
        name: {
            "dtype": names[tensor.dtype],
            "shape": list(tensor.shape),
            "description": described["tensors"][name]["description"],
        }
        for name, tensor in sorted(tensors.items())
    },
    "checks": checks,
}
with open("golden.json", "w") as file:
    json.dump(golden, file, indent=1)
    file.write("\n")
save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, "golden.safetensors")
print(json.dumps(checks, indent=1))
