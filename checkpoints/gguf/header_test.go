package gguf

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stillhouse/layers/tensor"
)

// maker puts files together that no writer would.
type maker struct{ b []byte }

func begin(version uint32, tensors, keys uint64) *maker {
	return &maker{le.AppendUint64(le.AppendUint64(le.AppendUint32([]byte(magic), version), tensors), keys)}
}

func (m *maker) u32(vs ...uint32) *maker {
	for _, v := range vs {
		m.b = le.AppendUint32(m.b, v)
	}
	return m
}

func (m *maker) u64(vs ...uint64) *maker {
	for _, v := range vs {
		m.b = le.AppendUint64(m.b, v)
	}
	return m
}

func (m *maker) s(s string) *maker { m.b = appendString(m.b, s); return m }

func (m *maker) raw(n int) *maker { m.b = append(m.b, make([]byte, n)...); return m }

// align pads to the default alignment and adds n bytes of tensors.
func (m *maker) align(n int) *maker { return m.raw(int(padded(int64(len(m.b)))) - len(m.b) + n) }

// tensor adds an entry: dims with the fastest first.
func (m *maker) tensor(name string, typ uint32, offset uint64, dims ...uint64) *maker {
	return m.s(name).u32(uint32(len(dims))).u64(dims...).u32(typ).u64(offset)
}

