"""Records the token ids that the tokenizers library gives hostile texts under small tokenizers of every kind.

    pip install tokenizers==0.23.2
    cd tests/golden/tokenizers && python record.py

Writes expected.json: the texts, the models, and per tokenizer its sections and the ids of each text, null where the
library has none for it. Vocabularies are made of the texts themselves.
"""

import json
import re

from tokenizers import Tokenizer

TEXTS = [
    "The quick brown fox, isn't it?  It's 12:30 -- don't you've 'll",
    "naïve café ΟΔΟΣ Σίσυφος İstanbul ẞ ﬁne",
    "½ ² ٣٤ ⅷ ① 1234567 3.14",
    "漢字かな 한국어 \U0001f642\U0001f44d\U0001f3fd \U00020000",
    "a\u0301 e\u0308 \u200bzero\u00a0nbsp\ufeffbom\u0085nel\u3000wide \u200d",
    "tab\there\nnew\r\n\n  double   triple ",
    " <s> yes <tok>  no<to <s></s>user users xuser user_ <a>\u0085 <a>",
    "▁meta▁ space _under_ $& $1 `` ``code`` (x+y)*2 §£€",
    "",
    " ",
    "yes",
    "qq zz qxq \u0378\u00ad\ue000\ufffd",
    "it'\u017fa it'\u017f it'Sa It'S \u212aelvin",
]
GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
LLAMA3 = (
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
    "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
)
BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]


def token(content, id, **flags):
    base = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {"id": id, "content": content, **base, **flags}


def byte_characters():
    plain = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or b >= 174]
    rest = [b for b in range(256) if b not in plain]
    return {**{b: chr(b) for b in plain}, **{b: chr(256 + i) for i, b in enumerate(rest)}}


def number(tokens):
    return {text: i for i, text in enumerate(dict.fromkeys(tokens))}


# Letters that no vocabulary has, so that they are unknown.
LETTERS = sorted(set("".join(TEXTS)) - set("qzΣ字\U0001f642"))
WORDS = ["▁a", "▁t", "th", "he", "in", "es", "  ", " t", "▁▁", "it", "is", "1234", "'s", "er", "us", "yes", " a"]
PAIRS = [word for word in WORDS if len(word) == 2]
MERGES = [[word[0], word[1]] for word in PAIRS] + [["us", "er"], ["y", "es"]]
JOINED = [left + right for left, right in MERGES]
BYTES = [f"<0x{b:02X}>" for b in range(256)]
BYTE_CHARACTERS = list(byte_characters().values())
BYTE_MERGES = [["Ġ", "t"], ["t", "h"], ["Ġ", "a"], ["Ġt", "h"], ["'", "s"], ["i", "t"], ["Ã", "©"], ["Ġ", "Ġ"], ["1", "2"]]


def bpe(vocab, merges, **more):
    empty = {"dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None}
    flags = {"fuse_unk": False, "byte_fallback": False, "ignore_merges": False}
    return {"type": "BPE", **empty, **flags, **more, "vocab": vocab, "merges": merges}


plain = number(["<unk>", "▁", *LETTERS, *JOINED])
with_bytes = number(["<unk>", *BYTES, "▁", *LETTERS, *JOINED])
suffixed = number(["<unk>", *LETTERS, *[letter + "</w>" for letter in LETTERS], "th", "the</w>", "it</w>"])
wordpiece = number(["<unk>", *LETTERS, *["##" + letter for letter in LETTERS], "The", "##ick", "##ow", "yes", "##es"])
scores = [[piece, -2.0 - (i * 37 % 101) / 20] for i, piece in enumerate(plain)]
MODELS = {
    "bytes": bpe(number([*BYTE_CHARACTERS, *[a + b for a, b in BYTE_MERGES], "Ġfox", "the"]), BYTE_MERGES),
    "bytes_whole": bpe(
        number([*BYTE_CHARACTERS, *[a + b for a, b in BYTE_MERGES], "Ġfox", "the"]), BYTE_MERGES, ignore_merges=True
    ),
    "unknown": bpe(plain, MERGES, unk_token="<unk>"),
    "fused": bpe(plain, MERGES, unk_token="<unk>", fuse_unk=True),
    "dropped": bpe(plain, MERGES),
    "fallback": bpe(with_bytes, MERGES, unk_token="<unk>", fuse_unk=True, byte_fallback=True),
    "suffixed": bpe(suffixed, [["t", "h"], ["th", "e</w>"], ["i", "t</w>"]], end_of_word_suffix="</w>"),
    "unigram": {"type": "Unigram", "unk_id": 0, "vocab": scores, "byte_fallback": False},
    "unigram_fallback": {
        "type": "Unigram",
        "unk_id": 0,
        "vocab": [[piece, -2.0 - (i * 37 % 101) / 20] for i, piece in enumerate(with_bytes)],
        "byte_fallback": True,
    },
    "wordpiece": {
        "type": "WordPiece",
        "unk_token": "<unk>",
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 12,
        "vocab": wordpiece,
    },
    "words": {
        "type": "WordLevel",
        "unk_token": "<unk>",
        "vocab": number(["<unk>", *[word for text in TEXTS for word in re.findall(r"\w+|\s|[^\w\s]", text)]]),
    },
}
CASES = []


def case(name, model, normalizer=None, pre_tokenizer=None, added=(), post_processor=None):
    # Added tokens that the model does not have are numbered after its own.
    vocab = MODELS[model]["vocab"]
    known = {piece: i for i, (piece, _) in enumerate(vocab)} if isinstance(vocab, list) else vocab
    following = len(known)
    tokens = []
    for content, flags in added:
        id = known.get(content, following)
        following += content not in known
        tokens.append(token(content, id, **flags))
    sections = {
        "added_tokens": tokens,
        "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": post_processor,
    }
    file = {"version": "1.0", "truncation": None, "padding": None, "decoder": None, **sections, "model": MODELS[model]}
    tokenizer = Tokenizer.from_str(json.dumps(file))
    ids = []
    for text in TEXTS:
        try:
            ids.append(tokenizer.encode(text, add_special_tokens=False).ids)
        except BaseException:
            ids.append(None)
    CASES.append({"name": name, "model": model, **sections, "ids": ids})


def sequence(*steps):
    return {"type": "Sequence", "pretokenizers": list(steps)}


def splits(pattern, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert}


def byte_level(prefix=False, regex=True):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": regex}


def metaspace(scheme, split):
    return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split}


