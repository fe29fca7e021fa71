package kernel

import (
	"fmt"
	"math"
	"testing"

	"stillhouse/layers/internal/parallel"
	"stillhouse/layers/tensor"
)

// slotsOf returns one slot per size with random weights and gradients.
func slotsOf[T tensor.Float](sizes ...int) []Slot[T] {
	var s []Slot[T]
	for i, n := range sizes {
		s = append(s, Slot[T]{
			W: tensor.Data[T](random[T](uint64(2*i), 1, n)), G: tensor.Data[T](random[T](uint64(2*i+1), 1, n)),
			M: make([]T, n), V: make([]T, n), LRScale: 1, Decay: 0.1 * float64(i%2),
		})
	}
	return s
}

func adamwMatchesTorch[T tensor.Float](t *testing.T, tol float64) {
	g := openGolden(t, "adamw.safetensors")
	w := goldenFloats[T](g, "w0")
	n := len(w)
	s := Slot[T]{W: w, G: make([]T, n), M: make([]T, n), V: make([]T, n), LRScale: 1, Decay: 0.1}
	o := NewOptimizer(nil, []Slot[T]{s})
	for k := range 5 {
		copy(s.G, goldenFloats[T](g, fmt.Sprintf("g%d", k)))
		o.Step(1e-2, 0.9, 0.95, 1e-8, ClipScale(o.GradNorm(), 1), k+1)
		if e := relative(w, goldenFloats[float64](g, fmt.Sprintf("w%d", k+1))); !(e <= tol) {
			t.Errorf("step %d: weights off by %.3g, allowed %.3g", k+1, e, tol)
		}
	}
}

func TestOptimizerMatchesFiveStepsOfTorch(t *testing.T) {
	t.Run("float64", func(t *testing.T) { adamwMatchesTorch[float64](t, 6e-8) }) // the file is rounded to float32
	t.Run("float32", func(t *testing.T) { adamwMatchesTorch[float32](t, 1e-6) })
}

func TestOptimizerMatchesTheLoopOfThePaper(t *testing.T) {
	slots, start := slotsOf[float64](1, 31, 4096, 4097), slotsOf[float64](1, 31, 4096, 4097)
	slots[1].LRScale = 0.5
	o := NewOptimizer(nil, slots)
	for step := 1; step <= 3; step++ {
		o.Step(3e-3, 0.9, 0.999, 1e-8, 0.7, step)
	}
	for i, s := range slots {
		w, m, v := start[i].W, start[i].M, start[i].V
		for step := 1; step <= 3; step++ {
			for j := range w {
				d := 0.7 * s.G[j]
				m[j] = 0.9*m[j] + 0.1*d
				v[j] = 0.999*v[j] + 0.001*d*d
				lr := 3e-3 * s.LRScale
				w[j] -= lr * s.Decay * w[j]
				w[j] -= lr * m[j] / (1 - math.Pow(0.9, float64(step))) / (math.Sqrt(v[j]/(1-math.Pow(0.999, float64(step)))) + 1e-8)
			}
		}
		near(t, fmt.Sprintf("slot %d", i), s.W, w, 1e-12)
	}
}

func TestOptimizerLeavesASlotOfLRScaleZeroAlone(t *testing.T) {
	slots := slotsOf[float32](100, 5000)
	slots[1].LRScale = 0
	before := checksum(slots[1].W)
	NewOptimizer(nil, slots).Step(1e-2, 0.9, 0.95, 1e-8, 1, 1)
	if checksum(slots[1].W) != before || slots[1].M[0] != 0 {
		t.Error("a frozen slot changed")
	}
	if slots[0].M[0] == 0 {
		t.Error("a trained slot did not change")
	}
}

