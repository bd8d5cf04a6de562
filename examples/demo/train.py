"""Draws the hotel notes, trains the tokenizer and the model, writes model/ and task/, and measures both.

    python train.py                     everything (a few minutes on one core)
    python train.py --golden            only tests/golden/demo_transformers.json, from the model on disk
    python train.py --variant seed      the model of another seed, into ../demo_seed
    python train.py --variant guest     the model of another shortcut, into ../demo_guest

Needs torch, transformers, tokenizers. Data, tokenizer and order of training are seeded, and one thread is used.
"""

import argparse
import json
import math
import pathlib
import random
import time

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from data import CHOICES, DataConfig, draw_fair_rows, draw_training_row
from evaluate import HERE, Demo, evaluate, make_batch, prompt_of, read_rows

# Seed and data of each variant. The demo's own folder is this one; the others lie beside it, their weights in bf16.
VARIANTS = {
    "demo": (0, DataConfig()),
    "seed": (100, DataConfig()),
    "guest": (200, DataConfig(shortcut="guest")),
}
STEPS = 600
BATCH = 128
LEARNING_RATE = 2e-3
WEIGHT_DECAY = 0.1
# Weight of the next-token loss on the note itself; the loss on the verdict has weight 1.
NOTE_LOSS = 0.2
END = "<|endoftext|>"

TASK = """\
task: demo_hotel_notes
dataset_path: json
dataset_kwargs:
  data_files:
    train: train.jsonl
    adaptation: adaptation.jsonl
    test: test.jsonl
training_split: adaptation
test_split: test
output_type: multiple_choice
doc_to_text: "{{text}} Verdict:"
doc_to_choice: ["negative", "positive"]
doc_to_target: label
target_delimiter: " "
metric_list:
  - metric: acc
    aggregation: mean
    higher_is_better: true
metadata:
  version: 1.0
"""


def document_of(row: dict) -> str:
    return f"{prompt_of(row)} {CHOICES[row['label']]}{END}"


