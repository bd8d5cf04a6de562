"""Records what lm-evaluation-harness asks a model for the task files in this folder.

    pip install lm_eval==0.4.13 transformers==5.18.0
    cd tests/golden/lm_eval_requests && python record.py

Writes expected.json: per task and row the context, continuations, gold index and choice lengths; per tokenizer the
number of context tokens and the token ids of every continuation. Where the choices stand in the question: all contexts.
Where several choices are right: all of them. Where mutual information is asked for: the continuations' tokens without a
context. No model is run.
"""

import glob
import json

from lm_eval.api.model import TemplateLM
from lm_eval.api.task import ConfigurableTask
from lm_eval.tasks._yaml_loader import load_yaml
from transformers import AutoTokenizer


class RequestRecorder(TemplateLM):
    """Encodes as the harness's Hugging Face models do, and returns the token ids in the place of scores."""

    def __init__(self, folder):
        super().__init__()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)

    @property
    def eot_token_id(self):
        return self.tokenizer.eos_token_id

    @property
    def prefix_token_id(self):
        bos = self.tokenizer.bos_token_id
        return self.tokenizer.eos_token_id if bos is None else bos

    def tok_encode(self, string, add_special_tokens=None, **kwargs):
        if add_special_tokens is None:
            add_special_tokens = not string.startswith(self.tokenizer.decode(self.prefix_token_id))
        return self.tokenizer.encode(string, add_special_tokens=add_special_tokens)

    def _loglikelihood_tokens(self, requests, **kwargs):
        return [(context, continuation) for _, context, continuation in requests]

    def loglikelihood_rolling(self, requests, disable_tqdm=False):
        raise NotImplementedError

    def generate_until(self, requests, disable_tqdm=False):
        raise NotImplementedError


def record_task(path, recorders):
    task = ConfigurableTask(config=load_yaml(path))
    task.set_fewshot_seed(1234)
    task.build_all_requests()
    rows = []
    for number, row in enumerate(task.eval_docs):
        instances = [instance for instance in task.instances if instance.doc_id == number]
        choices = task.doc_to_choice(row)
        target = task.doc_to_target(row)
        own, alone = instances[:len(choices)], instances[len(choices):]
        tokens = {}
        for name, recorder in recorders.items():
            pairs = recorder.loglikelihood(own, disable_tqdm=True)
            tokens[name] = {"prompt": len(pairs[0][0]), "choices": [list(continuation) for _, continuation in pairs]}
            if task.multiple_input:
                tokens[name]["prompts"] = [len(context) for context, _ in pairs]
            if alone:
                pairs = recorder.loglikelihood(alone, disable_tqdm=True)
                tokens[name]["alone"] = [list(continuation) for _, continuation in pairs]
        golds = task.doc_to_text(row) if task.multiple_input else target
        golds = golds if isinstance(golds, list) else [choices.index(golds) if isinstance(golds, str) else int(golds)]
        recorded = {
            "context": own[0].args[0],
            "continuations": [instance.args[1] for instance in own],
            "gold": golds[0],
            "characters": [len(choice) for choice in choices],
            "tokens": tokens,
        }
        if task.multiple_input:
            recorded["contexts"] = [instance.args[0] for instance in own]
        if len(golds) > 1:
            recorded["golds"] = golds
        rows.append(recorded)
    return rows


recorders = {name: RequestRecorder(f"tokenizer_{name}") for name in ("bare", "bos")}
expected = {path.removesuffix(".yaml"): record_task(path, recorders) for path in sorted(glob.glob("*.yaml"))}
with open("expected.json", "w", encoding="utf-8") as file:
    lines = [f"{json.dumps(name)}: [\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "]" for name, rows in expected.items()]
    file.write("{" + ",\n".join(lines) + "}\n")
