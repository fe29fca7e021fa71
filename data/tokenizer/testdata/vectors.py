"""Writes vectors.json.gz: small tokenizers in the shapes that published models
use, trained here, and what the reference implementation makes of generated
texts. Nothing in it comes from a published vocabulary.

    pip install tokenizers==0.23.3 && python vectors.py
"""
import gzip
import json
import random
import unicodedata

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

random.seed(20)
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
TAIL = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
SHORT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
LLAMA3 = SHORT + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*" + TAIL
QWEN2 = LLAMA3.replace("{1,3}", "")
UP, LOW = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
CASED = r"[^\r\n\p{L}\p{N}]?" + UP + "*" + LOW + "+%s|" + r"[^\r\n\p{L}\p{N}]?" + UP + "+" + LOW + "*%s|"
SLASH = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*" + TAIL
O200K = CASED.replace("%s", SHORT + "?") + r"\p{N}{1,3}" + SLASH
TEKKEN = CASED.replace("%s", "") + r"\p{N}" + SLASH

WORDS = """the of and to in a is that it was for on are with as I his they be at one have this from or had by
hot word but what some we can out other were all there when up use your how said an each she which do their time if
will way about many then them write would like so these her long make thing see him two has look more day could go
come did number sound no most people my over know water than call first who may down side been now find any new work
part take get place made live where after back little only round man year came show every good me give our under name
func return package import struct interface range if err != nil { } := 0 1 2 12 345 2024 3.14 () [] == += // /* */
don't it's we'll I've they're he'd I'm DON'T camelCase HTTPServer getURLFor x_y __init__ naïve café Zürich Straße
привет мир это не так что как он она они дом вода время 日本 日本語 東京 大学 中国 人民 我们 你好 世界 这是 一个 です ます した の を
한국어 서울 안녕 하세요 مرحبا العالم هذا كتاب שלום עולם हिन्दी नमस्ते दुनिया ไทย สวัสดี 😀 👍🏽 👩‍👩‍👧 🇫🇷 — … “quoted” «да» ½ ٣ Ⅻ""".split()
CORPUS = []
for _ in range(1500):
    line = random.choice(["", "", "  ", "    ", "\t"])
    for _ in range(random.randint(2, 12)):
        w = WORDS[min(int(random.expovariate(0.012)), len(WORDS) - 1)]
        line += w + random.choice([" "] * 8 + [", ", ". ", "  ", "", "!", "\u3000", "_"])
    CORPUS.append(line + random.choice(["\n", "\n\n", "\r\n", ""]))

PARTS = WORDS + list("abcdefghijklmnopqrstuvwxyzABCDEFGXYZ0123456789 .,;:!?'\"()[]{}<>/\\@#$%^&*-+=_~`|") + [
    " ", "  ", "   ", "     ", "\t", "\t\t", "\n", "\n\n", "\r\n", "\r", "\u00a0", "\u2028", "\u2029", "\u3000", "\u0085",
    "\x0b", "\x0c", "\x00", "\x01", "\x1b", "\x1c", "\x7f", "\ufeff", "\u200b", "\u200c", "\u200d", "\ufffd", "\uffff",
    "'s", "'S", "'ſ", "'Ll", "'LL", "'re", "'RE", "'VE", "'d", "'D", "'m", "' s", "''s", "'ll'll", "ſ", "K",
    "e\u0301", "\u0301", "\u0308\u0301", "a\u0328\u0301", "ö", "o\u0308", "Å", "\u212b", "ﬁ", "ﬃ", "①", "²", "ǅ", "ʰ", "ª", "İ", "ı", "ẞ", "Σας",
    "각", "\u1100\u1161\u11a8", "か\u3099", "が", "क्ष", "ก็", "ที่", "لا", "\u0640", "😀", "👨‍👩‍👧‍👦", "👍🏿", "🏴‍☠️", "❤️", "🇯🇵", "\U0001f1e6",
    "𝔘𝔫𝔦", "𐍈", "𠀀𠀁", "㐀", "１２３", "٤٥٦", "४५", "Ⅷ", "ⓐ", "🄰", "¼½", "·", "¿", "§", "€", "™", "►", "█", "\ue000",
    "▁", "▁▁", "▁the", "<unk>", "<s>", "</s>", "<0x41>", "<0xE2>", "<|end|>", "<|end|><|end|>", "<|begin|>", "<|endo", "<tool>", "</tool>",
    "[MASK]", " [MASK] ", "[M", "foo", "foobar", " foo ", "Foo", "xfoo", "foo_", "<mark>", "  <mark>  ", "<mar", "Ａ", "tail<|en"]


