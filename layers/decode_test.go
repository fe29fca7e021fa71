package layers

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"stillhouse/layers/internal/vec"
	"stillhouse/layers/tensor"
)

// rounded returns m in float64 with the matrices that a token is multiplied by
// rounded to bfloat16.
func rounded(t *testing.T, m *Model) *Model {
	t.Helper()
	r, err := New(m.Config, tensor.F64)
	if err != nil {
		t.Fatal(err)
	}
	from := m.Params()
	for i, p := range r.Params() {
		p.Value.CopyFrom(from[i].Value)
	}
	for _, p := range r.projections() {
		x := data[float64](p)
		for i, v := range x {
			x[i] = float64(vec.ToBF16(float32(v)).Float32())
		}
	}
	return r
}

// The float32 arithmetic on rounded weights is as exact as on any other; what
// rounding itself costs is not an error of the decoder.
func TestABF16DecoderIsTheFloat64ModelOfTheRoundedWeights(t *testing.T) {
	for _, kinds := range []string{"aa", "22", "11", "a2a1"} {
		m := tinyModel(t, kinds, tensor.F32)
		exact := rounded(t, m)
		const n = fewBF16Rows + 9 // read at once, the blocked product is used
		ids := make([]int32, n)
		for i := range ids {
			ids[i] = int32(i * 7 % m.Config.VocabSize)
		}
		for _, step := range []int{1, 5, n} {
			d, ref, full := NewBF16Decoder(nil, m, 1, n), NewDecoder(nil, exact, 1, n), NewDecoder(nil, m, 1, n)
			moved := 0.0
			for at := 0; at < n; at += step {
				part := ids[at:min(n, at+step)]
				got, plain := tensor.Data[float32](d.Extend(part)), tensor.Data[float32](full.Extend(part))
				for i, want := range tensor.Data[float64](ref.Extend(part)) {
					if math.Abs(float64(got[i])-want) > 1e-3*(1+math.Abs(want)) {
						t.Fatalf("%s by %d, position %d: got logit %v, want %v", kinds, step, at, got[i], want)
					}
					moved = max(moved, math.Abs(float64(got[i]-plain[i])))
				}
			}
			if moved < 1e-3 {
				t.Errorf("%s by %d: rounding moved no logit by more than %g: is it done?", kinds, step, moved)
			}
		}
	}
}

// However a product with rounded weights is made, as dots, on a matrix unit or widened
// first, it is the product in float64 up to rounding.
func TestProductsWithBF16WeightsAtAnyNumberOfRows(t *testing.T) {
	p := NewPool(2)
	defer p.Close()
	r := rand.New(rand.NewPCG(1, 1))
	for _, size := range [][2]int{{96, 80}, {40, 300}, {200, 64}} {
		out, in := size[0], size[1]
		w := &Param{Name: "w", Value: tensor.New(tensor.F32, out, in)}
		for i := range data[float32](w) {
			data[float32](w)[i] = r.Float32() - 0.5
		}
		k := newProjector[float32](p)
		k.half = map[*Param][]vec.BF16{w: roundRows(p, data[float32](w), out, in)}
		for _, rows := range []int{1, manyRows - 1, manyRows, fewBF16Rows, fewBF16Rows + 1} {
			x, y := make([]float32, rows*in), make([]float32, rows*out)
			for i := range x {
				x[i] = r.Float32() - 0.5
			}
			for i := range y {
				y[i] = 1
			}
			k.linear(y, x, w, rows, true)
			for i, got := range y {
				want, size := 1.0, 1.0
				for j, v := range x[i/out*in:][:in] {
					product := float64(v) * float64(vec.ToBF16(data[float32](w)[i%out*in+j]).Float32())
					want, size = want+product, size+math.Abs(product)
				}
				if math.Abs(float64(got)-want) > 1e-6*size {
					t.Fatalf("%d×%d, %d rows: entry %d is %v, want %v", out, in, rows, i, got, want)
				}
			}
		}
	}
}

func TestDecodingHasTheSameBitsAtAnyNumberOfThreads(t *testing.T) {
	m := tinyModel(t, "a21", tensor.F32)
	for _, make := range []func(*Pool, *Model, int, int) *Decoder{NewDecoder, NewBF16Decoder} {
		var want []float32
		for threads := 1; threads <= 4; threads++ {
			p := NewPool(threads)
			d := make(p, m, 2, 64)
			var got []float32
			for _, n := range []int{60, 1, 1, 3} {
				ids := slices.Repeat([]int32{1, 5}, n)
				got = append(got, tensor.Data[float32](d.Extend(ids))...)
			}
			p.Close()
			if want == nil {
				want = got
			}
			if !slices.Equal(got, want) {
				t.Errorf("%d threads: logits differ from one thread's", threads)
			}
		}
	}
}

func TestATokenIsDecodedWithoutAllocating(t *testing.T) {
	for _, kinds := range []string{"aa", "22", "11"} {
		m := tinyModel(t, kinds, tensor.F32)
		for _, make := range []func(*Pool, *Model, int, int) *Decoder{NewDecoder, NewBF16Decoder} {
			p := NewPool(2)
			d, ids := make(p, m, 2, 256), []int32{3, 4}
			d.Extend(ids)
			if n := testing.AllocsPerRun(100, func() { d.Extend(ids) }); n != 0 {
				t.Errorf("%s: %g allocations a token", kinds, n)
			}
			p.Close()
		}
	}
}

func TestATokenMovesEveryMatrixOnceAndTheCacheSoFar(t *testing.T) {
	m := tinyModel(t, "a2", tensor.F32)
	c := m.Config
	weights := 0
	for _, p := range m.projections() { // the head is the embedding
		weights += p.Value.Size()
	}
	d := NewDecoder(nil, m, 1, 16)
	d.Extend([]int32{1, 2, 3})
	b := c.Mixers[1].Mamba2
	state := b.Inner()*b.State + (b.Conv-1)*b.ConvDim()
	cache := 3 * 2 * c.KVHeads * c.HeadDim
	if got, want := d.TokenBytes(), 4*(weights+cache+2*state); got != want {
		t.Errorf("got %d bytes, want %d", got, want)
	}
	if full, half := d.TokenBytes(), NewBF16Decoder(nil, m, 1, 16).TokenBytes(); half >= full {
		t.Errorf("bfloat16 moves %d bytes, float32 %d", half, full)
	}
}
