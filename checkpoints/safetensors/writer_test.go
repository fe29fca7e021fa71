package safetensors

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"stillhouse/layers/tensor"
)

func TestWritingTwiceInAnyOrderGivesTheSameBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfNDistinct(rapid.StringN(0, 12, 40), 0, 8, rapid.ID[string]).Draw(t, "names")
		names = slices.DeleteFunc(names, func(n string) bool { return n == metaKey })
		meta := rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "meta")
		var named []Named
		for _, n := range names {
			shape := rapid.SliceOfN(rapid.IntRange(0, 5), 0, 4).Draw(t, "shape")
			d := rapid.SampledFrom([]tensor.DType{tensor.F32, tensor.F64, tensor.I32}).Draw(t, "dtype")
			x := tensor.New(d, shape...)
			for i := range x.Size() {
				switch d {
				case tensor.F32:
					tensor.Data[float32](x)[i] = math.Float32frombits(rapid.Uint32().Draw(t, "bits"))
				case tensor.F64:
					tensor.Data[float64](x)[i] = math.Float64frombits(rapid.Uint64().Draw(t, "bits"))
				default:
					tensor.Data[int32](x)[i] = rapid.Int32().Draw(t, "int")
				}
			}
			named = append(named, Named{Name: n, Tensor: x})
		}
		var a, b bytes.Buffer
		if err := Write(&a, named, meta); err != nil {
			t.Fatal(err)
		}
		if got := Size(named, meta); got != int64(a.Len()) {
			t.Fatalf("Size says %d, %d were written", got, a.Len())
		}
		f, err := Parse("x", a.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		back := make([]Named, 0, len(named))
		for _, n := range f.Names() {
			x, err := f.Read(n)
			if err != nil {
				t.Fatal(err)
			}
			back = append(back, Named{Name: n, Tensor: x})
		}
		slices.Reverse(back)
		if err := Write(&b, back, f.Metadata()); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a.Bytes(), b.Bytes()) {
			t.Fatalf("bytes differ:\n%q\n%q", a.Bytes(), b.Bytes())
		}
	})
}

func TestACallersMistakePanics(t *testing.T) {
	x := tensor.New(tensor.F32, 2)
	ids := tensor.New(tensor.I32, 2)
	for name, f := range map[string]func(){
		"nil":       func() { Write(io.Discard, []Named{{Name: "a"}}, nil) },
		"twice":     func() { Write(io.Discard, []Named{{Name: "a", Tensor: x}, {Name: "a", Tensor: x}}, nil) },
		"reserved":  func() { Write(io.Discard, []Named{{Name: metaKey, Tensor: x}}, nil) },
		"not UTF-8": func() { Write(io.Discard, []Named{{Name: "\xff", Tensor: x}}, nil) },
		"metadata":  func() { Write(io.Discard, nil, map[string]string{"a": "\xff"}) },
		"dtype":     func() { Write(io.Discard, []Named{{Name: "a", Tensor: x, DType: "U8"}}, nil) },
		"int float": func() { Write(io.Discard, []Named{{Name: "a", Tensor: ids, DType: BF16}}, nil) },
		"float int": func() { Write(io.Discard, []Named{{Name: "a", Tensor: x, DType: I32}}, nil) },
		"rank": func() {
			Write(io.Discard, []Named{{Name: "a", Tensor: tensor.New(tensor.F32, 1, 1, 1, 1, 1, 1, 1, 1, 1)}}, nil)
		},
		"put shape": func() {
			fw, _ := NewWriter(io.Discard, []Info{{Name: "a", DType: F32, Shape: []int{3}}}, nil)
			fw.Put(x)
		},
		"put after": func() { fw, _ := NewWriter(io.Discard, nil, nil); fw.Put(x) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if r := recover(); r == nil || !strings.HasPrefix(fmt.Sprint(r), "safetensors: ") {
					t.Errorf("recovered %v", r)
				}
			}()
			f()
		})
	}
}

func TestAWriterClosedTooEarlySaysWhatIsMissing(t *testing.T) {
	w, err := NewWriter(io.Discard, []Info{{Name: "a", DType: F32, Shape: []int{3}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err == nil || !strings.Contains(err.Error(), `"a" is next`) {
		t.Errorf("got %v", err)
	}
}
