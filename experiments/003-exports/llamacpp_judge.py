"""Load a GGUF with llama.cpp and compare it with what Stillhouse computes of the model it came from.

    stillhouse export RUN --format gguf --out DIR
    python llamacpp_judge.py DIR/NAME-F32.gguf RUN [--stillhouse BIN] [--tokens 64]

Prints max |Δlogit| over a text and whether both continue it greedily alike, reading all at once and token by token.
Needs llama-cpp-python, numpy and safetensors. The cache is float32, without flash attention, so that what is left is
the order of sums; an F16 or BF16 file also rounds activations there, so compare F32 files.
"""
import argparse, sys

import llama_cpp, numpy as np
import llama_cpp.llama_cpp as L

from ours import logits, tokens


def open_model(path, n_ctx, threads, exact):
    if exact:
        quiet = L.llama_log_callback(lambda level, text, data: sys.stderr.write(text.decode(errors="replace")) if level >= 4 else None)
        open_model.keep = quiet  # ctypes holds no reference
        L.llama_log_set(quiet, None)
    L.llama_backend_init()
    mp = L.llama_model_default_params()
    mp.n_gpu_layers = 0
    if hasattr(mp, "use_extra_bufts"):
        mp.use_extra_bufts = False
    model = L.llama_model_load_from_file(path.encode(), mp)
    if not model:
        sys.exit(f"llama.cpp does not load {path}")
    cp = L.llama_context_default_params()
    cp.n_ctx = cp.n_batch = cp.n_ubatch = n_ctx
    cp.n_threads = cp.n_threads_batch = threads
    cp.type_k = cp.type_v = L.GGML_TYPE_F32
    cp.flash_attn_type = 0  # LLAMA_FLASH_ATTN_TYPE_DISABLED
    cp.offload_kqv = False
    ctx = L.llama_init_from_model(model, cp)
    if not ctx:
        sys.exit(f"llama.cpp makes no context for {path}")
    return model, ctx


def decode(model, ctx, ids, pos):
    """Reads ids at positions from pos on; returns the logits [len(ids), V]."""
    v = L.llama_vocab_n_tokens(L.llama_model_get_vocab(model))
    batch = L.llama_batch_init(len(ids), 0, 1)
    batch.n_tokens = len(ids)
    for i, t in enumerate(ids):
        batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.seq_id[i][0], batch.logits[i] = t, pos + i, 1, 0, 1
    if rc := L.llama_decode(ctx, batch):
        sys.exit(f"llama_decode: {rc}")
    out = np.stack([np.ctypeslib.as_array(L.llama_get_logits_ith(ctx, i), (v,)).copy() for i in range(len(ids))])
    L.llama_batch_free(batch)
    return out.astype(np.float32)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("export"), p.add_argument("model")
    p.add_argument("--stillhouse", default="stillhouse")
    p.add_argument("--prompt", default="Once upon a time")
    p.add_argument("--tokens", type=int, default=64)
    a = p.parse_args()
    ids = tokens(a.stillhouse, a.model, a.prompt)
    model, ctx = open_model(a.export, 2 * (len(ids) + a.tokens), 2, True)
    vocab = L.llama_model_get_vocab(model)
    print("llama.cpp, llama-cpp-python", llama_cpp.__version__)
    buf = (L.llama_token * 4096)()
    n = L.llama_tokenize(vocab, a.prompt.encode(), len(a.prompt.encode()), buf, 4096, False, False)
    print("tokens        ", "the same" if list(buf[:n]) == ids else f"differ: {list(buf[:n])} and {ids}")
    steps = [decode(model, ctx, [t], i)[0] for i, t in enumerate(ids)]
    text = list(ids)
    for _ in range(a.tokens):  # greedy, a token at a time
        text.append(int(steps[-1].argmax()))
        steps.append(decode(model, ctx, text[-1:], len(text) - 1)[0])
    L.llama_memory_clear(L.llama_get_memory(ctx), True)
    whole = decode(model, ctx, text, 0)
    ours = logits(a.stillhouse, a.model, text)
    worst = max(np.abs(ours - whole).max(), np.abs(ours - np.stack(steps)).max())
    print(f"max |Δlogit|   {worst:.3g} of {np.abs(whole).max():.3g}, {len(text)} tokens, at once and one by one")
    greedy = ours.argmax(1).tolist()[len(ids) - 1 : -1]
    print("greedy        ", "the same" if greedy == text[len(ids):] else f"differ: {text[len(ids):]} and {greedy}")
    L.llama_free(ctx)
    L.llama_model_free(model)


if __name__ == "__main__":
    main()
