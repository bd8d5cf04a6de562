"""Records what lm-evaluation-harness's own task files ask about made-up rows in the column layout of their datasets.

    pip install lm_eval==0.4.13
    cd tests/golden/lm_eval_builtin && python record.py

Reads rows.json (benchmark to rows) and writes expected.json: per task and number of worked examples the contexts,
continuations and right choice of each row. The tasks' datasets are replaced by the rows; nothing else is. No model is run.
"""

import json
import os
import tempfile

import lm_eval.tasks
from lm_eval.api.task import ConfigurableTask
from lm_eval.tasks._yaml_loader import load_yaml

FOLDER = os.path.dirname(lm_eval.tasks.__file__)
MMLU = sorted(os.listdir(f"{FOLDER}/mmlu/default"))
XNLI = sorted(os.listdir(f"{FOLDER}/xnli"))
FILES = {
    "boolq": ["super_glue/boolq/default.yaml"],
    "copa": ["super_glue/copa/default.yaml"],
    "sst2": ["glue/sst2/default.yaml"],
    "mmlu": [f"mmlu/default/{name}" for name in MMLU if name.startswith("mmlu_")],
    "xnli": [f"xnli/{name}" for name in XNLI if name.startswith("xnli_") and name.endswith(".yaml")],
}
SHOTS = [0, 2]


def record(path, rows, shots):
    config = load_yaml(f"{FOLDER}/{path}")
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/rows.jsonl"
        with open(file, "w", encoding="utf-8") as lines:
            lines.writelines(json.dumps(row) + "\n" for row in rows)
        splits = {config[key] for key in ("training_split", "validation_split", "test_split", "fewshot_split") if config.get(key)}
        config |= {
            "dataset_path": "json",
            "dataset_name": None,
            "dataset_kwargs": {"data_files": {split: file for split in splits}, "cache_dir": folder},
            "num_fewshot": shots,
        }
        task = ConfigurableTask(config=config)
        task.set_fewshot_seed(1234)
        task.build_all_requests()
        asked = []
        for number, row in enumerate(task.eval_docs):
            own = [instance for instance in task.instances if instance.doc_id == number]
            target = task.doc_to_target(row)
            gold = target if isinstance(target, int) else task.doc_to_choice(row).index(target)
            asked.append({"context": own[0].args[0], "continuations": [instance.args[1] for instance in own], "gold": gold})
        return config["task"], {"metrics": [item["metric"] for item in config["metric_list"]], "version": task.VERSION, "rows": asked}


with open("rows.json", encoding="utf-8") as file:
    rows = json.load(file)
expected = {}
for benchmark, paths in FILES.items():
    for path in paths:
        # Worked examples of every benchmark once: the wording of its tasks is the same for both.
        for shots in SHOTS if path == paths[0] else SHOTS[:1]:
            name, recorded = record(path, rows[benchmark], shots)
            expected[f"{name}/{shots}"] = recorded
with open("expected.json", "w", encoding="utf-8") as file:
    file.write("{" + ",\n".join(f"{json.dumps(name)}: {json.dumps(task, ensure_ascii=False)}" for name, task in expected.items()) + "}\n")
