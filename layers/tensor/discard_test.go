package tensor

import (
	"math"
	"slices"
	"testing"
)

func TestADiscardedTensorCountsAsZeroOnceSettled(t *testing.T) {
	for _, x := range []*Tensor{From([]float32{1, float32(math.NaN())}, 2), From([]float64{1, math.Inf(1)}, 2)} {
		x.Discard()
		x.Settle()
		if zero := New(x.DType(), 2); !Equal(x, zero) {
			t.Errorf("got %v settled, want zeros", x)
		}
		x.CopyFrom(From([]float64{3, 4}, 2))
		x.Settle() // not discarded: nothing to do
		if y := New(F64, 2); !slices.Equal(numbers(y, x), []float64{3, 4}) {
			t.Errorf("Settle changed %v, which was in use", x)
		}
	}
}

func numbers(y, x *Tensor) []float64 {
	y.CopyFrom(x)
	return Data[float64](y)
}

func TestTakeAnswersOnce(t *testing.T) {
	x := New(F32, 2)
	x.Discard()
	if got := []bool{x.Take(), x.Take()}; !slices.Equal(got, []bool{true, false}) {
		t.Errorf("got %v, want [true false]", got)
	}
}

func TestADiscardedTensorCannotBeRead(t *testing.T) {
	for name, read := range map[string]func(x *Tensor){
		"Data": func(x *Tensor) { Data[float32](x) },
		"Rows": func(x *Tensor) { x.Rows(0, 1) },
	} {
		x := New(F32, 2)
		x.Discard()
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s of a discarded tensor did not panic", name)
				}
			}()
			read(x)
		}()
	}
}
