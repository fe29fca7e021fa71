package gemm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"stillhouse/layers/internal/parallel"
	"stillhouse/layers/tensor"
)

var forms = []Form{NN, NT, TN, TT}

// sizes are the odd ones out: nothing, one, and the neighbours of tile, vector
// and block sizes.
var sizes = []int{0, 1, 2, 7, 8, 9, 11, 12, 13, 16, 17, 31, 32, 33, 47, 64, 65, 100, 385}

// problem is one multiplication with operands that lie inside larger arrays.
type problem[T tensor.Float] struct {
	f             Form
	m, n, k       int
	a, b, c       []T
	lda, ldb, ldc int
	acc           bool
	want, size    []float64 // see reference
}

// newProblem draws operands in [-1,1). pad is how much wider the rows of the
// arrays are than the operands; elements outside hold NaN, which would show.
func newProblem[T tensor.Float](f Form, m, n, k, pad int, acc bool) *problem[T] {
	x := &problem[T]{f: f, m: m, n: n, k: k, acc: acc}
	r := rand.New(rand.NewPCG(uint64(m*1000003+n*1009+k), uint64(f)))
	draw := func(rows, cols int) ([]T, int) {
		ld := cols + pad
		d := make([]T, rows*ld)
		for i := range d {
			d[i] = T(math.NaN())
		}
		for i := range rows {
			for j := range cols {
				d[i*ld+j] = T(2*r.Float64() - 1)
			}
		}
		return d, ld
	}
	if f.transA() {
		x.a, x.lda = draw(k, m)
	} else {
		x.a, x.lda = draw(m, k)
	}
	if f.transB() {
		x.b, x.ldb = draw(n, k)
	} else {
		x.b, x.ldb = draw(k, n)
	}
	x.c, x.ldc = draw(m, n)
	return x
}

func (x *problem[T]) String() string {
	return fmt.Sprintf("%v m=%d n=%d k=%d lda=%d ldb=%d ldc=%d acc=%v", x.f, x.m, x.n, x.k, x.lda, x.ldb, x.ldc, x.acc)
}

// run multiplies into a copy of c and returns it.
func (x *problem[T]) run(e *engine[T], p *parallel.Pool) []T {
	c := append([]T(nil), x.c...)
	e.multiply(p, x.f, x.m, x.n, x.k, x.a, x.lda, x.b, x.ldb, c, x.ldc, x.acc)
	return c
}

// verify compares c with the reference and sees that nothing outside its window
// was written. The error of a sum of k products is at most about k units in the
// last place of Σ|a·b|; that of a blocked one is far less, so √k·4 is generous.
func (x *problem[T]) verify(t *testing.T, c []T) {
	t.Helper()
	if x.want == nil {
		x.reference()
	}
	unit := math.Pow(2, -24)
	if tensor.TypeOf[T]() == tensor.F64 {
		unit = math.Pow(2, -53) * 4 // the reference is no better than float64 itself
	}
	for i := range c {
		row, col := i/x.ldc, i%x.ldc
		if row >= x.m || col >= x.n {
			if c[i] == c[i] {
				t.Fatalf("%v: wrote %v outside of C, at row %d column %d", x, c[i], row, col)
			}
			continue
		}
		w, z := x.want[row*x.n+col], x.size[row*x.n+col]
		if d := math.Abs(float64(c[i]) - w); !(d <= unit*z*4*math.Sqrt(float64(x.k+1))) {
			t.Fatalf("%v: C[%d,%d]: got %v, want %v (off by %.3g)", x, row, col, c[i], w, d)
		}
	}
}

// everySize calls f for every form with every pair of sizes in every two of the
// three places, the third running through the list.
func everySize(f func(form Form, m, n, k int)) {
	for _, form := range forms {
		for i, u := range sizes {
			for j, v := range sizes {
				if raceEnabled && (i+j)%5 > 0 { // ten times slower, and nothing runs in parallel here
					continue
				}
				w := sizes[(7*i+3*j)%len(sizes)]
				if u*v*w > 1<<21 { // the reference takes its time
					w = 13
				}
				f(form, u, v, w)
				f(form, u, w, v)
				f(form, w, u, v)
			}
		}
	}
}

func TestEveryFormMatchesTheReferenceAtOddSizes(t *testing.T) {
	everySize(func(f Form, m, n, k int) {
		pad := (m + n + k) % 2 * 5
		x := newProblem[float32](f, m, n, k, pad, m%2 == n%2)
		for _, e := range singles {
			x.verify(t, x.run(e, nil))
		}
	})
}

func TestFloat64MatchesTheReferenceAtOddSizes(t *testing.T) {
	everySize(func(f Form, m, n, k int) {
		x := newProblem[float64](f, m, n, k, 3, (m+n+k)%2 == 0)
		x.verify(t, x.run(double, nil))
	})
}

