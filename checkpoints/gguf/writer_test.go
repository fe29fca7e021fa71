package gguf

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stillhouse/layers/tensor"
)

// handmade was put together by hand from the layout in llama.cpp's
// docs (ggml/docs/gguf.md): a file with one key of each shape and two tensors.
const handmade = `
	47475546 03000000                                    ; GGUF, version 3
	0200000000000000 0500000000000000                    ; 2 tensors, 5 keys
	0100000000000000 61  04000000 2a000000               ; "a" u32 42
	0200000000000000 6262  07000000 01                   ; "bb" bool true
	0100000000000000 63  08000000 0200000000000000 6869  ; "c" string "hi"
	0100000000000000 64  09000000 05000000 0300000000000000 01000000 00000000 feffffff   ; "d" array of 3 i32: 1, 0, -2
	0100000000000000 65  06000000 0000803f               ; "e" f32 1
	0100000000000000 77  02000000 0300000000000000 0200000000000000 01000000 0000000000000000  ; "w" 2 dims: 3, 2; F16; at 0
	0100000000000000 76  01000000 0100000000000000 00000000 2000000000000000                   ; "v" 1 dim: 1; F32; at 32
	00 00000000 00000000 00000000 00000000               ; 17 bytes, 207 to 224
	003c 0040 0042 0044 0045 0046  00000000 00000000 00000000 00000000 00000000   ; 1 2 3 4 5 6 and 20 bytes, to 32
	0000c0bf 00000000 00000000 00000000 00000000 00000000 00000000 00000000       ; -1.5 and 28 bytes, to 64
`

// unhex reads hexadecimal words; a comment begins with a semicolon.
func unhex(t testing.TB, s string) (out []byte) {
	for _, line := range strings.Split(s, "\n") {
		line, _, _ = strings.Cut(line, ";")
		b, err := hex.DecodeString(strings.Join(strings.Fields(line), ""))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b...)
	}
	return out
}

func handmadeContent() ([]KV, []Named) {
	return []KV{{"a", uint32(42)}, {"bb", true}, {"c", "hi"}, {"d", []int32{1, 0, -2}}, {"e", float32(1)}},
		[]Named{{"w", tensor.From([]float32{1, 2, 3, 4, 5, 6}, 2, 3), F16}, {"v", tensor.From([]float32{-1.5}, 1), F32}}
}

func TestAFileIsTheBytesThatTheFormatSays(t *testing.T) {
	meta, tensors := handmadeContent()
	var b bytes.Buffer
	if err := Write(&b, meta, tensors); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(unhex(t, handmade), b.Bytes()); d != "" {
		t.Error(d)
	}
}

func TestAHandmadeFileIsReadAsItIs(t *testing.T) {
	f, err := Parse("hand", unhex(t, handmade))
	if err != nil {
		t.Fatal(err)
	}
	meta, tensors := handmadeContent()
	if d := cmp.Diff(meta, f.Metadata()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]Info{{"w", F16, []int{2, 3}, 0, 12}, {"v", F32, []int{1}, 32, 4}}, f.Infos()); d != "" {
		t.Error(d)
	}
	for _, want := range tensors {
		got, err := f.Read(want.Name)
		if err != nil {
			t.Fatal(err)
		}
		if !tensor.Equal(got, want.Tensor) {
			t.Errorf("%s: got %v %v", want.Name, got, tensor.Data[float32](got))
		}
	}
}

// everyValue has each type of value, alone and in arrays, and its extremes.
func everyValue() []KV {
	return []KV{
		{"u8", uint8(255)}, {"i8", int8(-128)}, {"u16", uint16(65535)}, {"i16", int16(-32768)}, {"u32", uint32(math.MaxUint32)}, {"i32", int32(math.MinInt32)},
		{"u64", uint64(math.MaxUint64)}, {"i64", int64(math.MinInt64)}, {"f32", float32(0.1)}, {"f64", 0.1}, {"yes", true}, {"no", false}, {"s", "ä\x00\xff"}, {"empty", ""},
		{"u8s", []uint8{1, 2}}, {"i8s", []int8{-1}}, {"u16s", []uint16{1, 65535}}, {"i16s", []int16{-2}}, {"u32s", []uint32{7}}, {"i32s", []int32{-7, 8}},
		{"u64s", []uint64{1 << 63}}, {"i64s", []int64{-1 << 63}}, {"f32s", []float32{1, -0.5}}, {"f64s", []float64{math.Inf(-1)}}, {"bools", []bool{true, false, true}},
		{"strings", []string{"", "a", "bc"}}, {"none", []uint32{}}, {"no strings", []string{}},
	}
}

