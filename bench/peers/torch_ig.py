"""Integrated Gradients of the gate neurons with PyTorch, as people write it today.

A forward hook scales one layer's gate pre-activation by the path's alphas, one alpha a batch row, and makes it the leaf that
autograd differentiates; one example and one layer at a time. The weights need no gradient, so the backward pass stops at the
layer, and the head runs on the last position only.

Speaks the bench's protocol: lines of JSON on stdin, lines of JSON on stdout.
"""

import argparse
import json
import sys
import time


class Scorer:
    def __init__(self, arguments):
        import torch
        import transformers
        from transformers import AutoModelForCausalLM

        self.torch = torch
        transformers.logging.set_verbosity_error()
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        dtype = getattr(torch, arguments.dtype)
        model = AutoModelForCausalLM.from_pretrained(arguments.model, dtype=dtype)
        self.model = model.to(self.device).eval().requires_grad_(False)
        self.layers = self.model.model.layers
        self.dtype = dtype
        with open(arguments.examples) as file:
            self.examples = json.load(file)
        threads = f", {torch.get_num_threads()} threads" if self.device == "cpu" else ""
        name = torch.cuda.get_device_name() if self.device == "cuda" else "cpu"
        self.version = f"torch {torch.__version__}, transformers {transformers.__version__}, {arguments.dtype}"
        self.adapter = f"{name}{threads}"

    def logits(self, ids):
        return self.model(ids, use_cache=False, logits_to_keep=1).logits[:, -1]

    def path(self, ids, layer, token, nodes, weights):
        """Scores [H] of one layer; nodes and weights [A, 1, 1]."""
        kept = {}

        def scale(_module, _inputs, gate):
            kept["gate"] = gate.detach()
            kept["scaled"] = (kept["gate"] * nodes).requires_grad_()
            return kept["scaled"]

        hook = self.layers[layer].mlp.gate_proj.register_forward_hook(scale)
        try:
            self.logits(ids.expand(len(nodes), -1))[:, token].sum().backward()
        finally:
            hook.remove()
        return (kept["scaled"].grad * kept["gate"] * weights).float().sum((0, 1))

    def switched_off(self, ids, layer, token):
        hook = self.layers[layer].mlp.gate_proj.register_forward_hook(lambda _module, _inputs, gate: gate * 0)
        try:
            with self.torch.no_grad():
                return self.logits(ids)[0, token].item()
        finally:
            hook.remove()

    def score(self, index, rule, save):
        torch = self.torch
        nodes, weights = (
            torch.tensor(values, dtype=self.dtype, device=self.device)[:, None, None] for values in rule
        )
        ids = torch.tensor([self.examples[index]], device=self.device)
        self.synchronize()
        start = time.perf_counter()
        with torch.no_grad():
            clean = self.logits(ids)[0]
        token = int(clean.argmax())
        scores = torch.stack([self.path(ids, layer, token, nodes, weights) for layer in range(len(self.layers))])
        sums = scores.sum(1).cpu()
        seconds = time.perf_counter() - start
        worst = 0.0
        for layer, total in enumerate(sums.tolist()):
            difference = clean[token].item() - self.switched_off(ids, layer, token)
            scale = max(abs(difference), 0.1 * scores[layer].abs().sum().item(), 1e-4 * abs(clean[token].item()))
            worst = max(worst, abs(total - difference) / scale if scale else 0.0)
        if save:
            with open(save, "wb") as file:
                file.write(scores.cpu().numpy().astype("<f4").tobytes())
        return {"seconds": seconds, "completenessError": worst, "token": token}

    def synchronize(self):
        if self.device == "cuda":
            self.torch.cuda.synchronize()


def answer(message):
    print(json.dumps(message), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--examples", required=True, help="JSON: a list of lists of token ids")
    parser.add_argument("--dtype", default="float32")
    arguments = parser.parse_args()
    try:
        scorer = Scorer(arguments)
    except Exception as error:
        answer({"error": f"{type(error).__name__}: {error}".splitlines()[0]})
        return
    answer({"version": scorer.version, "adapter": scorer.adapter})
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer(scorer.score(request["example"], request["rule"], request.get("save")))
        except Exception as error:
            answer({"error": f"{type(error).__name__}: {error}".splitlines()[0]})


if __name__ == "__main__":
    main()
