package layers

import (
	"stillhouse/layers/internal/kernel"
	"stillhouse/layers/tensor"
)

// attentionStep decodes attention: its cache holds rotated keys and values of
// every token read, and grows.
type attentionStep[T tensor.Float] struct {
	a     *Attention
	size  kernel.AttentionSize
	eps   T
	cache *kernel.AttentionCache[T]
}

func newAttentionStep[T tensor.Float](p *Pool, a *Attention, c *Config, batch, capacity int) *attentionStep[T] {
	size := kernel.AttentionSize{B: batch, T: capacity, H: c.Heads, G: c.KVHeads, P: c.HeadDim}
	o := kernel.AttentionOptions{Scale: c.scale(), Window: a.Window, Rope: c.rope(capacity, capacity)}
	return &attentionStep[T]{a, size, T(c.NormEps), kernel.NewAttentionCache[T](p, size, o)}
}

func (s *attentionStep[T]) step(d *decoding[T], x, u []T, n int) {
	rows, width := d.b*n, s.a.QKV.Value.Dim(0)
	d.affine(d.proj, u, s.a.QKV, s.a.QKVBias, rows)
	if s.a.QNorm != nil {
		size := kernel.QKNormSize{N: rows, H: s.size.H, G: s.size.G, P: s.size.P}
		for r := range rows {
			row := d.proj[r*width : (r+1)*width]
			kernel.QKNormRow(row, row, data[T](s.a.QNorm), data[T](s.a.KNorm), size, s.eps, nil)
		}
	}
	s.cache.Extend(d.inner, d.proj, n)
	d.join(x, d.inner, s.a.O, s.a.OBias, rows)
}
func (s *attentionStep[T]) reset()     { s.cache.Reset() }
func (s *attentionStep[T]) bytes() int { return s.cache.Bytes() }

// traffic is what is read of the cache: a window leaves the older tokens alone.
func (s *attentionStep[T]) traffic() int { return s.cache.Seen() }

// mamba2Step decodes Mamba-2: the convolution's last K-1 inputs and the state
// [H,P,N], whatever the context.
type mamba2Step[T tensor.Float] struct {
	m     *Mamba2
	state *kernel.Mamba2State[T]
}

func newMamba2Step[T tensor.Float](p *Pool, m *Mamba2, batch int) *mamba2Step[T] {
	size, o := m.Config.kernel(batch, 1)
	return &mamba2Step[T]{m, kernel.NewMamba2State[T](p, size, o)}
}

func (s *mamba2Step[T]) step(d *decoding[T], x, u []T, n int) {
	d.project.linear(d.proj, u, s.m.In, d.b*n, false)
	s.state.Extend(d.inner, d.proj, n, data[T](s.m.ConvW), data[T](s.m.ConvB), data[T](s.m.DtBias),
		data[T](s.m.ALog), data[T](s.m.Skip), data[T](s.m.NormW))
	d.join(x, d.inner, s.m.Out, nil, d.b*n)
}
func (s *mamba2Step[T]) reset()     { s.state.Reset() }
func (s *mamba2Step[T]) bytes() int { return s.state.Bytes() }

// traffic: a state is read and written.
func (s *mamba2Step[T]) traffic() int { return 2 * s.state.Bytes() }

// mamba1Step decodes Mamba-1: likewise, with a state [E,N].
type mamba1Step[T tensor.Float] struct {
	m     *Mamba1
	state *kernel.Mamba1State[T]
	low   []T // [B·n,R]
}

func newMamba1Step[T tensor.Float](p *Pool, m *Mamba1, batch int) *mamba1Step[T] {
	size, o := m.Config.kernel(batch, 1)
	return &mamba1Step[T]{m: m, state: kernel.NewMamba1State[T](p, size, o)}
}

func (s *mamba1Step[T]) step(d *decoding[T], x, u []T, n int) {
	if need := d.b * n * s.m.Config.Rank; len(s.low) < need {
		s.low = make([]T, need)
	}
	d.project.linear(d.proj, u, s.m.In, d.b*n, false)
	d.project.linear(s.low, u, s.m.DtIn, d.b*n, false)
	d.project.linear(d.hide, s.low, s.m.Dt, d.b*n, false)
	s.state.Extend(d.inner, d.proj, d.hide, n, data[T](s.m.ConvW), data[T](s.m.ConvB), data[T](s.m.DtBias),
		data[T](s.m.ALog), data[T](s.m.Skip))
	d.join(x, d.inner, s.m.Out, nil, d.b*n)
}
func (s *mamba1Step[T]) reset()     { s.state.Reset() }
func (s *mamba1Step[T]) bytes() int { return s.state.Bytes() }

// traffic: a state is read and written.
func (s *mamba1Step[T]) traffic() int { return 2 * s.state.Bytes() }

func data[T tensor.Float](p *Param) []T { return tensor.Data[T](p.Value) }

// noStep is NoMixer, decoded.
type noStep[T tensor.Float] struct{}

func (noStep[T]) step(*decoding[T], []T, []T, int) {}
func (noStep[T]) reset()                           {}
func (noStep[T]) bytes() int                       { return 0 }
func (noStep[T]) traffic() int                     { return 0 }
