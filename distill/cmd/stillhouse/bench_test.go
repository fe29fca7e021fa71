package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"stillhouse/distill"
)

// bench runs one command line and returns what it printed.
func bench(t *testing.T, line string) (string, error) {
	t.Helper()
	var out, errs bytes.Buffer
	a := newApp(&out, &errs)
	ctx := withArgs(t.Context(), a, strings.Fields(line))
	err := a.command().ExecuteContext(ctx)
	return out.String(), err
}

func TestBenchStepPrintsOneJSONObject(t *testing.T) {
	out, err := bench(t, "bench step --batch 1 --seq 16 --steps 1 --threads 1 --json")
	if err != nil {
		t.Fatal(err)
	}
	var r distill.StepReport
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if r.Batch != 1 || r.Seq != 16 || r.Steps != 1 || r.Threads != 1 || r.Geometry != "default" {
		t.Errorf("flags did not arrive: %+v", r)
	}
}

func TestBenchStepPrintsItsProfileWhenAsked(t *testing.T) {
	const line = "bench step --batch 1 --seq 16 --steps 1 --threads 1"
	short, err := bench(t, line)
	if err != nil {
		t.Fatal(err)
	}
	long, err := bench(t, line+" --profile")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"tokens/s", "share of peak", "peak memory", "planned"} {
		if !strings.Contains(short, want) {
			t.Errorf("the report does not say %q:\n%s", want, short)
		}
	}
	if strings.Contains(short, "rmsnorm") || !strings.Contains(long, "rmsnorm") {
		t.Errorf("operations belong to --profile alone:\n%s\n%s", short, long)
	}
}

func TestBenchGenerateMeasuresTheContextsAskedFor(t *testing.T) {
	out, err := bench(t, "bench generate --contexts 8,16 --decode 2 --threads 1 --progress none --json")
	if err != nil {
		t.Fatal(err)
	}
	var r distill.GenerateReport
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if len(r.Speeds) != 10 || r.Speeds[0].Context != 8 || r.Speeds[1].Context != 16 || r.Source != "embedded:teacher" {
		t.Errorf("got %+v", r)
	}
}

func TestBenchGenerateLaysAGeometryAgainstTheLimits(t *testing.T) {
	const line = "bench generate --geometry default --contexts 8 --decode 2 --batches 1,2 --runs 1 --dtype float32,bfloat16 --threads 1 --progress none"
	out, err := bench(t, line+" --json")
	if err != nil {
		t.Fatal(err)
	}
	var r distill.DecodeReport
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if len(r.Decode) != 8 || r.Decode[1].Batch != 2 || r.Decode[2].DType != "bfloat16" || r.Tokens != 2 || r.Geometry != "default" {
		t.Errorf("flags did not arrive: %+v", r)
	}
	text, err := bench(t, line)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"OF MEMORY", "OF PEAK", "MB A TOKEN", "bfloat16"} {
		if !strings.Contains(text, want) {
			t.Errorf("the report does not say %q:\n%s", want, text)
		}
	}
}

func TestGenerateWritesWithRoundedMatrices(t *testing.T) {
	out, err := bench(t, "generate embedded:teacher --prompt package --greedy --max-tokens 4 --dtype bfloat16 --threads 1 --quiet")
	if err != nil || out == "" {
		t.Errorf("got %q, %v", out, err)
	}
}

func TestBenchGemmPrintsALineAShapeAndNumberOfThreads(t *testing.T) {
	const line = "bench gemm --shapes 20x30x40,7x5x3 --forms NT,TN --runs 1 --progress none"
	out, err := bench(t, line+" --threads 2 --json")
	if err != nil {
		t.Fatal(err)
	}
	var r distill.ProductReport
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if len(r.Rows) != 4 || r.Rows[0].M != 20 || r.Rows[0].K != 40 || r.Rows[1].Form != "TN" || r.Rows[3].N != 5 || r.Rows[3].Threads != 2 {
		t.Errorf("flags did not arrive: %+v", r)
	}
	text, err := bench(t, line+" --threads 1")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"20×30×40", "7×5×3", "OF PEAK", "TN"} {
		if strings.Count(text, want) < 1 {
			t.Errorf("the report does not say %q:\n%s", want, text)
		}
	}
}

func TestWrongBenchFlagsAreUsageErrors(t *testing.T) {
	for _, line := range []string{"bench step --geometry huge", "bench step --batch -1", "bench generate --contexts 0", "bench generate --decode 0",
		"bench generate --geometry huge", "bench generate --geometry default --dtype int3", "bench generate --geometry default --batches 0",
		"bench gemm --shapes 3x4", "bench gemm --shapes 3x4x5x6", "bench gemm --shapes 0x1x1", "bench gemm --forms NX", "bench gemm --runs 0", "bench gemm --isa vax",
		"bench generate embedded:teacher --geometry default", "generate embedded:teacher --prompt x --dtype int3"} {
		if _, err := bench(t, line); exitCode(err) != exitUsage {
			t.Errorf("%s: got %v with code %d, want code %d", line, err, exitCode(err), exitUsage)
		}
	}
}
