package vec

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// fewOrMany are sizes around every width and group there is.
var fewOrMany = []int{0, 1, 3, 4, 5, 8, 9}

// product is one call under test: x [rows,n], w [outs,n] and what the sums are
// in float64, over weights rounded or not.
type product struct {
	rows, outs, n int
	x, w          []float32
	half          []BF16
	want, bound   []float64 // [rows,outs]: the sum, and the sum of sizes
}

func newProduct(rows, outs, n int, half bool) product {
	r := rand.New(rand.NewPCG(uint64(rows*outs), uint64(n)))
	p := product{rows: rows, outs: outs, n: n, x: make([]float32, rows*n), w: make([]float32, outs*n)}
	ld := BF16Stride(n)
	p.half = make([]BF16, outs*ld)
	for i := range p.half {
		p.half[i] = ToBF16(9) // also between the rows, where nothing may count
	}
	for i := range p.x {
		p.x[i] = float32(r.NormFloat64())
	}
	for i := range p.w {
		p.w[i] = float32(r.NormFloat64())
		p.half[i/n*ld+i%n] = ToBF16(p.w[i])
	}
	p.want, p.bound = make([]float64, rows*outs), make([]float64, rows*outs)
	for i := range p.want {
		for k := range n {
			w := float64(p.w[i%outs*n+k])
			if half {
				w = float64(p.half[i%outs*ld+k].Float32())
			}
			t := float64(p.x[i/outs*n+k]) * w
			p.want[i] += t
			p.bound[i] += math.Abs(t)
		}
	}
	return p
}

// call computes the outputs [from,to) into y, whose rows are ldy apart.
func (p product) call(y []float32, ldy, from, to int, half, add bool) {
	if half {
		ProductsBF16(y, ldy, p.x, p.rows, p.half[from*BF16Stride(p.n):], to-from, p.n, add)
		return
	}
	Products(y, ldy, p.x, p.rows, p.w[from*p.n:], to-from, p.n, add)
}

func eachProduct(t *testing.T, test func(t *testing.T, p product, half bool)) {
	eachISA(t, func(t *testing.T) {
		for _, half := range []bool{false, true} {
			for _, rows := range fewOrMany {
				for _, outs := range append(fewOrMany, 31) {
					for _, n := range append(fewOrMany, 7, 15, 16, 17, 31, 33, 100) {
						test(t, newProduct(rows, outs, n, half), half)
						if t.Failed() {
							return
						}
					}
				}
			}
		}
	})
}

func TestProductsAreTheFloat64SumsAndTouchNothingElse(t *testing.T) {
	eachProduct(t, func(t *testing.T, p product, half bool) {
		for _, add := range []bool{false, true} {
			ldy := p.outs + 2
			y := slices.Repeat([]float32{0.5}, p.rows*ldy)
			p.call(y, ldy, 0, p.outs, half, add)
			for i, got := range y {
				want, bound := 0.5, 0.0
				if o := i % ldy; o < p.outs {
					at := i/ldy*p.outs + o
					want, bound = p.want[at], p.bound[at]+1
					if add {
						want += 0.5
					}
				}
				if math.Abs(float64(got)-want) > 1e-6*bound {
					t.Errorf("half %v add %v [%d,%d]×[%d,%d]: got y[%d] = %v, want %v", half, add, p.rows, p.n, p.outs, p.n, i, got, want)
					return
				}
			}
		}
	})
}

func TestPartingOutputsAndRowsChangesNoBitOfAProduct(t *testing.T) {
	eachProduct(t, func(t *testing.T, p product, half bool) {
		whole, parts := make([]float32, p.rows*p.outs), make([]float32, p.rows*p.outs)
		p.call(whole, p.outs, 0, p.outs, half, false)
		for r := range p.rows {
			one := p
			one.rows, one.x = 1, p.x[r*p.n:]
			for o := 0; o < p.outs; o += 3 {
				one.call(parts[r*p.outs+o:], p.outs, o, min(o+3, p.outs), half, false)
			}
		}
		for i := range whole {
			if math.Float32bits(whole[i]) != math.Float32bits(parts[i]) {
				t.Errorf("half %v [%d,%d]×[%d,%d]: got %v alone, %v together", half, p.rows, p.n, p.outs, p.n, parts[i], whole[i])
				return
			}
		}
	})
}

func TestBF16IsTheNearestAndTiesGoToEven(t *testing.T) {
	for b := range 1 << 16 { // every bfloat16 is itself
		x := BF16(b).Float32()
		if x != x {
			if y := ToBF16(x).Float32(); y == y {
				t.Fatalf("NaN %#x became %v", b, y)
			}
			continue
		}
		if got := ToBF16(x); got != BF16(b) {
			t.Fatalf("%v: got %#x, want %#x", x, got, b)
		}
	}
	for _, c := range []struct{ bits, want uint32 }{
		{0x3f808000, 0x3f80}, {0x3f818000, 0x3f82}, {0x3f808001, 0x3f81}, {0x3f807fff, 0x3f80}, // ties and their neighbours
		{0x7f7fffff, 0x7f80}, {0xff800000, 0xff80}, {0x7f800001, 0x7fc0}, {0x80000000, 0x8000}, // overflow, -Inf, a NaN of low bits, -0
	} {
		if got := ToBF16(math.Float32frombits(c.bits)); uint32(got) != c.want {
			t.Errorf("%#x: got %#x, want %#x", c.bits, got, c.want)
		}
	}
}

func TestWideningGivesEveryElementExactly(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		for _, n := range []int{0, 1, 7, 8, 15, 16, 17, 33, 100} {
			x, y := make([]BF16, n), slices.Repeat([]float32{-1}, n+1)
			for i := range x {
				x[i] = ToBF16(float32(i) * 1.5)
			}
			Widen(y[:n], x)
			for i, b := range x {
				if y[i] != b.Float32() {
					t.Errorf("%d elements: got [%d] = %v, want %v", n, i, y[i], b.Float32())
				}
			}
			if y[n] != -1 {
				t.Errorf("%d elements: wrote past the end", n)
			}
		}
	})
}

func TestProductsThatDoNotFitPanic(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("two rows of x in memory for one were accepted")
		}
	}()
	Products(make([]float32, 8), 4, make([]float32, 3), 2, make([]float32, 12), 4, 3, false)
}

// BenchmarkProducts reads 28 MB of weights, beyond the second-level cache.
func BenchmarkProducts(b *testing.B) {
	const n, outs = 576, 12288
	for _, rows := range []int{1, 2, 4, 8} {
		p := newProduct(8, 4, n, false)
		w, half, y := make([]float32, outs*n), make([]BF16, outs*BF16Stride(n)), make([]float32, 8*outs)
		b.Run(fmt.Sprint("f32/rows=", rows), func(b *testing.B) {
			b.SetBytes(4 * n * outs)
			for b.Loop() {
				Products(y, outs, p.x, rows, w, outs, n, false)
			}
		})
		b.Run(fmt.Sprint("bf16/rows=", rows), func(b *testing.B) {
			b.SetBytes(2 * n * outs)
			for b.Loop() {
				ProductsBF16(y, outs, p.x, rows, half, outs, n, false)
			}
		})
	}
}
