package safetensors

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stillhouse/layers/tensor"
)

func file(header string, body int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, body)...)
}

// sample is a small file with every dtype that can be written.

func sample(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	err := Write(&b, []Named{
		{Name: "half", Tensor: tensor.From([]float32{1, -2, 0.1}, 3), DType: F16},
		{Name: "brain", Tensor: tensor.From([]float32{1, -2, 0.1}, 3, 1), DType: BF16},
		{Name: "long", Tensor: tensor.From([]int32{1, -2, math.MinInt32}, 3), DType: I64},
		{Name: "ids", Tensor: tensor.From([]int32{1, -2, math.MaxInt32}, 1, 3)},
		{Name: "double", Tensor: tensor.From([]float64{math.Pi})},
		{Name: "float", Tensor: tensor.From([]float32{math.Pi, 0}, 2, 1, 1)},
		{Name: "none", Tensor: tensor.New(tensor.F32, 4, 0)},
	}, map[string]string{"format": "pt", "a \"quote\"": "π\n"})
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWhatIsWrittenIsReadBackWidenedOrEqual(t *testing.T) {
	f, err := Parse("x", sample(t))
	if err != nil {
		t.Fatal(err)
	}
	if f.body%8 != 0 {
		t.Errorf("tensors begin at byte %d", f.body)
	}
	for _, info := range f.Infos() {
		if w := int64(info.DType.Bits() / 8); info.Offset%w != 0 {
			t.Errorf("%s %s lies at %d", info.Name, info.DType, info.Offset)
		}
	}
	got := map[string]any{}
	for _, name := range f.Names() {
		x, err := f.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		switch x.DType() {
		case tensor.F32:
			got[name] = tensor.Data[float32](x)
		case tensor.F64:
			got[name] = tensor.Data[float64](x)
		default:
			got[name] = tensor.Data[int32](x)
		}
	}
	want := map[string]any{
		"half": []float32{1, -2, 0.099975586}, "brain": []float32{1, -2, 0.100097656},
		"long": []int32{1, -2, math.MinInt32}, "ids": []int32{1, -2, math.MaxInt32},
		"double": []float64{math.Pi}, "float": []float32{math.Pi, 0}, "none": []float32{},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(map[string]string{"format": "pt", "a \"quote\"": "π\n"}, f.Metadata()); d != "" {
		t.Error(d)
	}
}

func TestReadIntoConvertsFloatsAndRefusesTheRest(t *testing.T) {
	f, err := Parse("x", sample(t))
	if err != nil {
		t.Fatal(err)
	}
	d := tensor.New(tensor.F64, 3)
	if err := f.ReadInto("half", d); err != nil || tensor.Data[float64](d)[2] != 0.0999755859375 {
		t.Errorf("got %v %v", tensor.Data[float64](d), err)
	}
	s := tensor.New(tensor.F32)
	if err := f.ReadInto("double", s); err != nil || tensor.Data[float32](s)[0] != math.Pi {
		t.Errorf("got %v %v", tensor.Data[float32](s), err)
	}
	if err := f.ReadInto("double", tensor.New(tensor.F32, 1)); err == nil {
		t.Error("a scalar went into [1]")
	}
	if err := f.ReadInto("ids", tensor.New(tensor.F32, 1, 3)); !errors.Is(err, ErrDType) {
		t.Errorf("I32 into F32: got %v", err)
	}
	if err := f.ReadInto("half", tensor.New(tensor.I32, 3)); !errors.Is(err, ErrDType) {
		t.Errorf("F16 into I32: got %v", err)
	}
	if err := f.ReadInto("nobody", s); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a name that is not there: got %v", err)
	}
}

func TestAnIntegerThatDoesNotFitIsRefusedWithItsPlace(t *testing.T) {
	b := file(`{"n":{"dtype":"I64","shape":[2],"data_offsets":[0,16]}}`, 0)
	b = binary.LittleEndian.AppendUint64(b, 7)
	b = binary.LittleEndian.AppendUint64(b, 1<<31)
	f, err := Parse("x", b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read("n"); !errors.Is(err, ErrDType) || !strings.Contains(err.Error(), "element 1 is 2147483648") {
		t.Errorf("got %v", err)
	}
}

func TestADTypeWeDoNotReadIsNamedAndTheRestIsUsable(t *testing.T) {
	f, err := Parse("x", file(`{"q":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]},"p":{"dtype":"F4","shape":[2],"data_offsets":[8,9]}}`, 9))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read("q"); !errors.Is(err, ErrDType) || !strings.Contains(err.Error(), "U8") {
		t.Errorf("got %v", err)
	}
	if err := f.ReadInto("q", tensor.New(tensor.I32, 4)); !errors.Is(err, ErrDType) {
		t.Errorf("got %v", err)
	}
	if _, err := f.Read("w"); err != nil {
		t.Error(err)
	}
}

func TestATensorOfManyChunksKeepsEveryElement(t *testing.T) {
	n := 3*chunk/4 + 13 // of four bytes: three chunks and a bit
	x := tensor.New(tensor.F32, n)
	for i, d := 0, tensor.Data[float32](x); i < n; i++ {
		d[i] = float32(i)
	}
	for _, d := range []DType{F32, F64} {
		path := filepath.Join(t.TempDir(), "w.safetensors")
		var b bytes.Buffer
		if err := Write(&b, []Named{{Name: "w", Tensor: x, DType: d}}, nil); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		y := tensor.New(tensor.F32, n)
		if err := f.ReadInto("w", y); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(tensor.Data[float32](x), tensor.Data[float32](y)) {
			t.Errorf("%s: elements differ", d)
		}
	}
}

func TestOpenRefusesWhatIsNoRegularFile(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]error{
		dir: ErrFormat, filepath.Join(dir, "none"): os.ErrNotExist, "/dev/null": ErrFormat,
	} {
		if _, err := Open(path); !errors.Is(err, want) {
			t.Errorf("%s: got %v want %v", path, err, want)
		}
	}
}

func TestAFailingDiskIsAnErrorAndNotADamagedFile(t *testing.T) {
	bad := errors.New("the disk is gone")
	b := sample(t)
	f, err := New("x", failing{bytes.NewReader(b), int64(len(b)) - 8, bad}, int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read("brain"); !errors.Is(err, bad) || errors.Is(err, ErrFormat) {
		t.Errorf("got %v", err)
	}
	for n := range len(b) {
		err := Write(&stopping{left: n, err: bad}, []Named{{Name: "w", Tensor: tensor.New(tensor.F32, 64)}}, nil)
		if n < 256 && !errors.Is(err, bad) {
			t.Fatalf("a writer that fails after %d bytes: got %v", n, err)
		}
	}
}

// failing is a reader that fails from an offset on.

type failing struct {
	io.ReaderAt
	from int64
	err  error
}

func (f failing) ReadAt(p []byte, at int64) (int, error) {
	if at+int64(len(p)) > f.from {
		return 0, f.err
	}
	return f.ReaderAt.ReadAt(p, at)
}

// stopping is a writer that takes a number of bytes and then fails.

type stopping struct {
	left int
	err  error
}

func (s *stopping) Write(p []byte) (int, error) {
	if s.left < len(p) {
		return s.left, s.err
	}
	s.left -= len(p)
	return len(p), nil
}