def generated():
    kind = random.random()
    if kind < 0.80:
        return "".join(random.choices(PARTS, k=random.randint(1, 9)))
    if kind < 0.90:  # prose
        return random.choice(["", " "]) + " ".join(random.choices(WORDS, k=random.randint(1, 7)))
    if kind < 0.95:  # runs
        return "".join(random.choice(PARTS) * random.randint(1, 5) for _ in range(3))
    out = ""
    while len(out) < 6:  # any assigned character
        c = chr(random.choice([random.randrange(0x3000), random.randrange(0x10000), random.randrange(0x20000)]))
        if unicodedata.category(c) not in ("Cn", "Cs"):
            out += c
    return out


TEXTS = ["", " ", "a"] + [generated() for _ in range(2010)] + [  # long runs
    w * n for n in (31, 40, 97, 300) for w in ("a", "the", " ", "\n", "\t ", "日本", "é", "e\u0301", "👍🏽", "1", "'s", "!", "ー", "の")] + [
    "a" + "\u0301" * 40, "\u0323\u0301" * 30, "x" + "\u0301\u0323" * 33 + "e\u0301", "각" + "\u0301" * 31, "ﬁ" + "\u0308" * 50 + "\u1161"]


def added(id, content, special=True, normalized=False, **kw):
    flags = dict(single_word=False, lstrip=False, rstrip=False)
    return dict(id=id, content=content, special=special, normalized=normalized, **(flags | kw))


def trained(pre, vocab_size, first=(), norm=None, alphabet=True):
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre
    if norm:
        tok.normalizer = norm
    tok.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=vocab_size, min_frequency=2, special_tokens=list(first), show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if alphabet else [], limit_alphabet=300 if alphabet else 120))
    file = json.loads(tok.to_str())
    file["added_tokens"] = []
    return file


def split(pattern, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": invert}


def byte_level(regex=False, prefix=False):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": regex}


def template(before, after=(), names={}):
    items = [{"SpecialToken": {"id": n, "type_id": 0}} for n in before]
    items += [{"Sequence": {"id": "A", "type_id": 0}}]
    items += [{"SpecialToken": {"id": n, "type_id": 0}} for n in after]
    return {"type": "TemplateProcessing", "single": items, "pair": items + [{"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {n: {"id": n, "ids": [i], "tokens": [n]} for n, i in names.items()}}


SHARED = trained(pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), "isolated"), pre_tokenizers.ByteLevel(
    add_prefix_space=False, use_regex=False)]), 700)


def bytes_family(steps):
    """The same vocabulary for all, so that most ids are those of the first family and need not be stored again."""
    f = json.loads(json.dumps(SHARED))
    f["pre_tokenizer"] = steps[0] if len(steps) == 1 else {"type": "Sequence", "pretokenizers": steps}
    f["decoder"] = byte_level()
    f["post_processor"] = None
    return f