func TestLargeProductsMatchTheReference(t *testing.T) {
	p := parallel.New(2)
	defer p.Close()
	for _, f := range forms {
		for _, s := range [][3]int{{150, 100, 700}, {5, 1030, 2048}, {30, 2100, 64}, {60, 70, 2500}} {
			x := newProblem[float32](f, s[0], s[1], s[2], 11, true)
			for _, e := range singles {
				x.verify(t, x.run(e, p))
			}
		}
	}
}

func TestPowerOfTwoStridesMatchTheReference(t *testing.T) {
	for _, f := range forms {
		m, n, k := 33, 150, 1024 // a stride of 1024 in A
		if f.transA() {
			m, n, k = 1024, 530, 33
		}
		x := newProblem[float32](f, m, n, k, 0, false)
		for _, e := range singles {
			x.verify(t, x.run(e, nil))
		}
	}
}

// What is copied depends on the L1: on a processor with the other kind, A's rows are.
func TestAnL1OfTheOtherKindGivesTheSameBits(t *testing.T) {
	for _, e := range singles {
		other := *e.isa
		other.roomy = !other.roomy
		for _, k := range []int{256, 1024} {
			x := newProblem[float32](NN, 33, 150, k, 0, false)
			sameBits(t, e.isa.name, x.run(newEngine(&other), nil), x.run(e, nil))
		}
	}
}

func TestEveryThreadCountGivesTheSameBits(t *testing.T) {
	pools := []*parallel.Pool{parallel.New(1), parallel.New(2), parallel.New(3)}
	for _, p := range pools {
		defer p.Close()
	}
	for _, f := range forms {
		for _, s := range [][3]int{{64, 64, 32}, {65, 385, 100}, {333, 77, 500}, {100, 400, 1100}, {13, 1500, 64}, {700, 33, 47}} {
			x := newProblem[float32](f, s[0], s[1], s[2], 1, s[0]%2 == 0)
			y := newProblem[float64](f, s[0], s[1], s[2], 1, s[0]%2 == 0)
			want64 := y.run(double, nil)
			for _, p := range pools {
				for i, v := range y.run(double, p) {
					if math.Float64bits(v) != math.Float64bits(want64[i]) {
						t.Fatalf("float64 %v threads=%d: entry %d: got %v, want %v", y, p.Threads(), i, v, want64[i])
					}
				}
			}
			for _, e := range singles {
				want := x.run(e, nil)
				for _, p := range pools {
					sameBits(t, fmt.Sprintf("%s %v threads=%d", e.isa.name, x, p.Threads()), x.run(e, p), want)
				}
			}
		}
	}
}

// The rows and columns of C are made independently, so that a part computed
// alone, in whatever tiles, has the bits of the whole.
func TestPartsOfCHaveTheBitsOfTheWhole(t *testing.T) {
	for _, e := range singles {
		for _, f := range forms {
			x := newProblem[float32](f, 150, 90, 1100, 0, false)
			whole := x.run(e, nil)
			for _, cut := range [][4]int{{0, 1, 0, 90}, {3, 150, 0, 90}, {0, 150, 89, 90}, {7, 31, 5, 52}, {149, 150, 40, 41}} {
				i0, i1, j0, j1 := cut[0], cut[1], cut[2], cut[3]
				part, y := *x, make([]float32, 150*90)
				part.m, part.n = i1-i0, j1-j0
				part.a, part.b = x.a[i0*x.lda:], x.b[j0:]
				if f.transA() {
					part.a = x.a[i0:]
				}
				if f.transB() {
					part.b = x.b[j0*x.ldb:]
				}
				e.multiply(nil, f, part.m, part.n, x.k, part.a, x.lda, part.b, x.ldb, y, 90, false)
				for i := range part.m {
					sameBits(t, fmt.Sprintf("%s %v rows %d.. columns %d..", e.isa.name, x, i0, j0),
						y[i*90:][:part.n], whole[(i0+i)*90+j0:][:part.n])
				}
			}
		}
	}
}

func sameBits(t *testing.T, what string, got, want []float32) {
	t.Helper()
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Fatalf("%s: entry %d: got %x, want %x", what, i, math.Float32bits(got[i]), math.Float32bits(want[i]))
		}
	}
}

func TestPathsOfVectorsAgreeBitForBit(t *testing.T) {
	var vectors []*engine[float32]
	for _, e := range singles {
		if e.isa.name == "avx2" || e.isa.name == "avx512" {
			vectors = append(vectors, e)
		}
	}
	if len(vectors) < 2 {
		t.Skip("this processor has one kind of vectors at most")
	}
	for _, f := range forms {
		x := newProblem[float32](f, 65, 77, 1100, 3, true)
		sameBits(t, x.String(), x.run(vectors[0], nil), x.run(vectors[1], nil))
	}
}
