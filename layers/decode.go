package layers

import (
	"fmt"

	"stillhouse/layers/internal/kernel"
	"stillhouse/layers/internal/vec"
	"stillhouse/layers/tensor"
)

// Decoder runs a model step by step over B sequences in lockstep: a cache that
// grows with the context for attention layers, a state of constant size for
// Mamba layers. Extending by any split of the same tokens gives the logits of
// the full forward pass, up to rounding. It needs no graph.
type Decoder struct {
	pool  *Pool
	model *Model
	run   decoder
}

// decoder is decoding[T] of either floating type.
type decoder interface {
	extend(ids []int32) *tensor.Tensor
	reset()
	bytes() int
	tokenBytes() int
	position() int
}

// NewDecoder returns a decoder of batch sequences; capacity is a hint of how
// many tokens each will see, and more than a hint where rotary positions depend
// on the length (RopeScaling): they are then those of a sequence of that many.
func NewDecoder(p *Pool, m *Model, batch, capacity int) *Decoder {
	return makeDecoder(p, m, batch, capacity, false)
}

// NewBF16Decoder is [NewDecoder] with a copy of the matrices rounded to bfloat16:
// half the bytes that a token has to read, and so nearly twice the tokens where
// memory is the limit. Activations, sums, caches, states and vectors stay in the
// model's type. Weights that come from bfloat16 files are the same after it. The
// copy is made here: later changes of the model do not reach it.
func NewBF16Decoder(p *Pool, m *Model, batch, capacity int) *Decoder {
	return makeDecoder(p, m, batch, capacity, true)
}

func makeDecoder(p *Pool, m *Model, batch, capacity int, bf16 bool) *Decoder {
	d := &Decoder{pool: p, model: m}
	if m.Embed.Value.DType() == tensor.F64 {
		d.run = newDecoding[float64](p, m, batch, capacity, bf16)
	} else {
		d.run = newDecoding[float32](p, m, batch, capacity, bf16)
	}
	return d
}

// Extend reads the next tokens, [B,n] in row order with any n ≥ 1, and returns
// the logits after the last, [B,V], overwritten by the next call. It panics on
// an id outside the vocabulary.
func (d *Decoder) Extend(ids []int32) *tensor.Tensor { return d.run.extend(ids) }

// Reset forgets everything read: a new document begins.
func (d *Decoder) Reset() { d.run.reset() }

// TokenBytes returns the bytes of memory that one step of all sequences moves at
// least, at the position reached: every matrix once, what the caches hold of the
// past, and states read and written. The embedding counts where it is the head.
func (d *Decoder) TokenBytes() int { return d.run.tokenBytes() }

// Position returns how many tokens of each sequence were read.
func (d *Decoder) Position() int { return d.run.position() }

// StateBytes returns the memory that what was read takes: caches and states.
func (d *Decoder) StateBytes() int { return d.run.bytes() }

// decoding is a Decoder's state in one floating type.
type decoding[T tensor.Float] struct {
	project *projector[T]
	model   *Model
	b, pos  int
	mixers  []stepper[T]

	n                       int // tokens a sequence the buffers below hold
	x, u, proj, inner, hide []T
	last                    []T // [B,D]
	logits                  *tensor.Tensor
}

// stepper advances one layer's mixer: u [B,n,D] normed, x [B,n,D] the residual
// stream, which the result is added to.
type stepper[T tensor.Float] interface {
	step(d *decoding[T], x, u []T, n int)
	reset()
	bytes() int
	traffic() int // bytes that one more token moves, of what was kept
}

func newDecoding[T tensor.Float](p *Pool, m *Model, batch, capacity int, bf16 bool) *decoding[T] {
	d := &decoding[T]{project: newProjector[T](p), model: m, b: batch, logits: tensor.New(tensor.TypeOf[T](), batch, m.Config.VocabSize)}
	d.last = make([]T, batch*m.Config.HiddenSize)
	if bf16 {
		d.project.roundToBF16(m)
	}
	for _, b := range m.Blocks {
		switch x := b.Mixer.(type) {
		case *Attention:
			d.mixers = append(d.mixers, newAttentionStep[T](p, x, &m.Config, batch, capacity))
		case *Mamba2:
			d.mixers = append(d.mixers, newMamba2Step[T](p, x, batch))
		case *Mamba1:
			d.mixers = append(d.mixers, newMamba1Step[T](p, x, batch))
		case NoMixer:
			d.mixers = append(d.mixers, noStep[T]{})
		default:
			panic(fmt.Sprintf("layers: Decoder: unknown mixer %T", x))
		}
	}
	return d
}

func (d *decoding[T]) position() int { return d.pos }

func (d *decoding[T]) reset() {
	d.pos = 0
	for _, m := range d.mixers {
		m.reset()
	}
}

