package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"stillhouse/layers/internal/parallel"
	"stillhouse/layers/tensor"
)

// node is what every kernel of this package offers to the graph.
type node interface {
	Name() string
	OutShape() []int
	Forward(out *tensor.Tensor, in []*tensor.Tensor)
	Backward(gin []*tensor.Tensor, gout, out *tensor.Tensor, in []*tensor.Tensor)
}

// random returns a tensor of normal values times scale, the same for one seed.
func random[T tensor.Float](seed uint64, scale float64, shape ...int) *tensor.Tensor {
	t := tensor.New(tensor.TypeOf[T](), shape...)
	r := rand.New(rand.NewPCG(seed, 1))
	for i, d := 0, tensor.Data[T](t); i < len(d); i++ {
		d[i] = T(scale * r.NormFloat64())
	}
	return t
}

// checkGrad compares k's Backward with central differences of the loss
// Σ r⊙out, r random, for every floating input whose want is true (nil: all).
// accumulates[i] says that Backward adds to gin[i] instead of overwriting it.
// At most 60 entries of an input are perturbed. The tolerance is relative to
// the largest gradient of that input: with step 1e-5 in float64 the differences
// are good to about 1e-9, and 1e-6 leaves room for curvature.
func checkGrad(t *testing.T, k node, in []*tensor.Tensor, want, accumulates []bool) {
	t.Helper()
	out := tensor.New(tensor.F64, k.OutShape()...)
	gout := random[float64](99, 1, k.OutShape()...)
	if len(k.OutShape()) == 0 {
		tensor.Data[float64](gout)[0] = 1
	}
	r := tensor.Data[float64](gout)
	loss := func() float64 {
		k.Forward(out, in)
		var s float64
		for i, v := range tensor.Data[float64](out) {
			s += r[i] * v
		}
		return s
	}
	gin := make([]*tensor.Tensor, len(in))
	for i, x := range in {
		if x.DType() == tensor.F64 && (want == nil || want[i]) && !passes(k, i) {
			gin[i] = tensor.New(tensor.F64, x.Shape()...)
			for j := range tensor.Data[float64](gin[i]) {
				tensor.Data[float64](gin[i])[j] = 0.5 // shows overwriting from accumulating
			}
		}
	}
	loss()
	k.Backward(gin, gout, out, in)
	rnd := rand.New(rand.NewPCG(7, 7))
	for i, g := range gin {
		if g == nil {
			continue
		}
		base := 0.0
		if accumulates != nil && accumulates[i] {
			base = 0.5
		}
		got, x := append([]float64(nil), tensor.Data[float64](g)...), tensor.Data[float64](in[i])
		largest := 0.0
		for j := range got {
			got[j] -= base
			largest = max(largest, math.Abs(got[j]))
		}
		for range min(60, len(x)) {
			j := rnd.IntN(len(x))
			const h = 1e-5
			x0 := x[j]
			x[j] = x0 + h
			up := loss()
			x[j] = x0 - h
			down := loss()
			x[j] = x0
			num := (up - down) / (2 * h)
			if d := math.Abs(num - got[j]); !(d <= 1e-6*(largest+1e-3)) {
				t.Errorf("%s: input %d entry %d: got gradient %.10g, differences say %.10g", k.Name(), i, j, got[j], num)
				return
			}
		}
	}
}

func passes(k node, i int) bool {
	p, ok := k.(interface{ Passes(int) bool })
	return ok && p.Passes(i)
}

// checkThreads runs the kernel that build makes forward and backward in
// float32 with 1, 2 and 3 threads and wants the same bits everywhere.
func checkThreads(t *testing.T, build func(p *parallel.Pool) node, in []*tensor.Tensor) {
	t.Helper()
	var first []string
	for _, threads := range []int{1, 2, 3} {
		p := parallel.New(threads)
		k := build(p)
		out := tensor.New(tensor.F32, k.OutShape()...)
		gout := random[float32](99, 1, k.OutShape()...)
		gin := make([]*tensor.Tensor, len(in))
		for i, x := range in {
			if x.DType() == tensor.F32 && !passes(k, i) {
				gin[i] = tensor.New(tensor.F32, x.Shape()...)
			}
		}
		k.Forward(out, in)
		k.Backward(gin, gout, out, in)
		p.Close()
		var bits []string
		for _, v := range append([]*tensor.Tensor{out}, gin...) {
			if v != nil {
				bits = append(bits, fmt.Sprintf("%x", checksum(tensor.Data[float32](v))))
			}
		}
		if first == nil {
			first = bits
		}
		for i := range bits {
			if bits[i] != first[i] {
				t.Errorf("%s: result %d differs between 1 and %d threads", k.Name(), i, threads)
			}
		}
	}
}

// checksum is FNV-1a over the bits.
func checksum(x []float32) uint64 {
	h := uint64(14695981039346656037)
	for _, v := range x {
		h = (h ^ uint64(math.Float32bits(v))) * 1099511628211
	}
	return h
}

// checkAllocs wants no allocation from a forward and backward pass. The first
// passes may take scratch from pools that are still empty: as many products run
// at once as threads happen to be inside one, which a slow machine varies. What
// allocates in every pass fails all of the trials.
func checkAllocs(t *testing.T, k node, in []*tensor.Tensor) {
	t.Helper()
	if raceEnabled {
		return // its detector allocates
	}
	dt := tensor.F32
	for _, x := range in {
		if x.DType() == tensor.F64 {
			dt = tensor.F64
		}
	}
	out, gout := tensor.New(dt, k.OutShape()...), tensor.New(dt, k.OutShape()...)
	gin := make([]*tensor.Tensor, len(in))
	for i, x := range in {
		if x.DType() == dt && !passes(k, i) {
			gin[i] = tensor.New(dt, x.Shape()...)
		}
	}
	fewest := math.Inf(1)
	for trial := 0; trial < 5 && fewest > 0; trial++ {
		fewest = min(fewest, testing.AllocsPerRun(5, func() {
			k.Forward(out, in)
			k.Backward(gin, gout, out, in)
		}))
	}
	if fewest > 0 {
		t.Errorf("%s: %v allocations a pass, want 0", k.Name(), fewest)
	}
}

// near fails when got differs from want by more than tol·(largest |want| + 1).
func near[T tensor.Float](t *testing.T, what string, got, want []T, tol float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: got %d values, want %d", what, len(got), len(want))
	}
	largest := 1.0
	for _, v := range want {
		largest = max(largest, math.Abs(float64(v)))
	}
	for i := range got {
		if d := math.Abs(float64(got[i] - want[i])); !(d <= tol*largest) {
			t.Fatalf("%s: entry %d: got %v, want %v (difference %.3g, allowed %.3g)", what, i, got[i], want[i], d, tol*largest)
		}
	}
}

// benchmarkPasses times a kernel forward, of so many operations, and backward, of twice
// as many.
func benchmarkPasses(b *testing.B, size string, flops float64, k node, out *tensor.Tensor, in, gin []*tensor.Tensor, gout *tensor.Tensor) {
	b.Run("forward/"+size, func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			k.Forward(out, in)
		}
		b.ReportMetric(flops*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
	})
	b.Run("backward/"+size, func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			k.Backward(gin, gout, out, in)
		}
		b.ReportMetric(2*flops*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
	})
}
