"""The same float32 matrix products here and in OpenBLAS, in turns.

    python products.py STILLHOUSE [--rounds 5] [--threads 1,2] [--shapes 512x256x1024,...] > table.md

Needs numpy, whose wheel brings an OpenBLAS that picks its kernel by the processor. A round is three runs of about 15 ms of either side, the
median of each; between them 0.3 s pass, until OpenBLAS's threads have stopped spinning. The table has medians over rounds.
"""
import argparse, ctypes, glob, json, os, statistics, subprocess, sys, time

import numpy

SHAPES = "512x256x1024,1024x1024x1024,1000x1000x1000,2048x512x512,4096x256x8192,2048x8192x512,2048x64x64,2048x172x64"
FORMS = ["NN", "NT", "TN", "TT"]


def openblas():
    folder = os.path.join(os.path.dirname(numpy.__file__), os.pardir, "numpy.libs")
    lib = ctypes.CDLL(glob.glob(os.path.join(folder, "libscipy_openblas64_*"))[0])
    lib.scipy_openblas_get_config64_.restype = ctypes.c_char_p
    i = ctypes.c_int64
    lib.scipy_cblas_sgemm64_.argtypes = [ctypes.c_int] * 3 + [i] * 3 + [ctypes.c_float] + [ctypes.c_void_p, i] * 2 + [ctypes.c_float, ctypes.c_void_p, i]
    return lib


def theirs(lib, m, n, k, form):
    """GFLOP/s"""
    r = numpy.random.default_rng(1)
    a, b, c = r.standard_normal(m * k, numpy.float32), r.standard_normal(n * k, numpy.float32), numpy.zeros(m * n, numpy.float32)
    ta, tb = form[0] == "T", form[1] == "T"
    args = (101, 112 if ta else 111, 112 if tb else 111, m, n, k, 1.0, a.ctypes.data, m if ta else k, b.ctypes.data, k if tb else n, 0.0, c.ctypes.data, n)

    def run(times):
        began = time.perf_counter()
        for _ in range(times):
            lib.scipy_cblas_sgemm64_(*args)
        return time.perf_counter() - began

    run(1)
    times = max(1, int(0.015 / run(1)))
    speed = statistics.median(2 * m * n * k * times / run(times) / 1e9 for _ in range(3))
    time.sleep(0.3)
    return speed


def ours(program, threads, shape, form):
    """GFLOP/s and the share of the peak measured beside it"""
    command = [program, "bench", "gemm", "--json", "--quiet", "--runs", "3", "--threads", str(threads), "--forms", form, "--shapes", shape]
    row = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)["rows"][0]
    return row["gflops"], row["of_peak"]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("program")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--threads", default="1,2")
    p.add_argument("--shapes", default=SHAPES)
    a = p.parse_args()
    lib = openblas()
    print(lib.scipy_openblas_get_config64_().decode(), file=sys.stderr)
    print("| m×n×k | threads | " + " | ".join(FORMS) + " |\n|---|---|" + "---|" * len(FORMS))
    for threads in map(int, a.threads.split(",")):
        lib.scipy_openblas_set_num_threads64_(threads)
        for shape in a.shapes.split(","):
            cells = []
            for form in FORMS:
                us, share, them = [], [], []
                for _ in range(a.rounds):
                    speed, of_peak = ours(a.program, threads, shape, form)
                    us.append(speed), share.append(of_peak), them.append(theirs(lib, *map(int, shape.split("x")), form))
                u, t = statistics.median(us), statistics.median(them)
                cells.append(f"{u:.0f} ({100 * statistics.median(share):.0f} %), {t:.0f}, **{u / t:.2f}**")
            print(f"| {shape.replace('x', '×')} | {threads} | " + " | ".join(cells) + " |", flush=True)


main()
