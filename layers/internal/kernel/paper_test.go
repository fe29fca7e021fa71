package kernel

import (
	"runtime"
	"testing"

	"stillhouse/layers/internal/parallel"
	"stillhouse/layers/tensor"
)

// TestAKernelTakesWhatItEntersOnPaper, when it is built and by a pass forward and back
// over itself.
func TestAKernelTakesWhatItEntersOnPaper(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector takes memory")
	}
	const n = 500
	pool := parallel.New(2)
	defer pool.Close()
	attention := AttentionSize{B: 2, T: 300, H: 6, G: 2, P: 64}
	mamba := Mamba2Size{B: 2, T: 300, H: 6, P: 64, G: 2, N: 48, K: 4}
	rope := NewRope(10000, attention.P, attention.T)
	channels := Mamba1Size{B: 2, T: 300, E: 384, Xb: 192, N: 16, K: 4}
	head := HeadLossSize{N: n, D: 256, V: 2000, TeacherD: 192}
	loss := func(p *parallel.Pool, o HeadLossOptions, kinds ...LossKind) node {
		var terms []Term
		for _, kind := range kinds {
			terms = append(terms, Term{Kind: kind, Weight: 1, Temperature: 1, Beta: 0.5})
		}
		return NewHeadLoss[float32](p, head, terms, o)
	}
	matrix := func(rows, cols int) *tensor.Tensor { return random[float32](1, 1, rows, cols) }
	qkv := []*tensor.Tensor{random[float32](1, 1, attention.B, attention.T, (attention.H+2*attention.G)*attention.P), tensor.New(tensor.I32, attention.B, attention.T)}
	for name, c := range map[string]struct {
		build func(p *parallel.Pool) node
		in    []*tensor.Tensor // nil: it is only built
	}{
		"attention": {func(p *parallel.Pool) node {
			return NewAttention[float32](p, attention, AttentionOptions{Rope: rope, Train: true})
		}, qkv},
		"attention that reads": {func(p *parallel.Pool) node { return NewAttention[float32](p, attention, AttentionOptions{}) }, nil},
		"mamba2": {func(p *parallel.Pool) node { return NewMamba2[float32](p, mamba, Mamba2Options{Train: true}) },
			mamba2Inputs[float32](mamba, true)},
		"mamba2 that reads": {func(p *parallel.Pool) node { return NewMamba2[float32](p, mamba, Mamba2Options{}) }, nil},
		"mamba1": {func(p *parallel.Pool) node { return NewMamba1[float32](p, channels, Mamba1Options{Train: true}) },
			mamba1Inputs[float32](channels, true)},
		"mamba1 that reads": {func(p *parallel.Pool) node { return NewMamba1[float32](p, channels, Mamba1Options{}) }, nil},
		"linear": {func(p *parallel.Pool) node { return NewLinear[float32](p, n, 256, 512, LinearOptions{Bias: true}) },
			[]*tensor.Tensor{matrix(n, 256), matrix(512, 256), random[float32](3, 1, 512)}},
		"rmsnorm": {func(p *parallel.Pool) node { return NewRMSNorm[float32](p, n, 512, 1e-6) },
			[]*tensor.Tensor{matrix(n, 512), random[float32](3, 1, 512)}},
		"qknorm": {func(p *parallel.Pool) node { return NewQKNorm[float32](p, QKNormSize{N: n, H: 6, G: 2, P: 64}, 1e-6) }, nil},
		"swiglu": {func(p *parallel.Pool) node { return NewSwiGLU[float32](p, n, 512) }, []*tensor.Tensor{matrix(n, 1024)}},
		"embedding": {func(p *parallel.Pool) node { return NewEmbedding[float32](p, n, 500, 256) },
			[]*tensor.Tensor{randomIDs(5, n, 500), matrix(500, 256)}},
		"hidden": {func(p *parallel.Pool) node { return NewHidden[float32](p, n, 512, Cosine) }, nil},
		"gate":   {func(p *parallel.Pool) node { return NewGate[float32](p, 4, 125, 512) }, nil},
		"reverse KL": {func(p *parallel.Pool) node {
			return loss(p, HeadLossOptions{Grad: true, GradHead: true, Chunk: 64}, ReverseKL)
		}, headInputs[float32](head, true, true)},
		"JSD and forward KL": {func(p *parallel.Pool) node {
			return loss(p, HeadLossOptions{Grad: true, GradHead: true, Chunk: 64}, JSD, ForwardKL)
		}, headInputs[float32](head, true, true)},
		"a loss of the largest logits": {func(p *parallel.Pool) node {
			return loss(p, HeadLossOptions{Grad: true, Top: 50, Chunk: 64}, ReverseKL)
		}, nil},
	} {
		paper := parallel.OnPaper(pool.Threads())
		c.build(paper)
		want := paper.Entered()
		var k node
		got := taken(func() { k = c.build(pool) })
		if c.in != nil {
			out, gout := tensor.New(tensor.F32, k.OutShape()...), random[float32](99, 1, k.OutShape()...)
			gin := make([]*tensor.Tensor, len(c.in))
			for i, x := range c.in {
				if x.DType() == tensor.F32 {
					gin[i] = tensor.New(tensor.F32, x.Shape()...)
				}
			}
			pass := func() {
				k.Forward(out, c.in)
				k.Backward(gin, gout, out, c.in)
			}
			got += taken(pass)
			runtime.KeepAlive([]any{out, gout, gin, c.in})
		}
		runtime.KeepAlive(k)
		if over := got - want; over > want/50+64<<10 || -over > want/50+64<<10 {
			t.Errorf("%s takes %d bytes, on paper %d", name, got, want)
		}
	}
}

// taken returns by how much f lets the heap grow for good. What products keep for the
// next ones a collection or two takes away.
func taken(f func()) int {
	live := func() int {
		var m runtime.MemStats
		for range 3 {
			runtime.GC()
		}
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	before := live()
	f()
	return live() - before
}