func (d *decoding[T]) bytes() (n int) {
	for _, m := range d.mixers {
		n += m.bytes()
	}
	return n
}

func (d *decoding[T]) tokenBytes() int {
	n := d.project.bytes(d.model)
	for _, m := range d.mixers {
		n += m.traffic()
	}
	return n
}

// grow makes room for n tokens a sequence.
func (d *decoding[T]) grow(n int) {
	if n <= d.n {
		return
	}
	c, rows, widest, inner := &d.model.Config, d.b*n, 2*d.model.Config.Intermediate, d.model.Config.Intermediate
	for _, b := range d.model.Blocks {
		last := b.Mixer.output()
		if len(last) == 0 {
			continue
		}
		widest = max(widest, b.Mixer.Params()[0].Value.Dim(0)) // the input projection
		inner = max(inner, last[0].Value.Dim(1))
	}
	d.n = n
	d.x, d.u = make([]T, rows*c.HiddenSize), make([]T, rows*c.HiddenSize)
	d.proj, d.inner, d.hide = make([]T, rows*widest), make([]T, rows*inner), make([]T, rows*inner)
}

func (d *decoding[T]) extend(ids []int32) *tensor.Tensor {
	c := &d.model.Config
	n := len(ids) / d.b
	if n < 1 || n*d.b != len(ids) {
		panic(fmt.Sprintf("layers: Decoder: %d tokens for %d sequences", len(ids), d.b))
	}
	d.grow(n)
	rows, w := d.b*n, c.HiddenSize
	x, u := d.x[:rows*w], d.u[:rows*w]
	scale := T(one(c.EmbedScale))
	for i, id := range ids {
		if id < 0 || int(id) >= c.VocabSize {
			panic(fmt.Sprintf("layers: Decoder: token %d is outside the vocabulary of %d", id, c.VocabSize))
		}
		row := x[i*w : (i+1)*w]
		d.project.row(row, d.model.Embed, int(id))
		if scale != 1 {
			vec.Scale(row, scale, row)
		}
	}
	for l, b := range d.model.Blocks {
		if b.identity() {
			continue
		}
		rmsNormRows(u, x, tensor.Data[T](b.InputNorm.Value), T(c.NormEps))
		d.mixers[l].step(d, x, u, n)
		if b.MLP != nil {
			rmsNormRows(u, x, tensor.Data[T](b.PostNorm.Value), T(c.NormEps))
			d.mlp(b.MLP, x, u, rows)
		}
	}
	for i := range d.b { // only the last position of each sequence needs logits
		copy(d.last[i*w:(i+1)*w], x[(i*n+n-1)*w:(i*n+n)*w])
	}
	rmsNormRows(d.last, d.last, tensor.Data[T](d.model.Norm.Value), T(c.NormEps))
	if s := one(c.LogitsDivisor); s != 1 {
		vec.Scale(d.last, T(1/s), d.last)
	}
	d.project.linear(tensor.Data[T](d.logits), d.last, d.model.Head, d.b, false)
	d.pos += n
	return d.logits
}

// affine computes y = x·Wᵀ + b for rows of x; b may be nil.
func (d *decoding[T]) affine(y, x []T, w, b *Param, rows int) {
	d.project.linear(y, x, w, rows, false)
	if b == nil {
		return
	}
	bias := tensor.Data[T](b.Value)
	for r := range rows {
		vec.AddTo(y[r*len(bias):(r+1)*len(bias)], bias)
	}
}

// join adds what a mixer or an MLP makes of its inner rows to the residual
// stream: x += s·(inner·Wᵀ + b). It overwrites the normed rows.
func (d *decoding[T]) join(x, inner []T, w, b *Param, rows int) {
	s := one(d.model.Config.ResidualScale)
	if s == 1 && b == nil {
		d.project.linear(x, inner, w, rows, true)
		return
	}
	y := d.u[:len(x)]
	d.affine(y, inner, w, b, rows)
	vec.Axpy(x, T(s), y)
}

func (d *decoding[T]) mlp(m *MLP, x, u []T, rows int) {
	i := m.Down.Value.Dim(1)
	d.affine(d.proj, u, m.GateUp, m.GateUpBias, rows)
	for r := range rows {
		gu := d.proj[r*2*i : (r+1)*2*i]
		vec.SwiGLU(d.inner[r*i:(r+1)*i], gu[:i], gu[i:])
	}
	d.join(x, d.inner, m.Down, m.DownBias, rows)
}

// rmsNormRows normalises each row of x into y, which may be x.
func rmsNormRows[T tensor.Float](y, x, w []T, eps T) {
	n := len(w)
	for i := 0; i < len(x); i += n {
		kernel.RMSNormRow(y[i:i+n], x[i:i+n], w, eps)
	}
}