func TestBadFilesAreRefusedAndTheErrorSaysWhatIsWrong(t *testing.T) {
	key := func(k string) *maker { return begin(3, 0, 1).s(k) }
	for _, c := range []struct {
		name string
		file *maker
		want string
	}{
		{"empty", &maker{}, "4 bytes wanted at 0 of 0"},
		{"other magic", &maker{[]byte("GGML\x03\x00\x00\x00")}, `begins with "GGML"`},
		{"old version", begin(1, 0, 0), "version 1"},
		{"version 0", begin(0, 0, 0), "version 0"},
		{"new version", begin(4, 0, 0), "version 4"},
		{"big-endian", begin(0x03000000, 0, 0), "big-endian"},
		{"no counts", &maker{[]byte("GGUF\x03\x00\x00\x00")}, "cut short"},
		{"more tensors than bytes", begin(3, 1<<60, 0), "1152921504606846976 tensors, and 8 bytes are left"},
		{"more keys than bytes", begin(3, 0, math.MaxUint64).raw(20), "18446744073709551615 keys"},
		{"no key", begin(3, 0, 1).raw(20).u64(0), "name is empty"},
		{"key not UTF-8", key("\xff\xfe").u32(4, 1), "not UTF-8"},
		{"key longer than the file", begin(3, 0, 1).u64(1 << 40).raw(20), "1099511627776 bytes wanted"},
		{"key twice", begin(3, 0, 2).s("k").u32(4, 1).s("k").u32(4, 1), `key 2 of 2: "k" is there twice`},
		{"unknown type", key("k").u32(13).raw(8), "unknown type 13"},
		{"value cut short", key("k").u32(10).raw(4), "8 bytes wanted"},
		{"bool of 2", key("k").u32(7, 2), "the byte 2, want 0 or 1"},
		{"string cut short", key("k").u32(8).u64(5).raw(4), "5 bytes wanted"},
		{"array of arrays", key("k").u32(9, 9).u64(0), "array of arrays"},
		{"array of unknown", key("k").u32(9, 99).u64(0), "unknown type 99"},
		{"array longer than the file", key("k").u32(9, 5).u64(1 << 62).raw(64), "4611686018427387904 elements"},
		{"array of strings longer than the file", key("k").u32(9, 8).u64(3).u64(0, 0), "3 elements"},
		{"string of an array cut short", key("k").u32(9, 8).u64(2).u64(0, 9), "element 1"},
		{"alignment 0", key("general.alignment").u32(4, 0), "power of two"},
		{"alignment 48", key("general.alignment").u32(4, 48), "power of two"},
		{"alignment of another type", key("general.alignment").u32(5, 32), "int32 32"},
		{"huge alignment", key("general.alignment").u32(4, 1<<31), "power of two"},
		{"no tensor name", begin(3, 1, 0).tensor("", 0, 0, 1), "name is empty"},
		{"long tensor name", begin(3, 1, 0).tensor(strings.Repeat("n", 64), 0, 0, 1).align(4), "64 bytes, ggml takes 63"},
		{"tensor twice", begin(3, 2, 0).tensor("t", 0, 0, 1).tensor("t", 0, 32, 1).align(36), `tensor 2 of 2: "t" is there twice`},
		{"five dimensions", begin(3, 1, 0).tensor("t", 0, 0, 1, 1, 1, 1, 1).align(4), "5 dimensions"},
		{"dims cut short", begin(3, 1, 0).s("t").u32(4).u64(1, 1), "32 bytes wanted"},
		{"unknown tensor type", begin(3, 1, 0).tensor("t", 4, 0, 1).align(4), "unknown type 4"},
		{"huge dimension", begin(3, 1, 0).tensor("t", 0, 0, 1<<32).align(4), "beyond"},
		{"shape overflows", begin(3, 1, 0).tensor("t", 0, 0, 1<<30, 1<<30, 1<<30).align(4), "overflows"},
		{"half a block", begin(3, 1, 0).tensor("t", 8, 0, 33).align(68), "multiples of 32"},
		{"offset outside", begin(3, 1, 0).tensor("t", 0, 1<<40, 1).align(4), "begins at byte 1099511627776"},
		{"no tensors after the header", begin(3, 1, 0).tensor("t", 0, 0, 1), "cut short"},
		{"tensor cut short", begin(3, 1, 0).tensor("t", 0, 0, 2).align(7), "takes 8 bytes at 0, the file has 7"},
		{"hole before the first", begin(3, 1, 0).tensor("t", 0, 32, 1).align(36), "a hole of 32 bytes after \"the header\""},
		{"hole", begin(3, 2, 0).tensor("t", 0, 0, 1).tensor("u", 0, 64, 1).align(68), "a hole of 32 bytes"},
		{"overlap", begin(3, 2, 0).tensor("t", 0, 0, 9).tensor("u", 0, 32, 1).align(68), `inside of "t"`},
		{"not aligned", begin(3, 2, 0).tensor("t", 0, 0, 1).tensor("u", 0, 4, 1).align(36), `inside of "t"`},
		{"other order", begin(3, 2, 0).tensor("t", 0, 32, 1).tensor("u", 0, 0, 1).align(36), "a hole"},
		{"bytes after", begin(3, 1, 0).tensor("t", 0, 0, 1).align(33), "1 bytes follow"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("bad.gguf", c.file.b)
			if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "gguf: bad.gguf: ") {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestWhatLlamaCppTakesIsTaken(t *testing.T) {
	for _, c := range []struct {
		name string
		file *maker
	}{
		{"version 2", begin(2, 0, 0)},
		{"no padding of the last tensor", begin(3, 1, 0).tensor("t", 0, 0, 1).align(4)},
		{"padding of the last tensor", begin(3, 1, 0).tensor("t", 0, 0, 1).align(32)},
		{"a scalar", begin(3, 1, 0).tensor("t", 0, 0).align(4)},
		{"smaller alignment", begin(3, 2, 1).s("general.alignment").u32(4, 8).tensor("t", 0, 0, 1).tensor("u", 0, 8, 1).raw(3 + 16)},
	} {
		if len(c.file.b)%8 != 0 && c.name == "smaller alignment" {
			c.file.raw(8 - len(c.file.b)%8)
		}
		if _, err := Parse("good.gguf", c.file.b); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestAQuantisedTensorIsNamedAndTheRestIsRead(t *testing.T) {
	f, err := Parse("q.gguf", begin(3, 2, 0).tensor("q", 8, 0, 64).tensor("f", 0, 96, 1).align(96+4).b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read("q"); !errors.Is(err, ErrType) || !strings.Contains(err.Error(), "Q8_0") {
		t.Errorf("got %v, want Q8_0 refused by name", err)
	}
	if _, err := f.Read("f"); err != nil {
		t.Error(err)
	}
	if _, err := f.Read("g"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a tensor that is not there: %v", err)
	}
}

func TestAFileOnTheDiskIsReadUntilItIsClosed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.gguf")
	var b bytes.Buffer
	if err := Write(&b, nil, []Named{{"t", tensor.From([]float32{1, 2}, 2), F32}}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read("t"); err != nil {
		t.Error(err)
	}
	if err := os.Truncate(path, int64(b.Len()-30)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read("t"); err == nil || !strings.Contains(err.Error(), "unexpected EOF") {
		t.Errorf("the file was cut while open: got %v", err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if _, err := f.Read("t"); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after Close: got %v", err)
	}
	if _, err := Open(filepath.Dir(path)); !errors.Is(err, ErrFormat) {
		t.Errorf("a folder: got %v", err)
	}
	if _, err := Open(path + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: got %v", err)
	}
}