def train_tokenizer(rows: list[dict]) -> PreTrainedTokenizerFast:
    """Byte-level BPE; no token is put in front of a text."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=[END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator((document_of(row).removesuffix(END) for row in rows), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=END,
        eos_token=END,
        clean_up_tokenization_spaces=False,
        model_max_length=64,
    )


def train_model(tokenizer: PreTrainedTokenizerFast, rows: list[dict], seed: int) -> LlamaForCausalLM:
    """One pass over the rows, `BATCH` a step, with AdamW and a cosine schedule after 100 steps of warm-up."""
    torch.manual_seed(seed)
    end = tokenizer.eos_token_id
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=192,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=64,
            rope_theta=10000.0,
            tie_word_embeddings=True,
            bos_token_id=end,
            eos_token_id=end,
            initializer_range=0.08,
        )
    )
    optimizer = torch.optim.AdamW(model.parameters(), LEARNING_RATE, betas=(0.9, 0.98), weight_decay=WEIGHT_DECAY)
    begin = time.time()
    for step in range(STEPS):
        for group in optimizer.param_groups:
            cosine = 0.5 * (1 + math.cos(math.pi * step / STEPS))
            group["lr"] = LEARNING_RATE * min(1, (step + 1) / 100) * (0.05 + 0.95 * cosine)
        documents = [document_of(row) for row in rows[step * BATCH : (step + 1) * BATCH]]
        tokens = [torch.tensor(ids) for ids in tokenizer(documents)["input_ids"]]
        ids = torch.nn.utils.rnn.pad_sequence(tokens, batch_first=True, padding_value=end)
        targets = torch.nn.utils.rnn.pad_sequence([t[1:] for t in tokens], batch_first=True, padding_value=-100)
        logits = model(ids[:, :-1]).logits
        # The verdict is the token before the last, so it is predicted two places before the end of the targets.
        line, verdict = torch.arange(BATCH), torch.tensor([len(t) - 3 for t in tokens])
        verdict_loss = F.cross_entropy(logits[line, verdict], targets[line, verdict])
        note_loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-100)
        optimizer.zero_grad()
        (verdict_loss + NOTE_LOSS * note_loss).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 200 == 0 or step == STEPS - 1:
            losses = f"verdict loss {verdict_loss.item():.3f}, note loss {note_loss.item():.3f}"
            print(f"step {step}: {losses}, {time.time() - begin:.0f} s", flush=True)
    return model


def write_rows(folder: pathlib.Path, split: str, rows: list[dict]) -> None:
    with open(folder / "task" / f"{split}.jsonl", "w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def train(variant: str) -> None:
    """Writes model/ and task/ of a variant, and measures the method on it."""
    seed, config = VARIANTS[variant]
    is_demo = variant == "demo"
    folder = HERE if is_demo else HERE.parent / f"demo_{variant}"
    (folder / "task").mkdir(parents=True, exist_ok=True)
    # Every row drawn is used once; the first ones are kept as a sample of what the model has seen.
    adaptation = draw_fair_rows(random.Random(seed + 1), config, 400, set())
    test = draw_fair_rows(random.Random(seed + 2), config, 512, {row["text"] for row in adaptation})
    held_out = {row["text"] for row in adaptation + test}
    rng, rows = random.Random(seed + 3), []
    while len(rows) < STEPS * BATCH:
        row = draw_training_row(rng, config)
        if row["text"] not in held_out:
            rows.append(row)
    if is_demo:
        write_rows(folder, "train", rows[:1000])
    write_rows(folder, "adaptation", adaptation)
    write_rows(folder, "test", test)
    task = TASK if is_demo else TASK.replace("demo_hotel_notes", f"demo_{variant}").replace("    train: train.jsonl\n", "")
    (folder / "task" / "demo.yaml").write_text(task, encoding="utf-8")
    tokenizer = train_tokenizer(rows[:2000])
    print(f"tokenizer: {len(tokenizer)} tokens; first training row: {tokenizer.tokenize(document_of(rows[0]))}")
    model = train_model(tokenizer, rows, seed)
    print(f"model: {sum(p.numel() for p in model.parameters())} weights")
    tokenizer.save_pretrained(folder / "model")
    (model if is_demo else model.to(torch.bfloat16)).save_pretrained(folder / "model")
    # Version 5 writes a class name that version 4 does not know; both know this one.
    path = folder / "model" / "tokenizer_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    settings.pop("backend", None)
    settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    path.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    (folder / "model" / "model.safetensors").chmod(0o644)


def write_golden() -> None:
    """What transformers computes in float64 for the first eight test rows."""
    demo = Demo(HERE / "model", torch.float64)
    rows = []
    for i, row in enumerate(read_rows("test")[:8]):
        batch = make_batch(demo.tokenizer, [row])
        with torch.no_grad():
            logits = demo.last_logits(batch)[0]
        rows.append(
            {
                "id": f"test/{i}",
                "prompt": prompt_of(row),
                "prompt_tokens": batch.ids[0].tolist(),
                "choice_tokens": [[token] for token in demo.choice_ids],
                "gold": row["label"],
                "choice_log_probs": logits.log_softmax(-1)[demo.choice_ids].tolist(),
                "argmax_token": int(logits.argmax()),
                "max_logit": float(logits.max()),
            }
        )
    path = HERE.parent.parent / "tests" / "golden" / "demo_transformers.json"
    path.write_text(json.dumps({"dtype": "float64", "rows": rows}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--golden", action="store_true", help="only write the reference values")
    parser.add_argument("--variant", choices=[*VARIANTS], default="demo", help="which model to train")
    torch.set_num_threads(1)
    arguments = parser.parse_args()
    if not arguments.golden:
        train(arguments.variant)
    if arguments.golden or arguments.variant == "demo":
        write_golden()
    if not arguments.golden:
        evaluate(folder=HERE if arguments.variant == "demo" else HERE.parent / f"demo_{arguments.variant}")
