package layers

import (
	"stillhouse/layers/internal/gemm"
	"stillhouse/layers/tensor"
)

// Logits runs the model on a batch and returns all of its logits, [N,V]. It is
// for calibration and for comparing with other implementations; training and
// evaluation never hold this much (see HeadLoss).
func Logits(p *Pool, m *Model, b *Batch) (*tensor.Tensor, error) {
	s, err := NewPass(p, m, b)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if err := s.Run(); err != nil {
		return nil, err
	}
	logits := tensor.New(m.Embed.Value.DType(), b.B*b.T, m.Config.VocabSize)
	if logits.DType() == tensor.F64 {
		project[float64](p, logits, s.Final(), m.Head.Value)
	} else {
		project[float32](p, logits, s.Final(), m.Head.Value)
	}
	return logits, nil
}

// project computes y [n,out] = x [n,in] · wᵀ, w [out,in].
func project[T tensor.Float](p *Pool, y, x, w *tensor.Tensor) {
	out, in := w.Dim(0), w.Dim(1)
	gemm.Gemm(p, gemm.NT, y.Dim(0), out, in, tensor.Data[T](x), in, tensor.Data[T](w), in, tensor.Data[T](y), out, false)
}
