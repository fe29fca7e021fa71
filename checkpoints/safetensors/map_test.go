package safetensors

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"stillhouse/layers/tensor"
)

// onDisk writes one tensor of n elements into a file.
func onDisk(t testing.TB, n int, d DType) string {
	t.Helper()
	x := tensor.New(tensor.F32, n)
	for i, v := 0, tensor.Data[float32](x); i < n; i++ {
		v[i] = float32(i % 251)
	}
	path := filepath.Join(t.TempDir(), "w.safetensors")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(Write(f, []Named{{Name: "w", Tensor: x, DType: d}}, nil), f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAFileCutShortAfterItWasOpenedIsAnError(t *testing.T) {
	path := onDisk(t, 1<<20, F32)
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Truncate(path, 1<<20); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read("w"); !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), `tensor "w"`) {
		t.Errorf("got %v", err)
	}
}

func TestAMappedFileAndOneThatIsReadHoldTheSame(t *testing.T) {
	path := onDisk(t, 3*chunk/4+13, BF16)
	mapped, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer mapped.Close()
	if mapped.mapped == nil {
		t.Skip("this system maps no files")
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	read, err := New("read", struct{ io.ReaderAt }{bytes.NewReader(b)}, int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	x, err1 := mapped.Read("w")
	y, err2 := read.Read("w")
	if err1 != nil || err2 != nil || !slices.Equal(tensor.Data[float32](x), tensor.Data[float32](y)) {
		t.Errorf("they differ, %v %v", err1, err2)
	}
}

// BenchmarkRead reads 64 MiB that lie in the system's cache.
func BenchmarkRead(b *testing.B) {
	for _, d := range []DType{F32, BF16} {
		path := onDisk(b, (64<<20)/(d.Bits()/8), d)
		for _, way := range []string{"mapped", "read"} {
			b.Run(string(d)+"/"+way, func(b *testing.B) {
				file, err := os.Open(path)
				if err != nil {
					b.Fatal(err)
				}
				defer file.Close()
				info, err := file.Stat()
				if err != nil {
					b.Fatal(err)
				}
				var r io.ReaderAt = file
				if way == "read" {
					r = struct{ io.ReaderAt }{file}
				}
				f, err := New(path, r, info.Size())
				if err != nil {
					b.Fatal(err)
				}
				defer f.Close()
				w, _ := f.Info("w")
				dst := tensor.New(tensor.F32, w.Shape...)
				b.SetBytes(w.Bytes)
				for b.Loop() {
					if err := f.ReadInto("w", dst); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
