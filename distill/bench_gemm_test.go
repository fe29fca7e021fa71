package distill

import (
	"context"
	"slices"
	"strings"
	"testing"

	"stillhouse/layers"
)

func TestProductsAreLaidAgainstThePeakOnEveryInstructionSet(t *testing.T) {
	for _, isa := range append(layers.ISAs(), "") {
		b := ProductBench{ISA: isa, Shapes: [][3]int{{40, 24, 16}, {7, 5, 3}}, Forms: []string{"NN", "TT"}, Threads: []int{1, 2}, Runs: 1}
		r, err := BenchProducts(t.Context(), b, Quiet{})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Rows) != 8 {
			t.Fatalf("%q: got %d rows, want 8", isa, len(r.Rows))
		}
		for _, s := range r.Rows {
			if s.GFlops <= 0 || s.PeakGFlops <= 0 || s.OfPeak <= 0 || !slices.Contains(layers.ISAs(), s.ISA) || (s.MatrixGFlops > 0) != (s.ISA == "amx") {
				t.Errorf("%q: a figure is missing: %+v", isa, s)
			}
		}
		if first, last := r.Rows[0], r.Rows[7]; first.M != 40 || first.Threads != 1 || last.Form != "TT" || last.Threads != 2 || last.K != 3 {
			t.Errorf("%q: rows are not in order: %+v … %+v", isa, first, last)
		}
	}
}

func TestABenchOfProductsRefusesWhatItCannotMeasure(t *testing.T) {
	for _, c := range []struct {
		isa, form string
		shape     [3]int
		runs      int
		want      string
	}{
		{"vax", "NN", [3]int{1, 1, 1}, 1, `no instruction set "vax"`},
		{"", "NX", [3]int{1, 1, 1}, 1, `unknown form "NX"`},
		{"", "NN", [3]int{1, 0, 1}, 1, "1×0×1"},
		{"", "NN", [3]int{1, 1, 1}, 0, "0 runs"},
	} {
		b := ProductBench{ISA: c.isa, Shapes: [][3]int{c.shape}, Forms: []string{c.form}, Threads: []int{1}, Runs: c.runs}
		if _, err := BenchProducts(t.Context(), b, Quiet{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got %v, want an error that says %q", c, err, c.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := BenchProducts(ctx, ProductBench{Shapes: ProductShapes, Forms: []string{"NN"}, Threads: []int{1}, Runs: 1}, Quiet{}); err == nil {
		t.Error("went on after it was told to stop")
	}
}
