package layers

import (
	"fmt"
	"math"

	G "gorgonia.org/gorgonia"

	"stillhouse/layers/autodiff"
	"stillhouse/layers/internal/kernel"
	"stillhouse/layers/tensor"
)

// look is what the fit of a Mamba mixer needs to know of an attention layer.
type look struct {
	distance  []float64 // per head: mean of t-j under the attention weights
	deviation []float64 // per channel of the output before o_proj: root mean square
}

// lookTokens bounds the tokens that the quadratic look-back statistic reads.
const lookTokens = 4096

// attentionStatistics measures a on the calibration set.
func attentionStatistics(p *Pool, a *Attention, c *Config, cal Calibration) (look, error) {
	s := look{distance: make([]float64, c.Heads), deviation: make([]float64, c.Heads*c.HeadDim)}
	rows, seen := 0, 0
	weight := 0.0
	for i, in := range cal.In {
		y, err := innerOutput(p, a, c, in, cal.Start[i])
		if err != nil {
			return s, err
		}
		for j, v := range y {
			s.deviation[j%len(s.deviation)] += v * v
		}
		rows += in.Dim(0)
		if seen < lookTokens {
			seen += in.Dim(0)
			weight += addLookBack(s.distance, a, c, in, cal.Start[i])
		}
	}
	for j := range s.deviation {
		s.deviation[j] = math.Sqrt(s.deviation[j] / float64(rows))
	}
	for h := range s.distance {
		s.distance[h] /= weight
	}
	return s, nil
}

// addLookBack adds Σ_t Σ_j softmax_j(q_h[t]·k[j])·(t-j) to dist[h] and returns
// the number of queries.
func addLookBack(dist []float64, a *Attention, c *Config, in, start *tensor.Tensor) float64 {
	d, p := c.HiddenSize, c.HeadDim
	n, t := in.Dim(0), start.Dim(1)
	u, w := float64s(in), float64s(a.QKV.Value)
	qk := (c.Heads + c.KVHeads) * p
	proj := make([]float64, n*qk)
	for i := range n {
		dots(proj[i*qk:][:qk], u[i*d:][:d], w, d)
	}
	a.finish(proj, c)
	starts := tensor.Data[int32](start)
	if rope := c.rope(t, t); rope != nil {
		for i := range n {
			for h := range c.Heads + c.KVHeads {
				rope.RotateRow(proj[i*qk+h*p:][:p], i%t-int(starts[i]))
			}
		}
	}
	score := make([]float64, t)
	for i := range n {
		row, pos, from := i/t*t, i%t, int(starts[i])
		if a.Window > 0 {
			from = max(from, pos-a.Window+1)
		}
		for h := range c.Heads {
			q, kv := proj[i*qk+h*p:][:p], (c.Heads+h*c.KVHeads/c.Heads)*p
			top := math.Inf(-1)
			dots(score[from:pos+1], q, proj[(row+from)*qk+kv:], qk)
			for j := from; j <= pos; j++ {
				score[j] *= c.scale()
				top = max(top, score[j])
			}
			var z, far float64
			for j := from; j <= pos; j++ {
				e := math.Exp(score[j] - top)
				z, far = z+e, far+e*float64(pos-j)
			}
			dist[h] += far / z
		}
	}
	return float64(n)
}

// dots sets dst[r] to x·w[r], where the rows of w are a stride apart. Every sum waits
// for itself at each term, so four go on at a time; their order is that of one.
func dots(dst, x, w []float64, stride int) {
	r := 0
	for ; r+4 <= len(dst); r += 4 {
		a, b, c, d := w[r*stride:][:len(x)], w[(r+1)*stride:][:len(x)], w[(r+2)*stride:][:len(x)], w[(r+3)*stride:][:len(x)]
		var sa, sb, sc, sd float64
		for j, v := range x {
			sa += v * a[j]
			sb += v * b[j]
			sc += v * c[j]
			sd += v * d[j]
		}
		dst[r], dst[r+1], dst[r+2], dst[r+3] = sa, sb, sc, sd
	}
	for ; r < len(dst); r++ {
		var s float64
		for j, v := range w[r*stride:][:len(x)] {
			s += x[j] * v
		}
		dst[r] = s
	}
}

// finish adds biases to, and then norms, projected queries and keys: rows of
// H+G heads.
func (a *Attention) finish(qk []float64, c *Config) {
	heads, p := c.Heads+c.KVHeads, c.HeadDim
	if a.QKVBias != nil {
		bias := float64s(a.QKVBias.Value)[:heads*p]
		for i := range qk {
			qk[i] += bias[i%len(bias)]
		}
	}
	if a.QNorm == nil {
		return
	}
	wq, wk := float64s(a.QNorm.Value), float64s(a.KNorm.Value)
	for i := 0; i < len(qk); i += heads * p {
		row := qk[i : i+heads*p]
		kernel.QKNormRow(row, row, wq, wk, kernel.QKNormSize{N: 1, H: c.Heads, G: c.KVHeads, P: p}, c.NormEps, nil)
	}
}

// innerOutput runs a mixer on inputs [N,D] up to its output projection.
func innerOutput(p *Pool, m Mixer, c *Config, in, start *tensor.Tensor) ([]float64, error) {
	b, t := start.Dim(0), start.Dim(1)
	if b*t != in.Dim(0) {
		panic(fmt.Sprintf("layers: innerOutput: inputs %v, starts %v", in, start))
	}
	var y *G.Node
	s, err := autodiff.Build(p, func(g *autodiff.Graph) error {
		f := &Forward{Graph: g, Batch: &Batch{B: b, T: t, IDs: tensor.New(tensor.I32, b*t), Start: start}}
		f.bind(&Model{Config: *c, Embed: &Param{Value: in}})
		y = m.inner(f, g.Input("u", in))
		g.Keep(y)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("run the mixer on the calibration set: %w", err)
	}
	defer s.Close()
	if err := s.Run(); err != nil {
		return nil, fmt.Errorf("run the mixer on the calibration set: %w", err)
	}
	return float64s(s.Value(y)), nil
}
