package distill

import (
	"context"
	"strings"
	"testing"
)

func TestGenerationIsLaidAgainstBothLimits(t *testing.T) {
	g := tiny(t)
	b := DecodeBench{Geometry: g, DTypes: []string{"float32", "bfloat16"}, Contexts: []int{8}, Batches: []int{1, 3}, Tokens: 2, Runs: 1}
	r, err := BenchDecode(t.Context(), nil, b, Quiet{})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Prefill) != 4 || len(r.Decode) != 8 { // teacher and student, two dtypes, and two batches
		t.Fatalf("got %d and %d measurements: %+v", len(r.Prefill), len(r.Decode), r)
	}
	if r.PeakGFlops <= 0 || r.MemGBps <= 0 || r.ReadGBps <= 0 {
		t.Errorf("a limit is missing: %+v", r)
	}
	for _, s := range r.Prefill {
		if s.PerSec <= 0 || s.GFlops <= 0 || s.OfPeak <= 0 {
			t.Errorf("a figure is missing: %+v", s)
		}
	}
	for i, s := range r.Decode {
		if s.PerSec <= 0 || s.GBps <= 0 || s.OfMemory <= 0 {
			t.Errorf("a figure is missing: %+v", s)
		}
		if s.Batch == 3 && s.Bytes >= r.Decode[i-1].Bytes {
			t.Errorf("%s %s: three sequences move %g bytes a token, one %g: weights are shared", s.Layers, s.DType, s.Bytes, r.Decode[i-1].Bytes)
		}
	}
	if full, half := r.Decode[0], r.Decode[2]; half.DType != "bfloat16" || half.StepBytes >= full.StepBytes {
		t.Errorf("bfloat16 moves as much as float32: %+v, %+v", half, full)
	}
}

func TestABenchOfGenerationRefusesAnUnknownDTypeAndStopsWhenTold(t *testing.T) {
	b := DecodeBench{Geometry: tiny(t), DTypes: []string{"int3"}, Contexts: []int{8}, Batches: []int{1}, Tokens: 1, Runs: 1}
	if _, err := BenchDecode(t.Context(), nil, b, Quiet{}); err == nil || !strings.Contains(err.Error(), "hint: float32 or bfloat16") {
		t.Errorf("got %v, want an error with a hint", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := BenchDecode(ctx, nil, b, Quiet{}); err == nil {
		t.Error("went on after it was told to stop")
	}
}
