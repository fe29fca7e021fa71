"""Read and continue texts with the same GGUF on both sides in turns, and say how fast.

    python decode.py OURS WORK [--rounds 7] [--contexts 128,1024] [--tokens 32]

OURS is the built main.go of this folder, WORK holds the models it wrote. llama.cpp runs through llama-cpp-python with its defaults
(flash attention where it chooses to, repacked weights, an F16 key/value cache) on as many threads. A round is one reading and one
writing of every side; results.json and table.md have the medians and the spread of the ratios, taken pair by pair.
"""
import argparse, ctypes, json, pathlib, statistics, subprocess, time

import llama_cpp
import llama_cpp.llama_cpp as L

VOCAB = 49152


class Theirs:
    def __init__(self, path, threads):
        mp = L.llama_model_default_params()
        mp.n_gpu_layers = 0
        self.model = L.llama_model_load_from_file(str(path).encode(), mp)
        cp = L.llama_context_default_params()
        cp.n_ctx, cp.n_batch, cp.n_ubatch = 8192, 512, 512
        cp.n_threads = cp.n_threads_batch = threads
        self.ctx = L.llama_init_from_model(self.model, cp)

    def close(self):
        L.llama_free(self.ctx), L.llama_model_free(self.model)

    def read(self, n):
        ids = [i * 7919 % VOCAB for i in range(n)]
        L.llama_memory_clear(L.llama_get_memory(self.ctx), True)
        began = time.perf_counter()
        for at in range(0, n, 512):
            part = ids[at : at + 512]
            array = (L.llama_token * len(part))(*part)
            assert L.llama_decode(self.ctx, L.llama_batch_get_one(array, len(part))) == 0
        L.llama_synchronize(self.ctx)
        return time.perf_counter() - began

    def ask(self, word, n, m=0):
        if word == "prefill":
            return self.read(n)
        self.read(n)
        array = (L.llama_token * 1)(1)
        began = time.perf_counter()
        for _ in range(m):
            assert L.llama_decode(self.ctx, L.llama_batch_get_one(array, 1)) == 0
            logits = L.llama_get_logits_ith(self.ctx, -1)
            array[0] = int(logits[0] > 0)  # any token will do; finding the best of 49152 in Python would not
        return time.perf_counter() - began


class Ours:
    def __init__(self, command, path, dtype, threads):
        self.process = subprocess.Popen([command, "-model", str(path), "-dtype", dtype, "-threads", str(threads)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *words):
        print(*words, file=self.process.stdin, flush=True)
        return float(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("ours"), p.add_argument("work")
    p.add_argument("--rounds", type=int, default=7)
    p.add_argument("--contexts", default="128,1024")
    p.add_argument("--tokens", type=int, default=32)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--models", default="attention,hybrid")
    p.add_argument("--dtypes", default="float32,bfloat16")
    a = p.parse_args()
    silent = L.llama_log_callback(lambda level, text, data: None)
    L.llama_log_set(silent, ctypes.c_void_p())
    L.llama_backend_init()
    rows = []
    for model in a.models.split(","):
        for dtype in a.dtypes.split(","):
            (path,) = pathlib.Path(a.work, f"{model}-{dtype}").glob("*.gguf")
            ours, theirs = Ours(a.ours, path, dtype, a.threads), Theirs(path, a.threads)
            for n in map(int, a.contexts.split(",")):
                for what in (["prefill", n], ["decode", n, a.tokens]):
                    count = what[-1]
                    ours.ask(*what), theirs.ask(*what)  # warm
                    taken = []
                    for i in range(a.rounds):
                        sides = [ours, theirs] if i % 2 == 0 else [theirs, ours]
                        pair = {s: s.ask(*what) for s in sides}
                        taken.append((pair[ours], pair[theirs]))
                    ratios = sorted(t / o for o, t in taken)
                    rows.append({"model": model, "dtype": dtype, "what": what[0], "context": n,
                                 "ours": count / statistics.median(o for o, _ in taken), "theirs": count / statistics.median(t for _, t in taken),
                                 "ratio": statistics.median(ratios), "least": ratios[0], "most": ratios[-1], "bandwidth": ours.ask("bandwidth"), "file": path.stat().st_size})
                    print(json.dumps(rows[-1]), flush=True)
            ours.close(), theirs.close()
    pathlib.Path(a.work, "results.json").write_text(json.dumps({"llama_cpp_python": llama_cpp.__version__, "rows": rows}, indent=1) + "\n")
    lines = ["| model | matrices | | context | stillhouse, tokens/s | llama.cpp | ratio (range) |", "|---|---|---|---|---|---|---|"]
    for r in rows:
        lines.append(f"| {r['model']} | {r['dtype']} | {r['what']} | {r['context']} | {r['ours']:.1f} | {r['theirs']:.1f} | {r['ratio']:.2f} ({r['least']:.2f}–{r['most']:.2f}) |")
    pathlib.Path(a.work, "table.md").write_text("\n".join(lines) + "\n")


main()
