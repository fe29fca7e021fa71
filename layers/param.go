package layers

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"stillhouse/layers/tensor"
)

// Param is a weight. It lives outside of any graph; a model that shares it with
// another holds the same pointer or the same Value.
type Param struct {
	Name  string         // Hugging Face's name, or the name of the stack
	Value *tensor.Tensor // [out,in] for a projection
	Parts []Part         // a stack of projections: how checkpoints name its rows
}

// Part is one projection inside a stacked Param: q, k and v lie in one matrix
// so that one product makes them all, and are stored apart.
type Part struct {
	Name string
	Rows int
}

// Named is a weight under the name it has in a checkpoint.
type Named struct {
	Name  string
	Value *tensor.Tensor // shares the Param's memory
}

// Named returns the weights of p under their checkpoint names.
func (p *Param) Named() []Named {
	if len(p.Parts) == 0 {
		return []Named{{p.Name, p.Value}}
	}
	var n []Named
	row := 0
	for _, part := range p.Parts {
		n = append(n, Named{part.Name, p.Value.Rows(row, row+part.Rows)})
		row += part.Rows
	}
	return n
}

// Decays reports whether weight decay applies: to matrices, not to norms,
// biases, A_log (a matrix in Mamba-1 all the same), skip and Δ's bias.
func (p *Param) Decays() bool {
	return len(p.Value.Shape()) >= 2 && !strings.HasSuffix(p.Name, "A_log")
}

// Load copies weights from get, which returns nil for a name it lacks: the
// stack's own name first, then its parts. Floating types are converted. It
// returns an error naming every weight that is missing or has another shape.
func Load(params []*Param, get func(name string) *tensor.Tensor) error {
	var problems []string
	put := func(n Named) bool {
		t := get(n.Name)
		if t == nil {
			return false
		}
		if !sameShape(t.Shape(), n.Value.Shape()) {
			problems = append(problems, fmt.Sprintf("%s has shape %v, want %v", n.Name, t.Shape(), n.Value.Shape()))
			return true
		}
		n.Value.CopyFrom(t)
		return true
	}
	for _, p := range params {
		if put(Named{p.Name, p.Value}) {
			continue
		}
		if len(p.Parts) == 0 {
			problems = append(problems, p.Name+" is missing")
			continue
		}
		for _, n := range p.Named() {
			if !put(n) {
				problems = append(problems, n.Name+" is missing")
			}
		}
	}
	if len(problems) > 0 {
		return fmt.Errorf("%d weights do not fit: %s", len(problems), first(problems, 5))
	}
	return nil
}

func first(s []string, n int) string {
	out := ""
	for i, v := range s {
		if i == n {
			return fmt.Sprintf("%s; and %d more", out, len(s)-n)
		}
		if i > 0 {
			out += "; "
		}
		out += v
	}
	return out
}

func sameShape(a, b []int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// maker makes the parameters of one model.
type maker struct {
	make  func(d tensor.DType, shape ...int) *tensor.Tensor
	dtype tensor.DType
}

func (m maker) param(name string, shape ...int) *Param {
	return &Param{Name: name, Value: m.make(m.dtype, shape...)}
}

// stack makes one parameter of several parts, each of so many rows of the shape.
func (m maker) stack(name string, parts []Part, row ...int) *Param {
	rows := 0
	for _, p := range parts {
		rows += p.Rows
	}
	p := m.param(name, append([]int{rows}, row...)...)
	p.Parts = parts
	return p
}

// Normal fills t with normal values of the given deviation. The same generator
// gives the same values in either floating type, up to rounding.
func Normal(t *tensor.Tensor, deviation float64, r *rand.Rand) {
	fill(t, func(int) float64 { return deviation * r.NormFloat64() })
}

// fill sets element i of t to f(i).
func fill(t *tensor.Tensor, f func(i int) float64) {
	if t.DType() == tensor.F64 {
		for i, d := 0, tensor.Data[float64](t); i < len(d); i++ {
			d[i] = f(i)
		}
		return
	}
	for i, d := 0, tensor.Data[float32](t); i < len(d); i++ {
		d[i] = float32(f(i))
	}
}

// invSoftplus returns x with softplus(x) = y.
func invSoftplus(y float64) float64 { return y + math.Log(-math.Expm1(-y)) }

// LayerPrefix begins the names of layer l's weights.
func LayerPrefix(l int) string { return fmt.Sprintf("model.layers.%d.", l) }
