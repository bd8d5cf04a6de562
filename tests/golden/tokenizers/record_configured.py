"""Records the token ids of a text where tokenizer_config.json names special tokens that tokenizer.json does not have.

    pip install transformers==5.18.0 tokenizers==0.23.2
    cd tests/golden/tokenizers && python record_configured.py

Writes configured.json: per configuration both files and the ids of the text with and without special tokens.
"""

import json
import os
import tempfile

from transformers import AutoTokenizer

TEXT = "a  <tok>  b<tok>x a</s> b"
VOCAB = {"<unk>": 0, "a": 1, "b": 2, "tok": 3, "<": 4, ">": 5, "<tok>": 6, "x": 7, "</": 8, "s": 9, "</s>": 10, " ": 11}
PLAIN = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}


def token(content, **flags):
    return {"content": content, **PLAIN, **flags}


def named(content, **flags):
    return {**token(content, **flags), "__type": "AddedToken"}


OWN = [{"id": 6, **token("<tok>")}]
ALONE = [{"id": 6, **token("<tok>", single_word=True)}]
CASES = {
    "no special token is named": ([], {}),
    "BOS is named": ([], {"bos_token": "<tok>"}),
    "BOS is named with its spaces": ([], {"bos_token": named("<tok>", lstrip=True)}),
    "BOS and EOS are the same token": ([], {"bos_token": "<tok>", "eos_token": named("<tok>", rstrip=True)}),
    "PAD is named": ([], {"pad_token": "</s>"}),
    "additional tokens are listed": ([], {"additional_special_tokens": ["<tok>", "</s>"]}),
    "extra tokens are listed": ([], {"extra_special_tokens": ["<tok>"]}),
    "added_tokens_decoder has a token": ([], {"added_tokens_decoder": {"6": token("<tok>", rstrip=True)}}),
    "added_tokens_decoder has a new token": ([], {"added_tokens_decoder": {"12": token("b<")}}),
    "added_tokens_decoder has other flags": (OWN, {"added_tokens_decoder": {"6": token("<tok>", single_word=True)}}),
    "added_tokens_decoder takes flags away": (ALONE, {"added_tokens_decoder": {"6": token("<tok>")}}),
    "a name does not change flags": (ALONE, {"bos_token": "<tok>"}),
}
expected = []
for name, (added, config) in CASES.items():
    file = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "\\w+|\\s|[^\\w\\s]+"}, "behavior": "Isolated", "invert": False},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "unk_token": "<unk>", "vocab": VOCAB},
    }
    config = {"tokenizer_class": "PreTrainedTokenizerFast", **config}
    with tempfile.TemporaryDirectory() as folder:
        for path, content in [("tokenizer", file), ("tokenizer_config", config), ("config", {"model_type": "llama"})]:
            with open(os.path.join(folder, f"{path}.json"), "w") as output:
                json.dump(content, output)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        ids = tokenizer(TEXT, add_special_tokens=False).input_ids
    expected.append({"name": name, "file": file, "config": config, "ids": ids})

with open("configured.json", "w") as output:
    json.dump({"text": TEXT, "tokenizers": expected}, output, separators=(",", ":"))
    output.write("\n")
