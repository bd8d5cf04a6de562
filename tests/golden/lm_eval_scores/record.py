"""Records what lm-evaluation-harness measures on the bundled model for the task files in this folder.

    pip install lm_eval==0.4.13 transformers==5.18.0 torch==2.13.0
    cd tests/golden/lm_eval_scores && python record.py

Writes expected.json: per task the log-likelihoods of the choices of every row (and those without a context, for mutual
information), and the metrics with their standard errors. The model runs in float32 on the CPU. Some tasks are measured
once more with a `max_length` that is too short for their rows, which the harness then cuts from the left; the length
stands behind the name.
"""

import json

from lm_eval import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

# Tasks, and the most tokens where it is not the model's own number.
TASKS = [
    ("single_token", None),
    ("multi_token", None),
    ("three_shots", None),
    ("multiple_inputs", None),
    ("multi_token", 12),
    ("three_shots", 20),
    ("multiple_inputs", 9),
]

manager = TaskManager(include_path=".", include_defaults=False)
expected = {}
for name, max_length in TASKS:
    task = f"scores_{name}"
    model = HFLM(
        pretrained="../../../examples/demo/model", device="cpu", dtype="float32", batch_size=1, max_length=max_length
    )
    results = simple_evaluate(model=model, tasks=[task], task_manager=manager, log_samples=True, bootstrap_iters=1000)
    samples = sorted(results["samples"][task], key=lambda sample: sample["doc_id"])
    rows = []
    for sample in samples:
        scores = [float(response[0]) for (response,) in sample["resps"]]
        choices = len(scores) // 2 if name == "three_shots" else len(scores)
        rows.append({"logProbs": scores[:choices], "alone": scores[choices:]})
    metrics = {
        key.removesuffix(",none"): float(value)
        for key, value in results["results"][task].items()
        if key.endswith(",none") and not isinstance(value, str)
    }
    expected[name if max_length is None else f"{name} {max_length}"] = {"metrics": metrics, "rows": rows}
with open("expected.json", "w", encoding="utf-8") as file:
    parts = []
    for name, task in expected.items():
        rows = ",\n".join(json.dumps(row) for row in task["rows"])
        parts.append(f"{json.dumps(name)}: {{\"metrics\": {json.dumps(task['metrics'])},\n\"rows\": [\n{rows}]}}")
    file.write("{" + ",\n".join(parts) + "}\n")
