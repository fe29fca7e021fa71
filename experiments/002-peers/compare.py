"""Takes the same distillation step on both sides in turns, and writes what it took.

    python compare.py OURS WORK --case default --sides stock,best,ours --rounds 5    adds to WORK/runs.jsonl
    python compare.py OURS WORK --tables                                             results.json and table.md from it

A round is one step of every side, the order turning by one from round to round, so that whatever else runs on the
machine meets all of them alike. One process a side stays for all rounds; while one steps the others wait in a read.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

CASES = {  # geometry, Mamba mixers
    "default": ("default", -1),
    "attention": ("default", 0),
    "smol135m": ("smol135m", -1),
}
NAMES = {"ours": "stillhouse", "stock": "transformers", "best": "PyTorch, tuned", "onednn": "PyTorch, tuned, oneDNN", "bf16": "PyTorch, tuned, products in bfloat16"}
# Blocks above 128 KiB otherwise come from the kernel, page by page, at every step: what PyTorch's CPU guide answers with
# jemalloc or tcmalloc; and in huge pages, as ours does. Both compiled sides have it; stock runs as it comes.
MALLOC = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40), "MALLOC_TOP_PAD_": str(64 << 20), "THP_MEM_ALLOC_ENABLE": "1",
          "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


class Side:
    def __init__(self, name, ours, work, case, threads):
        self.name, self.taken = name, []
        geometry, mamba = CASES[case]
        env = dict(os.environ, TRANSFORMERS_VERBOSITY="error")
        if name == "ours":
            command = [ours, "-geometry", geometry, "-mamba", str(mamba), "-threads", str(threads)]
        else:
            command = [sys.executable, str(pathlib.Path(__file__).parent / "step.py"), str(work), "--side", name, "--threads", str(threads)]
            if name != "stock":
                env.update(MALLOC)
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
        self.about = {} if name == "ours" else json.loads(self.process.stdout.readline())

    def ask(self, word):
        print(word, file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name} ended with {self.process.wait()}: its words are above")
        return json.loads(line)

    def step(self):
        self.taken.append(self.ask("go"))


def measure(a):
    work = pathlib.Path(a.work) / a.case
    if not (work / "sizes.json").exists():
        work.mkdir(parents=True, exist_ok=True)
        geometry, mamba = CASES[a.case]
        subprocess.run([a.ours, "-geometry", geometry, "-mamba", str(mamba), "-write", str(work)], check=True)
    sides = []
    for name in a.sides.split(","):  # one after the other: compiling takes both cores
        s = Side(name, a.ours, work, a.case, a.threads)
        for _ in range(a.warm):
            s.step()
        sides.append(s)
        print(name, "warm:", s.taken[-1], file=sys.stderr)
    ours = next(s for s in sides if s.name == "ours")
    peaks = [ours.ask("peak")["peak_gflops"]]
    for r in range(a.rounds):
        for i in range(len(sides)):
            sides[(r + i) % len(sides)].step()
        peaks.append(ours.ask("peak")["peak_gflops"])
        print("round", r + 1, {s.name: round(s.taken[-1]["s"], 3) for s in sides}, file=sys.stderr)
    with open(pathlib.Path(a.work) / "runs.jsonl", "a") as f:
        print(json.dumps({"case": a.case, "threads": a.threads, "warm": a.warm, "load": os.getloadavg()[0], "peaks_gflops": peaks,
                          "sizes": json.loads((work / "sizes.json").read_text()),
                          "sides": {s.name: s.about | {"steps": s.taken} for s in sides}}), file=f)
    for s in sides:
        s.process.stdin.close()
        s.process.wait()


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def summary(run):
    """Figures of every side of one run, ratios against ours taken round by round."""
    z, peak, rows = run["sizes"], max(run["peaks_gflops"]), {}
    measured = {name: s["steps"][run["warm"]:] for name, s in run["sides"].items()}
    ours, first = measured["ours"], run["sides"]["ours"]["steps"]
    for name, steps in measured.items():
        seconds, cpu = spread([s["s"] for s in steps]), spread([s["cpu_s"] for s in steps])
        losses = [s["loss"] for s in run["sides"][name]["steps"]]
        rows[name] = {
            "steps": len(steps), "s": seconds, "cpu_s": cpu,
            "tokens_per_s": z["batch"] * z["seq"] / seconds["median"],
            "useful_gflops": z["useful_flops"] / seconds["median"] / 1e9,
            "useful_gflops_per_cpu_s": z["useful_flops"] / cpu["median"] / 1e9,
            "peak_fraction": z["useful_flops"] / seconds["median"] / 1e9 / peak,
            "peak_fraction_by_cpu": z["useful_flops"] / cpu["median"] / 1e9 / (peak / run["threads"]),
            "times_ours": spread([a["s"] / b["s"] for a, b in zip(steps, ours)]),
            "times_ours_cpu": spread([a["cpu_s"] / b["cpu_s"] for a, b in zip(steps, ours)]),
            "first_loss": losses[0], "last_loss": losses[-1],
            "largest_loss_difference": max(abs(a - b["loss"]) / b["loss"] for a, b in zip(losses, first)),
        }
    return {"case": run["case"], "threads": run["threads"], "warm": run["warm"], "load": run["load"], "peak_gflops": peak,
            "sizes": z, "sides": rows}


def tables(a):
    here = pathlib.Path(__file__).parent
    runs = [json.loads(line) for line in (pathlib.Path(a.work) / "runs.jsonl").read_text().splitlines()]
    results = [summary(r) for r in runs]
    versions = [{k: s[k] for k in ("torch", "transformers")} for r in runs for n, s in r["sides"].items() if n != "ours"]
    (here / f"results{a.suffix}.json").write_text(json.dumps({"versions": versions[0], "runs": results}, indent=1) + "\n")
    lines = []
    for r in results:
        z = r["sizes"]
        lines += [f"**{r['case']}**: {z['parameters'] / 1e6:.1f} M parameters, {z['mamba']} of {z['num_hidden_layers']} mixers Mamba-2, "
                  f"{z['batch']} × {z['seq']} tokens, {z['useful_flops'] / 1e9:.1f} useful GFLOP a step; {r['threads']} threads, "
                  f"load {r['load']:.1f}, peak {r['peak_gflops']:.0f} GFLOP/s", "",
                  "| side | steps | step s, median (min–max) | tokens/s | useful GFLOP/s | of peak | CPU s a step | of peak by CPU time | time × ours | CPU time × ours | loss off by at most |",
                  "|---|---|---|---|---|---|---|---|---|---|---|"]
        for name, s in sorted(r["sides"].items(), key=lambda kv: kv[1]["cpu_s"]["median"]):
            def three(v, d=2):
                return f"{v['median']:.{d}f} ({v['min']:.{d}f}–{v['max']:.{d}f})"
            lines.append(f"| {NAMES[name]} | {s['steps']} | {three(s['s'])} | {s['tokens_per_s']:.0f} | {s['useful_gflops']:.1f} | {100 * s['peak_fraction']:.0f} % | "
                         f"{three(s['cpu_s'])} | {100 * s['peak_fraction_by_cpu']:.0f} % | {three(s['times_ours'])} | {three(s['times_ours_cpu'])} | {s['largest_loss_difference']:.1e} |")
        lines.append("")
    (here / f"table{a.suffix}.md").write_text("\n".join(lines))


def main():
    a = argparse.ArgumentParser()
    a.add_argument("ours")
    a.add_argument("work")
    a.add_argument("--case", choices=CASES, default="default")
    a.add_argument("--sides", default="stock,best,ours")
    a.add_argument("--rounds", type=int, default=5)
    a.add_argument("--warm", type=int, default=2)
    a.add_argument("--threads", type=int, default=2)
    a.add_argument("--tables", action="store_true")
    a.add_argument("--suffix", default="", help="of the names of results and table, for a further machine")
    args = a.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.threads])  # every side inherits the cores
    tables(args) if args.tables else measure(args)


if __name__ == "__main__":
    main()
