"""Records what lm-evaluation-harness asks a chat model for some task files in this folder.

    pip install lm_eval==0.4.13 transformers==5.18.0
    cd tests/golden/lm_eval_requests && python record_chat.py

Writes expected_chat.json: per chat template and task the contexts and continuations of the first rows, few-shot examples as
turns, with a system prompt. No model is run.
"""

import glob
import json
import os

from lm_eval.api.task import ConfigurableTask
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks._yaml_loader import load_yaml
from transformers import AutoTokenizer

TASKS = ["answer_prefix", "description_and_letters", "fewshot_default", "fewshot_samples", "multiple_inputs_fewshot", "plain"]
SYSTEM = "Be brief."
ROWS = 3


class Model:
    """What the harness's own method needs of its model."""

    chat_template_args = {}

    def __init__(self, template):
        self.tokenizer = AutoTokenizer.from_pretrained("tokenizer_bos")
        with open(template, encoding="utf-8") as file:
            self.tokenizer.chat_template = file.read()

    apply_chat_template = HFLM.apply_chat_template


def record(path, name):
    task = ConfigurableTask(config=load_yaml(f"{name}.yaml"))
    task.set_fewshot_seed(1234)
    task.build_all_requests(
        limit=ROWS,
        system_instruction=SYSTEM,
        apply_chat_template=True,
        fewshot_as_multiturn=True,
        chat_template=Model(path).apply_chat_template,
    )
    rows = []
    for number in range(ROWS):
        own = [instance for instance in task.instances if instance.doc_id == number]
        rows.append({"contexts": [instance.args[0] for instance in own], "continuations": [instance.args[1] for instance in own]})
    return rows


expected = {}
for path in sorted(glob.glob("chat/*.jinja")):
    template = os.path.basename(path).removesuffix(".jinja")
    expected[template] = {name: record(path, name) for name in TASKS}
with open("expected_chat.json", "w", encoding="utf-8") as file:
    json.dump(expected, file, ensure_ascii=False, indent=1)
    file.write("\n")
