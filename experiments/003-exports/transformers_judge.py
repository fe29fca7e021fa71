"""Load an export with transformers and compare it with what Stillhouse computes of the model it came from.

    stillhouse export RUN --out DIR
    python transformers_judge.py DIR RUN [--stillhouse BIN] [--tokens 64]

Prints max |Δlogit| over a text and whether both continue it greedily alike. Needs torch, transformers and safetensors.
"""
import argparse

import numpy as np, torch, transformers

from ours import logits, tokens

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("export"), p.add_argument("model")
p.add_argument("--stillhouse", default="stillhouse")
p.add_argument("--prompt", default="Once upon a time")
p.add_argument("--tokens", type=int, default=64)
a = p.parse_args()

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
tokenizer = transformers.AutoTokenizer.from_pretrained(a.export)
model = transformers.AutoModelForCausalLM.from_pretrained(a.export, dtype=torch.float32).eval()

ids = tokens(a.stillhouse, a.model, a.prompt)
theirs = tokenizer(a.prompt, add_special_tokens=False)["input_ids"]
print("transformers", transformers.__version__, type(model).__name__)
print("tokens        ", "the same" if theirs == ids else f"differ: {theirs} and {ids}")
with torch.no_grad():
    text = model.generate(torch.tensor([ids]), max_new_tokens=a.tokens, do_sample=False)[0].tolist()
    whole = model(torch.tensor([text])).logits[0].numpy()
ours = logits(a.stillhouse, a.model, text)
print(f"max |Δlogit|   {np.abs(ours - whole).max():.3g} of {np.abs(whole).max():.3g}, {len(text)} tokens")
greedy = ours.argmax(1).tolist()[len(ids) - 1 : -1]
print("greedy        ", "the same" if greedy == text[len(ids):] else f"differ: {text[len(ids):]} and {greedy}")
