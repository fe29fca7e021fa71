package distill

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"stillhouse/data"
	"stillhouse/distill/importance"
	"stillhouse/layers"
	"stillhouse/layers/tensor"
	"stillhouse/recipes"
)

// rowsOf returns a matrix of the model as rows.
func rowsOf(t *testing.T, m *layers.Model, name string) (rows [][]float64) {
	t.Helper()
	for _, n := range m.Named() {
		if n.Name != name {
			continue
		}
		for i := range n.Value.Dim(0) {
			rows = append(rows, numbers(n.Value.Rows(i, i+1)))
		}
	}
	if rows == nil {
		t.Fatalf("no weight %s", name)
	}
	return rows
}

// set fills a weight of the mixer whose name ends so, element by element.
func set(t *testing.T, m *layers.Model, name string, f func(i int, old float64) float64) {
	t.Helper()
	for _, n := range m.Named() {
		if n.Name == layers.LayerPrefix(0)+name {
			x := tensor.Data[float64](n.Value)
			for i := range x {
				x[i] = f(i, x[i])
			}
			return
		}
	}
	t.Fatalf("no weight %s", name)
}

func dot(a, b []float64) (s float64) {
	for i := range a {
		s += a[i] * b[i]
	}
	return s
}

func times(rows [][]float64, x []float64) []float64 {
	y := make([]float64, len(rows))
	for i, r := range rows {
		y[i] = dot(r, x)
	}
	return y
}

func silu(x float64) float64 { return x / (1 + math.Exp(-x)) }

func siluOf(x []float64) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = silu(v)
	}
	return y
}

// neutral takes from a transferred mixer of layer 0 all that linear attention
// lacks: no convolution, no decay, Δ = 1, no skip.
func neutral(t *testing.T, m *layers.Model, mixer, dtBias string, taps int) {
	t.Helper()
	set(t, m, mixer+"conv1d.weight", func(i int, _ float64) float64 {
		if i%taps == taps-1 {
			return 1
		}
		return 0
	})
	set(t, m, mixer+"conv1d.bias", func(int, float64) float64 { return 0 })
	set(t, m, mixer+"A_log", func(int, float64) float64 { return -60 }) // exp(-Δ·e⁻⁶⁰) is 1
	set(t, m, mixer+dtBias, func(int, float64) float64 { return math.Log(math.E - 1) })
	set(t, m, mixer+"D", func(int, float64) float64 { return 0 })
}

