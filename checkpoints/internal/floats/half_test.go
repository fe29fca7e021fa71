package floats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// narrow is one 16-bit format: its conversions, and whether bits are a NaN.
type narrow struct {
	name   string
	widen  func(uint16) float32
	narrow func(float32) uint16
	inf    uint16
}

var narrows = []narrow{
	{"F16", halfToFloat, floatToHalf, 0x7c00},
	{"BF16", brainToFloat, floatToBrain, 0x7f80},
}

func TestEverySixteenBitValueSurvivesTheWayToFloatAndBack(t *testing.T) {
	for _, n := range narrows {
		for i := range 1 << 16 {
			h := uint16(i)
			f, back := n.widen(h), uint16(0)
			back = n.narrow(f)
			nan := h&0x7fff > n.inf
			if nan != (f != f) {
				t.Fatalf("%s %#04x became %v", n.name, h, f)
			}
			if back != h && !nan || nan && back&0x7fff <= n.inf {
				t.Fatalf("%s %#04x became %v and came back as %#04x", n.name, h, f, back)
			}
		}
	}
}

// Values from IEEE 754-2008 and its worked examples.
func TestHalfHasTheValuesOfTheStandard(t *testing.T) {
	for _, c := range []struct {
		bits  uint16
		value float64
	}{
		{0x3c00, 1}, {0xc000, -2}, {0x7bff, 65504}, {0x0400, 0x1p-14}, {0x0001, 0x1p-24}, {0x03ff, 1023 * 0x1p-24},
		{0x3555, 0.333251953125}, {0x7c00, math.Inf(1)}, {0xfc00, math.Inf(-1)}, {0, 0},
	} {
		if got := float64(halfToFloat(c.bits)); got != c.value {
			t.Errorf("%#04x: got %v want %v", c.bits, got, c.value)
		}
	}
}

// nearest finds the format's value next to v by search over all of its positive
// values, with ties to the even one: the definition, and independent of bits.
func (n narrow) nearest(v float64) uint16 {
	a, sign := math.Abs(v), uint16(0)
	if math.Signbit(v) {
		sign = 0x8000
	}
	lo, hi := uint16(0), n.inf // value(lo) ≤ a < value(hi), or a is infinite
	for hi-lo > 1 {
		mid := lo + (hi-lo)/2
		if float64(n.widen(mid)) <= a {
			lo = mid
		} else {
			hi = mid
		}
	}
	// The step to infinity counts as the last finite step repeated.
	low := float64(n.widen(lo))
	high := 2*low - float64(n.widen(lo-1))
	if hi != n.inf {
		high = float64(n.widen(hi))
	}
	switch {
	case math.IsInf(a, 0) || a-low > high-a || a-low == high-a && lo&1 == 1:
		return sign | hi
	}
	return sign | lo
}

func TestRoundingIsToNearestEvenFromBothWidths(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range narrows {
		check := func(v float64) {
			t.Helper()
			if got, want := n.narrow(toOdd(v)), n.nearest(v); got != want {
				t.Fatalf("%s of %v (%x): got %#04x want %#04x", n.name, v, v, got, want)
			}
			f := float32(v)
			if got, want := n.narrow(f), n.nearest(float64(f)); got != want {
				t.Fatalf("%s of float32 %v: got %#04x want %#04x", n.name, f, got, want)
			}
		}
		for i := uint16(0); i < n.inf; i++ { // every value, every midpoint and their neighbours
			low := float64(n.widen(i))
			high := 2 * low
			if i+1 < n.inf {
				high = float64(n.widen(i + 1))
			}
			mid := low + (high-low)/2
			for _, v := range []float64{low, mid, math.Nextafter(mid, 0), math.Nextafter(mid, math.MaxFloat64), mid * (1 + 1e-9)} {
				check(v)
				check(-v)
			}
		}
		for range 200_000 {
			check(math.Ldexp(r.Float64()*2-1, r.IntN(300)-150))
		}
		for _, v := range []float64{65504, 65519.99, 65520, 65535, 1e5, math.MaxFloat32, math.MaxFloat64, math.SmallestNonzeroFloat64, math.Inf(1), math.Inf(-1)} {
			check(v)
			check(-v)
		}
	}
}