def normalizers(*steps):
    return {"type": "Sequence", "normalizers": list(steps)}


DIGITS = {"type": "Digits", "individual_digits": True}
SPECIAL = [("<s>", {}), ("</s>", {}), ("user", {})]
PREPEND = {"type": "Prepend", "prepend": "▁"}
UNDERLINE = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}

case("the layout of GPT-2", "bytes", None, byte_level(), SPECIAL)
case("byte-level with a space in front", "bytes", None, byte_level(prefix=True), SPECIAL)
case("byte-level without its pattern", "bytes", None, byte_level(regex=False), SPECIAL)
case("the layout of Llama 3", "bytes_whole", None, sequence(splits({"Regex": LLAMA3}), byte_level(regex=False)), SPECIAL)
case("the layout of Qwen", "bytes", {"type": "NFC"}, sequence(splits({"Regex": LLAMA3}), byte_level(regex=False)), SPECIAL)
case("the layout of SmolLM", "bytes", None, sequence(DIGITS, byte_level()), SPECIAL)
case("the layout of Llama 2", "fallback", normalizers(PREPEND, UNDERLINE), None, SPECIAL)
case("the layout of Mistral", "fallback", None, metaspace("first", False), SPECIAL)
for model in ["unknown", "fused", "dropped", "suffixed", "unigram", "unigram_fallback", "wordpiece", "words"]:
    case(f"{model} after white space", model, None, {"type": "WhitespaceSplit"})
    case(f"{model} after words", model, None, {"type": "Whitespace"})
for scheme in ["always", "first", "never"]:
    for split in [True, False]:
        case(f"Metaspace {scheme}, split {split}", "fused", None, metaspace(scheme, split), SPECIAL)
for behavior in BEHAVIORS:
    case(f"Punctuation {behavior}", "unknown", None, {"type": "Punctuation", "behavior": behavior})
    case(f"a string {behavior}", "unknown", None, splits({"String": "e"}, behavior))
    case(f"a pattern {behavior}", "unknown", None, splits({"Regex": "\\s+|(a)|(e)"}, behavior))
    case(f"a pattern {behavior}, inverted", "unknown", None, splits({"Regex": "\\w+"}, behavior, True))
case("letters without case", "unknown", None, splits({"Regex": "(?i:'s|'t|k)"}, "Removed"))
case("ends of lines", "unknown", None, splits({"Regex": "$"}))
case("runs of digits", "unknown", None, {"type": "Digits", "individual_digits": False})
case("single digits", "unknown", None, DIGITS)
case("words of BERT", "wordpiece", None, {"type": "BertPreTokenizer"})
case("parts of equal length", "fused", None, {"type": "FixedLength", "length": 3})
for form in ["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents"]:
    case(form, "fused", {"type": form})
for left, right in [(True, False), (False, True), (True, True)]:
    case(f"Strip {left} {right}", "unknown", {"type": "Strip", "strip_left": left, "strip_right": right})
case("Replace with what looks like a group", "unknown", {"type": "Replace", "pattern": {"Regex": "(e)"}, "content": "$1$&"})
case("Prepend after Strip", "unknown", normalizers({"type": "Strip", "strip_left": True, "strip_right": True}, PREPEND))
for clean, chinese, accents, lower in [(1, 1, None, 1), (1, 0, False, 1), (0, 1, True, 0), (0, 0, False, 0)]:
    flags = {"clean_text": bool(clean), "handle_chinese_chars": bool(chinese), "lowercase": bool(lower)}
    case(f"BertNormalizer {[clean, chinese, accents, lower]}", "fused", {"type": "BertNormalizer", "strip_accents": accents, **flags})
for flags in [{"lstrip": True}, {"rstrip": True}, {"single_word": True}, {"normalized": True}]:
    added = [(text, flags) for text in ["<s>", "<tok>", "<to", "user", "<a>", " y"]]
    case(f"added tokens with {next(iter(flags))}", "fused", {"type": "Lowercase"}, metaspace("first", True), added)
case(
    "added tokens of both kinds that overlap",
    "fused",
    None,
    None,
    [("<to", {}), ("<tok>", {"normalized": True}), ("k> ", {"normalized": True, "special": False})],
)

with open("expected.json", "w") as output:
    json.dump({"texts": TEXTS, "models": MODELS, "tokenizers": CASES}, output, ensure_ascii=True, separators=(",", ":"))
    output.write("\n")
