package kernel

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"stillhouse/layers/tensor"
)

// golden is an open safetensors file of testdata: eight bytes of header length,
// a JSON header, then the tensors little-endian. The checkpoints' reader sits
// above this package and cannot be imported from here.
type golden struct {
	t      *testing.T
	header map[string]struct {
		DType   string `json:"dtype"`
		Shape   []int  `json:"shape"`
		Offsets [2]int `json:"data_offsets"`
	}
	body []byte
}

// openGolden reads testdata/name. The files were computed in float64 by
// torch 2.11 and stored in float32.
func openGolden(t *testing.T, name string) golden {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	g := golden{t: t}
	n := 8 + binary.LittleEndian.Uint64(b)
	if err := json.Unmarshal(b[8:n], &g.header); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	g.body = b[n:]
	return g
}

// raw returns the bytes of a tensor of the wanted type.
func (g golden) raw(name, dtype string) []byte {
	g.t.Helper()
	h, ok := g.header[name]
	if !ok || h.DType != dtype {
		g.t.Fatalf("golden has no %s %s", dtype, name)
	}
	return g.body[h.Offsets[0]:h.Offsets[1]]
}

// goldenFloats returns the F32 tensor of that name in the type under test.
func goldenFloats[T tensor.Float](g golden, name string) []T {
	g.t.Helper()
	b := g.raw(name, "F32")
	x := make([]T, len(b)/4)
	for i := range x {
		x[i] = T(math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:])))
	}
	return x
}

// ints returns the I32 tensor of that name.
func (g golden) ints(name string) []int32 {
	g.t.Helper()
	b := g.raw(name, "I32")
	x := make([]int32, len(b)/4)
	for i := range x {
		x[i] = int32(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return x
}

// relative returns |got-want| / |want| in the Euclidean norm.
func relative[T, U tensor.Float](got []T, want []U) float64 {
	var d, w float64
	for i, v := range want {
		e := float64(got[i]) - float64(v)
		d += e * e
		w += float64(v) * float64(v)
	}
	return math.Sqrt(d / w)
}
