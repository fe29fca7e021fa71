package export

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"stillhouse/layers"
	"stillhouse/layers/tensor"
)

func numbered(shape ...int) value {
	t := tensor.New(tensor.F32, shape...)
	for i := range tensor.Data[float32](t) {
		tensor.Data[float32](t)[i] = float32(i + 1)
	}
	return whole(t)
}

func TestEntriesMoveAlongAnAxisAndLeaveZeros(t *testing.T) {
	m := numbered(2, 3) // 1 2 3 / 4 5 6
	for _, c := range []struct {
		name string
		v    value
		want []float32
	}{
		{"rows to other rows", m.spread(0, 3, []segment{{2, 0, 1}, {0, 1, 1}}), []float32{4, 5, 6, 0, 0, 0, 1, 2, 3}},
		{"columns to more columns", m.spread(1, 5, []segment{{1, 0, 2}, {4, 2, 1}}), []float32{0, 1, 2, 0, 3, 0, 4, 5, 0, 6}},
		{"a column twice", m.spread(1, 2, []segment{{0, 1, 1}, {1, 1, 1}}), []float32{2, 2, 5, 5}},
		{"nothing", m.spread(0, 1, nil), []float32{0, 0, 0}},
		{"rows of it", m.rows(1, 2), []float32{4, 5, 6}},
		{"mapped", m.rows(0, 1).mapped(func(x float64) float64 { return -x }), []float32{-1, -2, -3}},
		{"the middle axis", numbered(2, 2, 2).spread(1, 3, []segment{{2, 0, 1}}), []float32{0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 5, 6}},
	} {
		got := c.v.load()
		if !slices.Equal(tensor.Data[float32](got), c.want) || !slices.Equal(got.Shape(), c.v.shape) {
			t.Errorf("%s: got %v %v, said %v, want %v", c.name, got.Shape(), tensor.Data[float32](got), c.v.shape, c.want)
		}
	}
	if got := tensor.Data[float32](m.load()); !slices.Equal(got, []float32{1, 2, 3, 4, 5, 6}) {
		t.Errorf("the weights themselves have changed: %v", got)
	}
}

func TestASegmentBeyondTheAxisPanics(t *testing.T) {
	defer func() {
		if p := fmt.Sprint(recover()); !strings.HasPrefix(p, "export: segment {to:2 from:0 n:2} along axis 0 of [2 3], to 3 entries") {
			t.Errorf("recovered %q", p)
		}
	}()
	numbered(2, 3).spread(0, 3, []segment{{2, 0, 2}})
}

func TestRotaryPairsComeSideBySide(t *testing.T) {
	got := tensor.Data[float32](sideBySide(numbered(8, 1), 4).load()) // two heads of two pairs
	if want := []float32{1, 3, 2, 4, 5, 7, 6, 8}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestBlocksThatShareXBecomeNeighbours: E = 12 in blocks of N = 1, x of 6 in two
// heads of P = 3, each read by two heads of E. Block b reads x in the order 0 1 2
// 0 1 2 3 4 5 3 4 5; published it is 0 0 1 1 2 2 …
func TestBlocksThatShareXBecomeNeighbours(t *testing.T) {
	order := publishedOrder(layers.Mamba1Config{Inner: 12, XB: 6, State: 1, RepeatGroup: 3})
	reads := numbered(12)
	for i, source := range []float32{0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5} {
		tensor.Data[float32](reads.load())[i] = source
	}
	got := tensor.Data[float32](reads.spread(0, 12, order).load())
	if want := []float32{0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
