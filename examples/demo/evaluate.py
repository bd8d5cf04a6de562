"""The paper's method on the demo model, in PyTorch, over redraws of the ten adaptation examples.

    python evaluate.py [--redraws 10]

Gate neurons are ranked by Integrated Gradients, (layer, fraction) is chosen on ten examples of the adaptation
pool, and the choice is measured on the test rows next to random and lowest-attribution neurons.
"""

import argparse
import json
import pathlib
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from data import CHOICES

HERE = pathlib.Path(__file__).parent
FRACTIONS = [0.05 * i for i in range(1, 11)]
EXAMPLES = 10


def prompt_of(row: dict) -> str:
    """`doc_to_text` of task/demo.yaml."""
    return f"{row['text']} Verdict:"


def read_rows(split: str, folder: pathlib.Path = HERE) -> list[dict]:
    with open(folder / "task" / f"{split}.jsonl", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


@dataclass
class Batch:
    """Prompts padded on the right (causal attention never looks there): ids [N,T], last [N], gold [N], aligned [N]."""

    ids: torch.Tensor
    last: torch.Tensor
    gold: torch.Tensor
    aligned: torch.Tensor

    def take(self, index: list[int]) -> "Batch":
        return Batch(self.ids[index], self.last[index], self.gold[index], self.aligned[index])

    def repeat(self, count: int) -> "Batch":
        return Batch(self.ids.repeat(count, 1), *(x.repeat(count) for x in (self.last, self.gold, self.aligned)))

    def __len__(self) -> int:
        return len(self.ids)


def make_batch(tokenizer, rows: list[dict]) -> Batch:
    tokens = [tokenizer(prompt_of(row))["input_ids"] for row in rows]
    ids = torch.zeros(len(rows), max(map(len, tokens)), dtype=torch.long)
    for i, row_tokens in enumerate(tokens):
        ids[i, : len(row_tokens)] = torch.tensor(row_tokens)
    return Batch(
        ids,
        torch.tensor([len(t) - 1 for t in tokens]),
        torch.tensor([row["label"] for row in rows]),
        torch.tensor([row["marker"] == "aligned" for row in rows]),
    )


class Demo:
    """The model with its tokenizer; every (row, layer) can be run with its gate pre-activations multiplied."""

    def __init__(self, folder: pathlib.Path, dtype=torch.float32):
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval()
        for parameter in self.model.parameters():
            parameter.requires_grad_(False)
        self.choice_ids = [self.tokenizer(f" {choice}")["input_ids"] for choice in CHOICES]
        assert all(len(ids) == 1 for ids in self.choice_ids), self.choice_ids
        self.choice_ids = [ids[0] for ids in self.choice_ids]
        self.layers = self.model.config.num_hidden_layers
        self.neurons = self.model.config.intermediate_size

    @contextmanager
    def _gate_times(self, layer: int, factor: torch.Tensor):
        """Multiplies the layer's gate outputs [B,T,H] by factor [B or 1,1,H or 1]; yields what it saw."""
        seen = {}

        def hook(_module, _inputs, output):
            seen["gate"] = output.detach()
            seen["scaled"] = (output.detach() * factor).requires_grad_(torch.is_grad_enabled())
            return seen["scaled"]

        handle = self.model.model.layers[layer].mlp.gate_proj.register_forward_hook(hook)
        try:
            yield seen
        finally:
            handle.remove()

    def last_logits(self, batch: Batch) -> torch.Tensor:
        return self.model(batch.ids).logits[torch.arange(len(batch)), batch.last]

    @torch.no_grad()
    def choice_log_probs(self, batch: Batch, layer: int = 0, factor: torch.Tensor | None = None) -> torch.Tensor:
        """[N,C]"""
        factor = torch.ones(1, 1, self.neurons) if factor is None else factor
        with self._gate_times(layer, factor):
            return self.last_logits(batch).log_softmax(-1)[:, self.choice_ids]

    def attribute(self, batch: Batch, nodes: int = 16) -> tuple[torch.Tensor, float]:
        """Scores [L,H], mean over the examples, and the worst relative completeness error of (layer, example)."""
        points, weights = np.polynomial.legendre.leggauss(nodes)
        # Two more rows, alpha 0 and 1, give both sides of the completeness equation.
        alphas = torch.tensor([*(points + 1) / 2, 0.0, 1.0], dtype=torch.float32)
        weights = torch.tensor([*weights / 2, 0.0, 0.0], dtype=torch.float32)
        count, rows = len(alphas), len(batch)
        target = self.last_logits(batch).argmax(-1).repeat(count)
        path = batch.repeat(count)
        alpha, weight = alphas.repeat_interleave(rows), weights.repeat_interleave(rows)
        scores, worst = torch.zeros(self.layers, self.neurons), 0.0
        for layer in range(self.layers):
            with self._gate_times(layer, alpha[:, None, None]) as seen:
                objective = self.last_logits(path)[torch.arange(len(path)), target]
                (gradient,) = torch.autograd.grad(objective.sum(), seen["scaled"])
            parts = ((gradient * seen["gate"]).sum(1) * weight[:, None]).view(count, rows, -1).sum(0)
            scores[layer] = parts.mean(0)
            ends = objective.detach().view(count, rows)[-2:]
            change = ends[1] - ends[0]
            worst = max(worst, ((parts.sum(1) - change).abs() / change.abs().clamp_min(1e-6)).max().item())
        return scores, worst


@dataclass(frozen=True)
class Cell:
    """One configuration of the search: the first `neurons` of an order of `layer` are zero."""

    accuracy: float
    margin: float
    neurons: int
    layer: int


def search(demo: Demo, batch: Batch, orders: list[torch.Tensor]) -> list[Cell]:
    def measure(log_probs: torch.Tensor) -> tuple[float, float]:
        gold = log_probs.gather(1, batch.gold[:, None])[:, 0]
        other = log_probs.gather(1, 1 - batch.gold[:, None])[:, 0]
        correct = (log_probs.argmax(1) == batch.gold).double().mean().item()
        return correct, (gold - other).double().mean().item()

    cells = [Cell(*measure(demo.choice_log_probs(batch)), 0, 0)]
    counts = [round(fraction * demo.neurons) for fraction in FRACTIONS]
    for layer, order in enumerate(orders):
        mask = torch.ones(len(counts), demo.neurons)
        for row, count in enumerate(counts):
            mask[row, order[:count]] = 0
        factor = mask.repeat_interleave(len(batch), 0)[:, None, :]
        log_probs = demo.choice_log_probs(batch.repeat(len(counts)), layer, factor).split(len(batch))
        cells += [Cell(*measure(part), count, layer) for part, count in zip(log_probs, counts)]
    return cells


def choose(cells: list[Cell]) -> Cell:
    """Higher accuracy, then higher mean margin, then fewer neurons, then lower layer."""
    return max(cells, key=lambda cell: (cell.accuracy, cell.margin, -cell.neurons, -cell.layer))


def choose_smallest(cells: list[Cell]) -> Cell:
    """Another tie rule, to see how much the rule matters: higher accuracy, then fewer neurons, then lower layer."""
    return max(cells, key=lambda cell: (cell.accuracy, -cell.neurons, -cell.layer))


def accuracy(demo: Demo, batch: Batch, cell: Cell, orders: list[torch.Tensor]) -> tuple[float, float, float]:
    """Accuracy on all rows, on those whose agency agrees with the label, and on the others."""
    factor = torch.ones(1, 1, demo.neurons)
    factor[0, 0, orders[cell.layer][: cell.neurons]] = 0
    correct = (demo.choice_log_probs(batch, cell.layer, factor).argmax(1) == batch.gold).double()
    return tuple(part.mean().item() for part in (correct, correct[batch.aligned], correct[~batch.aligned]))


def evaluate(redraws: int = 10, folder: pathlib.Path = HERE) -> dict[str, list[float]]:
    """Prints one line per redraw and the means; returns test accuracy by name and redraw. `folder` holds model/ and task/."""
    demo = Demo(folder / "model")
    pool, test = (make_batch(demo.tokenizer, read_rows(split, folder)) for split in ("adaptation", "test"))
    nothing = Cell(0, 0, 0, 0)
    unpruned = accuracy(demo, test, nothing, [torch.arange(0)])
    print(f"prompts: {int(test.last.min()) + 1} to {int(test.last.max()) + 1} tokens; test rows: {len(test)}")
    print("unpruned: %.3f (agency aligned %.3f, conflicting %.3f)" % unpruned)
    results: dict[str, list[float]] = {}
    for seed in range(redraws):
        index = np.random.default_rng(seed).choice(len(pool), EXAMPLES, replace=False).tolist()
        batch = pool.take(index)
        scores, completeness = demo.attribute(batch)
        highest = [row.argsort(descending=True, stable=True) for row in scores]
        lowest = [row.argsort(stable=True) for row in scores]
        generator = torch.Generator().manual_seed(seed)
        shuffled = [torch.randperm(demo.neurons, generator=generator) for _ in range(demo.layers)]
        cells = search(demo, batch, highest)
        chosen = choose(cells)
        ties = sum(cell.accuracy == chosen.accuracy for cell in cells)
        pruned = accuracy(demo, test, chosen, highest)
        row = {
            "pruned": pruned[0],
            "pruned, smallest of the tied": accuracy(demo, test, choose_smallest(cells), highest)[0],
            "random, same layer and count": accuracy(demo, test, chosen, shuffled)[0],
            "random, own search": accuracy(demo, test, choose(search(demo, batch, shuffled)), shuffled)[0],
            "lowest, same layer and count": accuracy(demo, test, chosen, lowest)[0],
            "lowest, own search": accuracy(demo, test, choose(search(demo, batch, lowest)), lowest)[0],
        }
        for name, value in row.items():
            results.setdefault(name, []).append(value)
        print(
            f"redraw {seed}: {int(batch.aligned.sum())} aligned, adaptation {cells[0].accuracy:.1f} -> "
            f"{chosen.accuracy:.1f} ({ties} tied), layer {chosen.layer}, {chosen.neurons} neurons, "
            "test %.3f (aligned %.3f, conflicting %.3f); " % pruned
            + ", ".join(f"{value:.3f}" for value in list(row.values())[1:])
            + f"; completeness {completeness:.1e}"
        )
    print(f"{'test accuracy':32} mean   sd     min    gain")
    for name, values in results.items():
        mean, deviation = np.mean(values), np.std(values, ddof=1)
        print(f"{name:32} {mean:.3f}  {deviation:.3f}  {min(values):.3f}  {100 * (mean - unpruned[0]):+.1f}")
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--redraws", type=int, default=10)
    torch.set_num_threads(1)
    evaluate(parser.parse_args().redraws)
