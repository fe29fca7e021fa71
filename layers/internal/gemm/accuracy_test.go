package gemm

import (
	"math"
	"math/rand/v2"
	"testing"

	"stillhouse/layers/internal/parallel"
)

// A product with the identity gives back every bit: nothing of an operand gets lost on
// the way to the tiles, whichever of the two it is.
func TestTheIdentityGivesBackEveryBit(t *testing.T) {
	const n, k = 70, 150
	r := rand.New(rand.NewPCG(1, 2))
	for _, e := range singles {
		for _, f := range forms {
			x := newProblem[float32](f, k, n, k, 0, false) // A = 1, B anything
			y := newProblem[float32](f, n, k, k, 0, false) // A anything, B = 1
			for _, d := range [][]float32{x.b, y.a} {
				for i := range d {
					d[i] = float32(math.Ldexp(r.Float64()-0.5, r.IntN(120)-60))
				}
			}
			clear(x.a)
			clear(y.b)
			for i := range k {
				x.a[i*x.lda+i], y.b[i*y.ldb+i] = 1, 1
			}
			for _, z := range []struct {
				name     string
				product  *problem[float32]
				anything []float32
				trans    bool
			}{{"1·B", x, x.b, f.transB()}, {"A·1", y, y.a, f.transA()}} {
				for i, v := range z.product.run(e, nil) {
					want := z.anything[i]
					if z.trans {
						want = z.anything[i%z.product.n*z.product.m+i/z.product.n]
					}
					if v != want {
						t.Fatalf("%s %v: %s, entry %d: got %v, want %v", e.isa.name, z.product, z.name, i, v, want)
					}
				}
			}
		}
	}
}

// rms returns the root mean square of a product's errors, each in units of the last
// place of the root mean square of C.
func (x *problem[T]) rms(c []T) float64 {
	var wrong, all float64
	for i, w := range x.want {
		d := float64(c[i/x.n*x.ldc+i%x.n]) - w
		wrong += d * d
		all += w * w
	}
	return math.Sqrt(wrong/all) * (1 << 24)
}

// No path may be much less exact than sums in float32 in order, of products that
// cancel and of those that all have one sign.
func TestEveryPathIsAsExactAsFloat32(t *testing.T) {
	p := parallel.New(2)
	defer p.Close()
	for _, k := range []int{32, 256, 2048} {
		for _, sign := range []bool{false, true} {
			x := newProblem[float32](NT, 64, 64, k, 0, false)
			for _, d := range [][]float32{x.a, x.b} {
				for i, v := range d {
					if sign {
						d[i] = float32(math.Abs(float64(v)))
					}
				}
			}
			x.reference()
			vectors := x.rms(x.run(singles[0], p))
			for _, e := range singles {
				got := x.rms(x.run(e, p))
				t.Logf("k=%d one sign=%v %s: %.2f units", k, sign, e.isa.name, got)
				if got > 1.5*vectors {
					t.Errorf("k=%d one sign=%v: %s is off by %.2f units, portable by %.2f", k, sign, e.isa.name, got, vectors)
				}
			}
		}
	}
}

func TestNotANumberStaysOne(t *testing.T) {
	for _, e := range singles {
		for _, f := range forms {
			for _, bits := range []uint32{0x7fc00000, 0xffc00000, 0x7fffffff, 0x7f800001} {
				x := newProblem[float32](f, 40, 50, 60, 0, false)
				x.a[0] = math.Float32frombits(bits) // A[0,0] however it is stored
				for i, v := range x.run(e, nil) {
					if (v != v) != (i < 50) {
						t.Fatalf("%s %v: NaN %x in row 0 of A, entry %d is %v", e.isa.name, x, bits, i, v)
					}
				}
			}
		}
	}
}

// Infinity becomes infinity or, on the matrix unit, not a number: either says so.
func TestAnInfinityIsNotFiniteAfterwards(t *testing.T) {
	for _, e := range singles {
		for _, f := range forms {
			x := newProblem[float32](f, 40, 50, 60, 0, false)
			x.a[0] = float32(math.Inf(1))
			for i, v := range x.run(e, nil) {
				if finite := v-v == 0; finite != (i >= 50) {
					t.Fatalf("%s %v: infinity in row 0 of A, entry %d is %v", e.isa.name, x, i, v)
				}
			}
		}
	}
}
