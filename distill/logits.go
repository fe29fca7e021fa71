package distill

import (
	"fmt"

	"stillhouse/checkpoints/safetensors"
	"stillhouse/layers"
	"stillhouse/layers/tensor"
)

// Logits computes a model's logits of one sequence, [T,V], for comparison with
// other implementations: tensors input_ids and logits. With gradients also loss,
// the mean cross entropy of each position's logits against the next token, the
// last position unused, and grad.NAME for every parameter under the name that the
// model's own file has for it.
func Logits(p *layers.Pool, l *Loaded, ids []int32, gradients bool) ([]safetensors.Named, error) {
	for i, id := range ids {
		if id < 0 || int(id) >= l.Model.Config.VocabSize {
			return nil, fmt.Errorf("token %d is %d, and %s has tokens 0 to %d", i, id, l.Source, l.Model.Config.VocabSize-1)
		}
	}
	if gradients && len(ids) < 2 {
		return nil, fmt.Errorf("a loss wants at least 2 tokens: each is predicted from those before it")
	}
	t := len(ids)
	b := layers.NewBatch(1, t, tensor.F32)
	b.IDs.CopyFrom(tensor.From(ids, t))
	labels, weight := tensor.Data[int32](b.Labels), tensor.Data[float32](b.Weight)
	for i := range ids {
		labels[i] = -1
		if i+1 < t {
			labels[i], weight[i] = ids[i+1], 1/float32(t-1)
		}
	}
	logits, err := layers.Logits(p, l.Model, b)
	if err != nil {
		return nil, err
	}
	out := []safetensors.Named{{Name: "input_ids", Tensor: tensor.From(ids, t)}, {Name: "logits", Tensor: logits}}
	if !gradients {
		return out, nil
	}
	grads := map[*layers.Param]*tensor.Tensor{}
	for _, q := range l.Model.Params() {
		grads[q] = tensor.New(tensor.F32, q.Value.Shape()...)
	}
	step, err := layers.NewStep(p, layers.StepConfig{
		Student: l.Model, Batch: b, Objective: layers.Objective{{Type: layers.CrossEntropy, Weight: 1}},
		Grad: func(q *layers.Param) *tensor.Tensor { return grads[q] },
	})
	if err != nil {
		return nil, err
	}
	defer step.Close()
	if err := step.Run(); err != nil {
		return nil, err
	}
	out = append(out, safetensors.Named{Name: "loss", Tensor: tensor.From([]float32{float32(step.Loss())}, 1)})
	for _, q := range l.Model.Params() {
		g := layers.Param{Name: q.Name, Value: grads[q], Parts: q.Parts}
		for _, n := range l.named(&g) {
			out = append(out, safetensors.Named{Name: "grad." + n.Name, Tensor: n.Value})
		}
	}
	return out, nil
}

// named returns a parameter's tensors under the names in the model's own file.
func (l *Loaded) named(p *layers.Param) []layers.Named {
	rename := func(name string) string { return name }
	if l.rename != nil {
		rename = l.rename
	}
	whole := layers.Named{Name: rename(p.Name), Value: p.Value}
	if l.inFile[whole.Name] {
		return []layers.Named{whole}
	}
	parts := p.Named()
	for i := range parts {
		parts[i].Name = rename(parts[i].Name)
	}
	return parts
}