// mixed runs layer 0's mixer on a batch and returns its inputs and outputs.
func mixedBy(t *testing.T, m *layers.Model, b *layers.Batch) (in, out [][]float64) {
	t.Helper()
	taps, err := layers.NewTaps(nil, m, b, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer taps.Close()
	if err := taps.Run(); err != nil {
		t.Fatal(err)
	}
	u, y := taps.Mixer(0)
	for i := range u.Dim(0) {
		in, out = append(in, numbers(u.Rows(i, i+1))), append(out, numbers(y.Rows(i, i+1)))
	}
	return in, out
}

// TestTransferToMamba2IsLinearAttentionOfTheTeachersHeads: without decay and
// convolution the mixer is
//
//	y_h[t] = Σ_{j≤t} (f(q_h[t])·f(k_{h/s}[j])) f(v_{h/s}[j])        f = SiLU
//
// with the teacher's own q, k and v, s query heads a key head; then its gate, its
// norm, and the teacher's o_proj over the heads in their order.
func TestTransferToMamba2IsLinearAttentionOfTheTeachersHeads(t *testing.T) {
	teacher := small(t, "a", tensor.F64, nil)
	student := hybrid(t, teacher, milMamba2, 0)
	student.Own(func(p *layers.Param) bool { return false })
	neutral(t, student, "mamba.", "dt_bias", 4)
	c := &teacher.Config
	e := c.Heads * c.HeadDim
	in := rowsOf(t, student, "model.layers.0.mamba.in_proj.weight")
	d := c.HiddenSize
	set(t, student, "mamba.in_proj.weight", func(i int, old float64) float64 {
		if i/d >= len(in)-c.Heads { // Δ's rows
			return 0
		}
		return old
	})
	b := layers.NewBatch(1, 9, tensor.F64)
	if err := randomRows(nil)(3, b); err != nil {
		t.Fatal(err)
	}
	u, got := mixedBy(t, student, b)
	q, k, v, o := rowsOf(t, teacher, "model.layers.0.self_attn.q_proj.weight"), rowsOf(t, teacher, "model.layers.0.self_attn.k_proj.weight"),
		rowsOf(t, teacher, "model.layers.0.self_attn.v_proj.weight"), rowsOf(t, teacher, "model.layers.0.self_attn.o_proj.weight")
	p, s := c.HeadDim, c.Heads/c.KVHeads
	for now := range u {
		y := make([]float64, e)
		for h := range c.Heads {
			of := func(w [][]float64, h int, x []float64) []float64 { return siluOf(times(w[h*p:(h+1)*p], x)) }
			for j := range now + 1 {
				a := dot(of(q, h, u[now]), of(k, h/s, u[j]))
				for i, x := range of(v, h/s, u[j]) {
					y[h*p+i] += a * x
				}
			}
		}
		square := 0.0
		for i, z := range siluOf(times(in[:e], u[now])) {
			y[i] *= z
			square += y[i] * y[i] / float64(e)
		}
		for i := range y {
			y[i] /= math.Sqrt(square + c.NormEps)
		}
		if r := relative(got[now], times(o, y)); !(r < 1e-10) {
			t.Errorf("token %d: off by %g of its norm", now, r)
		}
	}
}

// sourceOf returns which row of the teacher's v feeds channel e of a Mamba-1 x:
// repeated in groups of so many channels, s copies of each.
func sourceOf(e, group, s int) int { return e/group/s*group + e%group }

// TestTransferToMamba1PutsEveryChannelOnTheHeadThatOProjExpects: without decay
// and convolution the mixer is
//
//	y_e[t] = Σ_{j≤t} (q_n[t]·k_n'[j]) f(v_{e'}[j])·SiLU(z_e[t])
//
// with q and k in blocks of N channels, of which n holds e. Head-aligned, e' and
// n' are of the key head that e's query head shares; in the published order they
// are repeated in blocks of N, and most are not.
func TestTransferToMamba1PutsEveryChannelOnTheHeadThatOProjExpects(t *testing.T) {
	for _, init := range []Init{InitMIL, InitMILReference} {
		teacher := small(t, "a", tensor.F64, nil)
		const n = 4
		student := hybrid(t, teacher, MixerSpec{Kind: layers.KindMamba1, Init: init, State: n}, 0)
		neutral(t, student, "mixer.", "dt_proj.bias", 4)
		set(t, student, "mixer.dt_in_proj.weight", func(int, float64) float64 { return 0 })
		c := &teacher.Config
		e, s := c.Heads*c.HeadDim, c.Heads/c.KVHeads
		group := c.HeadDim
		if init == InitMILReference {
			group = n
		}
		in := rowsOf(t, student, "model.layers.0.mixer.in_proj.weight")
		b := layers.NewBatch(1, 7, tensor.F64)
		if err := randomRows(nil)(3, b); err != nil {
			t.Fatal(err)
		}
		u, got := mixedBy(t, student, b)
		q, k, v, o := rowsOf(t, teacher, "model.layers.0.self_attn.q_proj.weight"), rowsOf(t, teacher, "model.layers.0.self_attn.k_proj.weight"),
			rowsOf(t, teacher, "model.layers.0.self_attn.v_proj.weight"), rowsOf(t, teacher, "model.layers.0.self_attn.o_proj.weight")
		for now := range u {
			y := make([]float64, e)
			for ch := range y {
				from := ch / n * n // of the block of N that holds ch
				for j := range now + 1 {
					a := 0.0
					for i := range n {
						a += dot(q[from+i], u[now]) * dot(k[sourceOf(from+i, group, s)], u[j])
					}
					y[ch] += a * silu(dot(v[sourceOf(ch, group, s)], u[j]))
				}
				y[ch] *= silu(dot(in[ch], u[now]))
			}
			if r := relative(got[now], times(o, y)); !(r < 1e-10) {
				t.Errorf("%s, token %d: off by %g of its norm", init, now, r)
			}
		}
	}
}

// TestThePublishedOrderReachesOneChannelInEight at Apriel's sizes (32 query and 8
// key heads of width 128, state 16); head-aligned every channel is right.
func TestThePublishedOrderReachesOneChannelInEight(t *testing.T) {
	c := layers.Config{HiddenSize: 5120, Heads: 32, KVHeads: 8, HeadDim: 128}
	for init, want := range map[Init]float64{InitMIL: 1, InitMILReference: 0.125} {
		m := MixerSpec{Kind: layers.KindMamba1, Init: init}.mixed(&c).Mamba1
		right, copies := 0, m.Inner/m.XB
		for e := range m.Inner {
			if sourceOf(e, m.RepeatGroup, copies) == e/c.HeadDim/copies*c.HeadDim+e%c.HeadDim {
				right++
			}
		}
		if m.State != 16 || m.Inner != 4096 || m.XB != 1024 || m.Rank != 320 {
			t.Errorf("%s: the mixer is %+v", init, *m)
		}
		if got := float64(right) / float64(m.Inner); got != want {
			t.Errorf("%s: %g of the channels are right, want %g", init, got, want)
		}
	}
}

// TestFittingLeavesLessKLThanTransferringOrDrawing on the embedded teacher, one
// layer swapped at a time, nothing trained, averaged over layers that matter.
// Plain mil is below random in a Mamba-1, if by little. In a Mamba-2 it is above:
// the norm before out_proj makes what the fresh convolution and gate scramble as
// loud as attention was, while random's small out_proj says almost nothing.
func TestFittingLeavesLessKLThanTransferringOrDrawing(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("seconds")
	}
	r, err := recipes.Load("quickstart", []string{"data.sequence_len=128", `data.train=["task:recall", "task:arithmetic"]`}, nil)
	teacher, err2 := LoadModel("embedded:teacher")
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	pool := layers.NewPool(0)
	defer pool.Close()
	stream := newStream(r, teacher.Tokenizer)
	cal, err := calibration(pool, teacher.Model, layers.NewBatch(8, 128, tensor.F32), 2, stream.batches(data.Train, calibrationRows), 0, 1, 2, 4)
	if err != nil {
		t.Fatal(err)
	}
	p := importance.Probe{Pool: pool, Teacher: teacher.Model, Student: teacher.Model, B: 8, T: 128, Batches: 1, Layers: []int{0, 1, 2, 4},
		Fill: stream.batches(data.Validation, 0)}
	for _, kind := range []layers.Kind{layers.KindMamba2, layers.KindMamba1} {
		mean := map[Init]float64{}
		for _, init := range []Init{InitMILFit, InitMIL, InitRandom} {
			s, err := importance.Swap(p, func(m *layers.Model, l int) error {
				_, err := Swap(pool, m, l, MixerSpec{Kind: kind, Init: init}, 1, cal)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			each := ""
			for _, x := range s.Layers {
				mean[init] += x.Value / float64(len(s.Layers))
				each += fmt.Sprintf(" %.3f", x.Value)
			}
			t.Logf("%s, %s: mean KL %.4f, by layer%s", kind, init, mean[init], each)
		}
		if !(mean[InitMILFit] < 0.8*min(mean[InitMIL], mean[InitRandom])) {
			t.Errorf("%s: the mean KL is %v, want that of mil-fit at most 0.8 of any other", kind, mean)
		}
		if kind == layers.KindMamba1 && !(mean[InitMIL] < mean[InitRandom]) {
			t.Errorf("%s: the mean KL is %v, want that of mil below random", kind, mean)
		}
	}
}
