#!/bin/sh
# Runs the comparison of this folder again: PYTHON needs llama-cpp-python. Nothing else should run beside it.
#
#   PYTHON=~/venv/bin/python WORK=/tmp/decoding ./run.sh
set -eu
cd "$(dirname "$0")"
PYTHON=${PYTHON:-python3} WORK=${WORK:-/tmp/stillhouse-decoding}
mkdir -p "$WORK"
(cd ../.. && CGO_ENABLED=0 go build -o "$WORK/ours" ./experiments/004-decoding)
[ -d "$WORK/hybrid-bfloat16" ] || "$WORK/ours" -write "$WORK"
"$PYTHON" decode.py "$WORK/ours" "$WORK" "$@"