func TestGradNormCarriesNaNInfAndExtremes(t *testing.T) {
	slots := slotsOf[float32](5000, 10)
	o := NewOptimizer(nil, slots)
	var want float64
	for _, s := range slots {
		for _, v := range s.G {
			want += float64(v) * float64(v)
		}
	}
	if got := o.GradNorm(); math.Abs(got-math.Sqrt(want)) > 1e-6*math.Sqrt(want) {
		t.Errorf("got norm %v, want %v", got, math.Sqrt(want))
	}
	for _, c := range []struct{ g, norm float64 }{
		{math.NaN(), math.NaN()}, {math.Inf(1), math.Inf(1)}, {math.Inf(-1), math.Inf(1)},
		{1e30, 1e30}, {1e-30, 1e-30}, {0, 0},
	} {
		for _, s := range slots {
			clear(s.G)
		}
		slots[0].G[4999] = float32(c.g)
		got := o.GradNorm()
		if same := got == c.norm || math.IsNaN(got) && math.IsNaN(c.norm); !same && !(math.Abs(got-c.norm) < 1e-6*c.norm) {
			t.Errorf("one gradient of %v: got norm %v, want %v", c.g, got, c.norm)
		}
	}
}

func TestClipScaleIsTorchs(t *testing.T) {
	for _, c := range []struct{ norm, limit, want float64 }{{0.5, 1, 1}, {1, 1, 1}, {3, 0, 1}, {4, 2, 2 / 4.000001}} {
		if got := ClipScale(c.norm, c.limit); got != c.want {
			t.Errorf("ClipScale(%v,%v): got %v, want %v", c.norm, c.limit, got, c.want)
		}
	}
}

func TestOptimizerIsBitIdenticalAtAnyNumberOfThreads(t *testing.T) {
	var norms []float64
	var bits []uint64
	for _, threads := range []int{1, 2, 3} {
		p := parallel.New(threads)
		slots := slotsOf[float32](3, 9000, 4096, 20001)
		o := NewOptimizer(p, slots)
		norms = append(norms, o.GradNorm())
		o.Step(1e-2, 0.9, 0.95, 1e-8, 0.3, 1)
		o.Step(1e-2, 0.9, 0.95, 1e-8, 0.3, 2)
		h := uint64(0)
		for _, s := range slots {
			h = h*31 + checksum(s.W)
		}
		bits = append(bits, h)
		p.Close()
	}
	for i := range bits {
		if bits[i] != bits[0] || norms[i] != norms[0] {
			t.Errorf("%d threads: got norm %v and weights %x, one thread %v and %x", i+1, norms[i], bits[i], norms[0], bits[0])
		}
	}
}

func TestOptimizerAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	p := parallel.New(2)
	defer p.Close()
	o := NewOptimizer(p, slotsOf[float32](100, 10000))
	if n := testing.AllocsPerRun(5, func() {
		o.Step(1e-2, 0.9, 0.95, 1e-8, ClipScale(o.GradNorm(), 1), 1)
	}); n > 0 {
		t.Errorf("got %v allocations a step, want 0", n)
	}
}

func BenchmarkOptimizerStep(b *testing.B) {
	p := parallel.New(0)
	defer p.Close()
	const n = 1 << 20
	for _, rare := range []bool{false, true} { // a token that no batch has had for long
		o := NewOptimizer(p, slotsOf[float32](n))
		name, steps := "fed", 0
		if rare {
			copy(o.slots[0].M, o.slots[0].W)
			clear(o.slots[0].G)
			name, steps = "starved", 1200
		}
		b.Run(name, func(b *testing.B) {
			for t := range steps {
				o.Step(1e-3, 0.9, 0.95, 1e-8, 1, 1+t)
			}
			b.SetBytes(7 * 4 * n) // reads w, g, m, v; writes w, m, v
			b.ReportAllocs()
			for t := 1 + steps; b.Loop(); t++ {
				o.Step(1e-3, 0.9, 0.95, 1e-8, 1, t)
			}
		})
	}
}

func BenchmarkGradNorm(b *testing.B) {
	p := parallel.New(0)
	defer p.Close()
	const n = 1 << 20
	o := NewOptimizer(p, slotsOf[float32](n))
	b.SetBytes(4 * n)
	b.ReportAllocs()
	for b.Loop() {
		o.GradNorm()
	}
}
