#!/bin/sh
# Runs the comparison of this folder again: PYTHON needs torch, transformers and safetensors, and a C++ compiler for torch.compile.
#
#   PYTHON=~/venv/bin/python WORK=/tmp/peers ./run.sh
set -eu
cd "$(dirname "$0")"
PYTHON=${PYTHON:-python3} WORK=${WORK:-/tmp/stillhouse-peers}
mkdir -p "$WORK"
rm -f "$WORK/runs.jsonl"
(cd ../.. && CGO_ENABLED=0 go build -o "$WORK/stillhouse" ./distill/cmd/stillhouse && CGO_ENABLED=0 go build -o "$WORK/ours" ./experiments/002-peers)

# Our side of the comparison is bench step: the fourth loss is the same to the last digit.
bench=$("$WORK/stillhouse" bench step --steps 1 --threads 2 --json | grep -o '"loss": [^,]*' | cut -d' ' -f2)
here=$(yes go | head -4 | "$WORK/ours" | tail -1 | grep -o '"loss":[^,}]*' | cut -d: -f2)
[ "$bench" = "$here" ] || { echo "bench step's loss is $bench, ours $here: not the same step" >&2; exit 1; }

compare() { "$PYTHON" compare.py "$WORK/ours" "$WORK" "$@"; }
compare --case default --sides stock,best,onednn,ours --rounds 5
compare --case attention --sides stock,best,onednn,ours --rounds 7
compare --case smol135m --sides best,ours --rounds 5 --warm 1
compare --tables
