#!/bin/sh
# Trains three students of the embedded teacher that differ in Mamba-2's norm, exports each as every program takes it, and asks the
# programs. PYTHON needs torch, transformers, llama-cpp-python, numpy and safetensors.
#
#   PYTHON=~/venv/bin/python WORK=/tmp/exports ./run.sh
set -eu
cd "$(dirname "$0")"
PYTHON=${PYTHON:-python3} WORK=${WORK:-/tmp/stillhouse-exports}
mkdir -p "$WORK"
(cd ../.. && CGO_ENABLED=0 go build -o "$WORK/stillhouse" ./distill/cmd/stillhouse)
train() { # NAME and what the mixer is
	name=$1; shift
	"$WORK/stillhouse" run quickstart --progress none --json --set "output_dir=$WORK/$name" --set 'plan={mamba_layers: [4]}' --set 'eval={tasks: [], contexts: []}' \
		--set phases.0.max_tokens=60k --set phases.1.max_tokens=120k "$@" >/dev/null
}
judge() { # PROGRAM STUDENT FORMAT
	out="$WORK/$2-$1"
	rm -rf "$out"
	"$WORK/stillhouse" export "$WORK/$2" --format "$3" --for "$1" --out "$out" --progress none
	file=$out
	[ "$3" != gguf ] || file=$(echo "$out"/*.gguf)
	"$PYTHON" "$(echo "$1" | tr -d .)_judge.py" "$file" "$WORK/$2" --stillhouse "$WORK/stillhouse" --prompt "func main() {"
	echo
}
train full --set student.mixer.norm=full
train grouped --set student.mixer.norm=grouped
train one-group --set student.mixer.groups=1 --set student.mixer.init=random
judge transformers full granitemoehybrid
judge transformers one-group granitemoehybrid
judge llama.cpp grouped gguf
judge llama.cpp one-group gguf
