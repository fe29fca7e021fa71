"""Writes vectors.json.gz: what transformers' apply_chat_template makes of generated
conversations with the templates beside it, which are ours, in the manner of those
of published models.

    pip install transformers==5.17.0 jinja2 && python vectors.py
"""
import glob
import gzip
import json
import os
import random

import jinja2
from transformers.utils.chat_template_utils import render_jinja_template

random.seed(7)
TEXTS = ["Hi!", "", " ", "What is 2+2?", "4", "  two spaces  ", "line\nbreak\n", "\n\nbefore", "tab\there", 'a "quoted" word', "it's", "<b>bold</b> & more", "{{ x }} {% y %}",
         "<|im_end|>", "</s><s>[INST]", "naïve café", "日本語のテキスト。", "Привет, мир", "👩‍👩‍👧 ok 👍🏽", "e\u0301", "\u00a0nbsp\u00a0", "\u3000full\u3000", "a\\nb \\ c", "<think>\nhmm\n</think>\n\nso 5",
         "<think>x</think>y</think>z", "</think>", "<tool_response>7</tool_response>", "def f(x):\n    return x  # 1\n", "ABBA baa", "x" * 300, "Ωmega ς ж", "a\r\nb", "\x0bvt", "1. one\n2. two", "50% of {0}"]


def text():
    t = random.choice(TEXTS)
    return t if random.random() < 0.7 else t + random.choice(["", " ", "\n"]) + random.choice(TEXTS)


def call():
    arguments = random.choice([{}, {"q": text()}, {"n": random.randint(-5, 5)}, {"x": 1.5}, {"l": [1, "a", None, True]}, {"d": {"e": "f"}}])
    c = {"type": "function", "function": {"name": random.choice(["add", "look_up"]), "arguments": arguments}}
    if random.random() < 0.5:
        c["id"] = random.choice(["abcdef123", "short"])
    if random.random() < 0.2:
        c = c["function"]
    return c


def conversation():
    out = []
    if random.random() < 0.4:
        out.append({"role": "system", "content": text()})
    for _ in range(random.randint(1, 4)):
        out.append({"role": "user", "content": text()})
        kind = random.random()
        if kind < 0.15:
            out.append({"role": "assistant", "content": random.choice([None, "", text()]), "tool_calls": [call() for _ in range(random.choice([1, 1, 2]))]})
            for _ in range(random.randint(1, 2)):
                out.append({"role": "tool", "content": random.choice([text(), "7"]), "tool_call_id": "abcdef123"})
        if kind > 0.05:
            m = {"role": "assistant", "content": text()}
            if random.random() < 0.1:
                m["reasoning_content"] = text()
            out.append(m)
        if kind > 0.93:
            out.append({"role": random.choice(["system", "user", "critic"]), "content": text()})
        if kind > 0.96:
            out[-1]["content"] = [{"type": "text", "text": text()}, {"type": "image"}, {"type": "text", "text": text()}][: random.randint(1, 3)]
    return out


def main():
    conversations = [conversation() for _ in range(150)]
    out = {"conversations": conversations, "rendered": {}, "spans": {}}
    for path in sorted(glob.glob("templates/*.jinja")):
        with open(path) as f:
            template = f.read()
        name = os.path.basename(path)[: -len(".jinja")]
        rows, spans = [], []
        for c in conversations:
            row = []
            for prompt in (False, True):
                try:  # the text; a template's complaint, or Python's, is an error here too
                    texts, marked = render_jinja_template(
                        [c], chat_template=template, add_generation_prompt=prompt, return_assistant_tokens_mask=name.startswith("generation"),
                        bos_token="<s>", eos_token="</s>", strftime_now=jinja2.Undefined(name="strftime_now"))
                    row.append({"text": texts[0]})
                    if not prompt:
                        spans.append([texts[0][a:b] for a, b in marked[0]] if marked else [])
                except Exception as e:
                    row.append({"error": f"{type(e).__name__}: {e}"[:80]})
                    if not prompt:
                        spans.append([])
            rows.append(row)
        out["rendered"][name] = rows
        if name.startswith("generation"):
            out["spans"][name] = spans
    with open("vectors.json.gz", "wb") as f, gzip.GzipFile(fileobj=f, mode="wb", mtime=0) as z:
        z.write(json.dumps(out, ensure_ascii=False, separators=(",", ":")).encode())


main()
