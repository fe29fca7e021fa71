"""Load an export with transformers and compare it with what Stillhouse computes.

    stillhouse export RUN --out DIR
    python transformers_judge.py DIR RUN [--stillhouse BIN] [--tokens 48] [--dtype float32]

Prints max |Δlogit| over a text and whether both continue it greedily alike.
Needs torch, transformers and safetensors.
"""
import argparse, subprocess, tempfile

import torch, transformers
from safetensors.torch import load_file

p = argparse.ArgumentParser()
p.add_argument("export"), p.add_argument("model")
p.add_argument("--stillhouse", default="stillhouse")
p.add_argument("--prompt", default="Once upon a time")
p.add_argument("--tokens", type=int, default=64)
p.add_argument("--dtype", default="float32")
a = p.parse_args()

torch.set_num_threads(2)
tokenizer = transformers.AutoTokenizer.from_pretrained(a.export)
model = transformers.AutoModelForCausalLM.from_pretrained(a.export, dtype=getattr(torch, a.dtype)).eval()

ids = subprocess.run([a.stillhouse, "tokenize", a.model], input=a.prompt + "\n", capture_output=True, text=True, check=True).stdout.split()
ids = [int(i) for i in ids]
print("transformers", transformers.__version__, type(model).__name__, a.dtype)
print("tokens       ", "the same" if tokenizer(a.prompt, add_special_tokens=False)["input_ids"] == ids else f"differ: {tokenizer(a.prompt, add_special_tokens=False)['input_ids']} and {ids}")

with torch.no_grad():
    text = model.generate(torch.tensor([ids]), max_new_tokens=a.tokens, do_sample=False)[0].tolist()
with tempfile.TemporaryDirectory() as d:
    subprocess.run([a.stillhouse, "logits", a.model, "--tokens", ",".join(map(str, text)), "--out", d + "/x.safetensors"], check=True, capture_output=True)
    ours = load_file(d + "/x.safetensors")["logits"]
with torch.no_grad():
    theirs = model(torch.tensor([text])).logits[0].float()
print(f"max |Δlogit|  {(ours - theirs).abs().max():.3g} of {theirs.abs().max():.3g}, {len(text)} tokens")
greedy = ours.argmax(-1).tolist()[len(ids) - 1 : -1]
print("greedy        ", "the same" if greedy == text[len(ids):] else f"differ: {text[len(ids):]} and {greedy}")