def families():
    n = 700
    f = bytes_family([byte_level(True)])
    f["added_tokens"] = [added(n, "<|end|>", normalized=True)]
    f["post_processor"] = byte_level()
    f["model"]["merges"] = [" ".join(m) for m in f["model"]["merges"]]  # the older spelling
    yield "gpt2", f

    f = bytes_family([byte_level(True)])
    f["pre_tokenizer"] = byte_level(True, True)
    f["added_tokens"] = [added(n, "<|end|>"), added(n + 1, "[MASK]", lstrip=True), added(n + 2, "<mark>", rstrip=True, lstrip=True),
                         added(n + 3, "foo", special=False, single_word=True, normalized=True), added(n + 4, "   ", special=False, normalized=True),
                         added(n + 5, "foobar", special=False), added(n + 6, "<|end|><|end|>")]
    yield "prefix", f

    f = bytes_family([split(LLAMA3), byte_level()])
    f["model"]["ignore_merges"] = True
    for i, w in enumerate(["ĠHTTPServer", "zzz", "æĹ¥æľ¬èª", "ĠĠĠĠĠ"]):  # tokens that no merge makes
        f["model"]["vocab"][w] = n + i
    f["added_tokens"] = [added(n + 4, "<|begin|>"), added(n + 5, "<|end|>")]
    f["post_processor"] = {"type": "Sequence", "processors": [byte_level(), template(["<|begin|>"], [], {"<|begin|>": n + 4})]}
    yield "llama3", f

    f = bytes_family([split(QWEN2), byte_level()])
    f["normalizer"] = {"type": "NFC"}
    f["added_tokens"] = [added(n, "<|end|>"), added(n + 1, "<tool>", special=False), added(n + 2, "</tool>", special=False)]
    yield "qwen2", f

    f = bytes_family([split(O200K, "Removed", True), byte_level()])
    f["added_tokens"] = [added(n, "<|end|>")]
    yield "o200k", f

    f = bytes_family([split(TEKKEN), byte_level()])
    f["added_tokens"] = [added(n, "<s>"), added(n + 1, "</s>")]
    f["post_processor"] = template(["<s>"], ["</s>"], {"<s>": n, "</s>": n + 1})
    yield "tekken", f

    f = bytes_family([{"type": "Digits", "individual_digits": True}, byte_level(True)])
    f["added_tokens"] = [added(n, "<|end|>")]
    yield "digits", f

    with open("digits.json") as file:  # what the Go package trains and saves
        yield "trained", json.load(file)

    # Several Splits, none with a pattern of the families above.
    f = bytes_family([split(r"\p{N}{1,3}"), split("[一-龥぀-ゟ゠-ヿ]+"), split(
        r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*" + TAIL), byte_level()])
    f["added_tokens"] = [added(n, "<|end|>")]
    yield "regex", f

    sp = ["<unk>", "<s>", "</s>"]
    hexes = ["<0x%02X>" % b for b in range(256)]
    mark = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tail = [{"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]
    replace = {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}
    runs = trained(pre_tokenizers.Split(Regex("▁+[^▁]*"), "isolated"), 900, sp + hexes, mark, False)
    runs["model"] |= dict(unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    runs["pre_tokenizer"] = None
    runs["added_tokens"] = [added(i, s) for i, s in enumerate(sp)]
    runs["decoder"] = {"type": "Sequence", "decoders": [replace] + tail}
    runs["post_processor"] = template(["<s>"], [], {"<s>": 1})
    yield "llama2", runs

    f = json.loads(json.dumps(runs))
    f["normalizer"] = None
    f["pre_tokenizer"] = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False}
    f["added_tokens"] += [added(900, "[MASK]", lstrip=True), added(901, "foo", special=False, normalized=True)]
    yield "mistral", f

    f = json.loads(json.dumps(runs))  # byte tokens for some bytes only, the older Metaspace
    for b in list(range(0x80, 0xA0)) + [0xF0]:
        f["model"]["vocab"]["gone%d" % b] = f["model"]["vocab"].pop("<0x%02X>" % b)
    f["normalizer"] = None
    f["pre_tokenizer"] = {"type": "Metaspace", "replacement": "▁", "add_prefix_space": True, "prepend_scheme": "always"}
    f["decoder"] = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    f["model"]["fuse_unk"] = False
    yield "metaspace", f

    # Merges across spaces: nothing may be cut before merging.
    f = trained(pre_tokenizers.Split(Regex(r".{1,12}"), "isolated"), 600, sp, mark, False)
    f["model"] |= dict(unk_token="<unk>", fuse_unk=True)
    f["pre_tokenizer"] = None
    f["added_tokens"] = [added(i, s, normalized=i == 2, special=i != 2) for i, s in enumerate(sp)]
    f["decoder"] = {"type": "Sequence", "decoders": [replace, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 2, "stop": 0}]}
    yield "across", f

    f = trained(pre_tokenizers.Whitespace(), 600, ["<unk>"], normalizers.Lowercase(), False)
    f["model"] |= dict(unk_token=None)  # what has no token is dropped
    f["normalizer"] = {"type": "Sequence", "normalizers": [
        {"type": "NFKD"}, {"type": "StripAccents"}, {"type": "Lowercase"}, {"type": "NFKC"}, {"type": "Strip", "strip_left": True, "strip_right": True}]}
    f["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [{"type": "Whitespace"}, {"type": "Punctuation", "behavior": "MergedWithPrevious"}]}
    f["added_tokens"] = [added(0, "<unk>"), added(600, "Foo", special=False, normalized=True)]
    f["decoder"] = {"type": "Fuse"}
    yield "lower", f


def part_vectors(texts):
    """What single parts do: pieces of pre-tokenizers, texts of normalizers."""
    pres = [split(p, b, inv) for p in (r"\w+", r"\s?[\p{L}]{2}") for b in
            ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous") for inv in (False, True)]
    pres += [{"type": "Split", "pattern": {"String": "a"}, "behavior": b, "invert": False} for b in ("Removed", "MergedWithNext")]
    pres += [split(r"(?=[A-Z])"), split("^.|.$"), split(LLAMA3), split("(?i)[a-k]+"), split(r"[\w&&[^a]]")]
    pres += [{"type": "Punctuation", "behavior": b} for b in ("Isolated", "Contiguous")]
    pres += [{"type": "Digits", "individual_digits": d} for d in (False, True)]
    pres += [{"type": "Whitespace"}, {"type": "WhitespaceSplit"}]
    pres += [{"type": "Metaspace", "replacement": "▁", "prepend_scheme": s, "split": c} for s in ("first", "always", "never") for c in (True, False)]
    norms = [{"type": t} for t in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents")]
    norms += [{"type": "Strip", "strip_left": l, "strip_right": not l} for l in (True, False)]
    norms += [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": "e"}, "content": "EE"},
              {"type": "Replace", "pattern": {"Regex": r"\s{2,}|[0-9]"}, "content": "$1"}]
    for kind, parts in (("pre_tokenizer", pres), ("normalizer", norms)):
        for p in parts:
            file = dict(version="1.0", added_tokens=[], normalizer=None, pre_tokenizer=None, post_processor=None, decoder=None,
                        model=dict(type="BPE", vocab={}, merges=[])) | {kind: p}
            tok = Tokenizer.from_str(json.dumps(file))
            if kind == "normalizer":
                out = [tok.normalizer.normalize_str(t) for t in texts]
            else:
                out = ["\0".join(s for s, _ in tok.pre_tokenizer.pre_tokenize_str(t)) for t in texts]
            yield {"kind": kind, "part": p, "out": out}


def main():
    out = {"texts": TEXTS, "families": []}
    last = {}  # by kind of family: the ids it stores differences from
    for name, file in families():
        tok = Tokenizer.from_str(json.dumps(file))
        texts = TEXTS[:600] if name in ("trained", "prefix", "metaspace", "across", "lower") else TEXTS  # for a small file
        tok.encode_special_tokens = True
        plain = [tok.encode(t, add_special_tokens=False).ids for t in texts]
        tok.encode_special_tokens = False
        special = [tok.encode(t, add_special_tokens=False).ids for t in texts]
        decoded = [tok.decode(ids, skip_special_tokens=False) for ids in special]
        unnamed = [tok.decode(ids, skip_special_tokens=True) for ids in special]
        like, base = last.setdefault((file["decoder"]["type"] == "ByteLevel", name in ("trained", "across", "lower"), name == "trained"), (name, plain))
        text = lambda ids: " ".join(map(str, ids))
        out["families"].append({
            "name": name, "file": file, "count": len(texts),
            "like": like if like != name else "",
            "plain": {i: text(p) for i, (p, b) in enumerate(zip(plain, base)) if p != b or like == name},
            "special": {i: text(s) for i, (p, s) in enumerate(zip(plain, special)) if p != s},
            "document": [text(tok.encode(t).ids) for t in texts[:20]],
            "decoded": {i: d for i, (t, d) in enumerate(zip(texts, decoded)) if t != d},  # where it is not the text
            "unnamed": {i: u for i, (d, u) in enumerate(zip(decoded, unnamed)) if d != u},  # without special tokens
        })
        print(name, sum(map(len, plain)), "tokens")
    texts = [t.replace("\0", "") for t in TEXTS[3:123]]
    out["parts"] = {"texts": texts, "vectors": list(part_vectors(texts))}
    data = json.dumps(out, ensure_ascii=False, separators=(",", ":")).encode()
    with open("vectors.json.gz", "wb") as f:
        f.write(gzip.compress(data, 9, mtime=0))


main()