func TestEveryTypeOfValueComesBackAsItWas(t *testing.T) {
	var b bytes.Buffer
	if err := Write(&b, everyValue(), nil); err != nil {
		t.Fatal(err)
	}
	f, err := Parse("values", b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(everyValue(), f.Metadata()); d != "" {
		t.Error(d)
	}
	if _, ok, err := Get[string](f, "absent"); ok || err != nil {
		t.Errorf("a key that is not there: got %v, %v", ok, err)
	}
	if v, ok, err := Get[[]bool](f, "bools"); !ok || err != nil || len(v) != 3 {
		t.Errorf("got %v, %v, %v", v, ok, err)
	}
}

func TestTensorsOfEveryShapeAndTypeComeBackRoundedOnce(t *testing.T) {
	long := make([]float32, chunk/2+3) // more than a chunk in any type
	for i := range long {
		long[i] = float32(i%513) / 8
	}
	for _, c := range []struct {
		tensor *tensor.Tensor
		typ    Type
		want   []float32
	}{
		{tensor.From([]float32{7}), F32, nil},
		{tensor.New(tensor.F32, 0, 4), F32, nil},
		{tensor.From([]float32{1, 2, 3, 4, 5, 6, 7, 8}, 2, 1, 2, 2), F16, nil},
		{tensor.From([]float32{0.1}, 1), BF16, []float32{0.100097656}},
		{tensor.From([]float64{0.1, -4}, 2), F16, []float32{0.099975586, -4}},
		{tensor.From(long, len(long)), F32, nil},
		{tensor.From(long, len(long)), F16, nil},
	} {
		want := c.want
		if want == nil {
			want = tensor.Data[float32](c.tensor)
		}
		var b bytes.Buffer
		if err := Write(&b, nil, []Named{{"x", c.tensor, c.typ}, {"y", tensor.From([]float32{9}, 1), F32}}); err != nil {
			t.Fatal(err)
		}
		f, err := Parse("x", b.Bytes())
		if err != nil {
			t.Fatalf("%v as %v: %v", c.tensor, c.typ, err)
		}
		got, err := f.Read("x")
		if err != nil {
			t.Fatal(err)
		}
		if !tensor.Equal(got, tensor.From(want, c.tensor.Shape()...)) {
			t.Errorf("%v as %v came back as %v", c.tensor, c.typ, got)
		}
		if y, err := f.Read("y"); err != nil || tensor.Data[float32](y)[0] != 9 {
			t.Errorf("%v as %v: the tensor after it: %v, %v", c.tensor, c.typ, y, err)
		}
	}
}

func TestACallersMistakePanicsAndSaysWhich(t *testing.T) {
	one := tensor.From([]float32{1}, 1)
	for _, c := range []struct {
		name    string
		meta    []KV
		tensors []Named
		want    string
	}{
		{"a value no file can hold", []KV{{"k", 1}}, nil, `key "k" holds a int`},
		{"nil value", []KV{{"k", nil}}, nil, `key "k" holds a <nil>`},
		{"nested array", []KV{{"k", [][]int32{{1}}}}, nil, "holds a [][]int32"},
		{"empty key", []KV{{"", true}}, nil, `key ""`},
		{"key twice", []KV{{"k", true}, {"k", false}}, nil, `key "k"`},
		{"key not UTF-8", []KV{{"\xff", true}}, nil, "UTF-8"},
		{"another alignment", []KV{{"general.alignment", uint32(64)}}, nil, "aligns to uint32 32"},
		{"nil tensor", nil, []Named{{"t", nil, F32}}, `tensor "t" is nil`},
		{"tensor twice", nil, []Named{{"t", one, F32}, {"t", one, F32}}, `tensor "t"`},
		{"long name", nil, []Named{{strings.Repeat("n", 64), one, F32}}, "63 bytes"},
		{"five dimensions", nil, []Named{{"t", tensor.New(tensor.F32, 1, 1, 1, 1, 1), F32}}, "4 dimensions"},
		{"quantised", nil, []Named{{"t", one, 8}}, "Q8_0"},
		{"integers", nil, []Named{{"t", tensor.From([]int32{1}, 1), F32}}, "want floats"},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer func() {
				if got, _ := recover().(string); !strings.Contains(got, c.want) {
					t.Errorf("got panic %q, want %q in it", got, c.want)
				}
			}()
			t.Errorf("no panic, error %v", Write(io.Discard, c.meta, c.tensors))
		})
	}
}

func TestAWriterThatIsNotDoneOrFailsSaysSo(t *testing.T) {
	infos := []Info{{Name: "a", Shape: []int{2}}, {Name: "b", Shape: []int{1}}}
	w, err := NewWriter(io.Discard, nil, infos)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Put(tensor.New(tensor.F32, 2)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err == nil || !strings.Contains(err.Error(), `1 of 2 tensors written, "b" is next`) {
		t.Errorf("got %v", err)
	}
	full := errors.New("disk full")
	for at := range 3 {
		f := &failing{left: at, err: full}
		if err := Write(f, nil, []Named{{"a", tensor.New(tensor.F32, 2), F32}}); !errors.Is(err, full) {
			t.Errorf("write %d failed: got %v", at, err)
		}
	}
}

// failing is a disk that takes so many writes.
type failing struct {
	left int
	err  error
}

func (f *failing) Write(p []byte) (int, error) {
	if f.left == 0 {
		return 0, f.err
	}
	f.left--
	return len(p), nil
}
