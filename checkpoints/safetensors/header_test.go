package safetensors

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// file builds the bytes of a file from a header's JSON and a body.

func TestBadHeadersAreRefusedAndTheErrorSaysWhatIsWrong(t *testing.T) {
	one := func(s string) string { return `{"a":` + s + `}` }
	for _, c := range []struct {
		name, header string
		body         int
		want         string
	}{
		{"empty header", ``, 0, "begin with '{'"},
		{"byte order mark", "\ufeff{}", 0, "begin with '{'"},
		{"leading space", " {}", 0, "begin with '{'"},
		{"array", "[]", 0, "begin with '{'"},
		{"not UTF-8", "{\"\xff\":1}", 0, "UTF-8"},
		{"unclosed", "{", 0, "the end"},
		{"text after", "{}x", 0, "after the header's end"},
		{"NUL after", "{}\x00", 0, "after the header's end"},
		{"two objects", "{}{}", 0, "after the header's end"},
		{"trailing comma", `{"__metadata__":{},}`, 0, "wanted"},
		{"single quotes", `{'a':1}`, 0, "wanted"},
		{"comment", `{/**/}`, 0, "wanted"},
		{"number for tensor", one(`1`), 0, `tensor "a"`},
		{"null for tensor", one(`null`), 0, `tensor "a"`},
		{"duplicate tensor", `{"a":{"dtype":"I32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"I32","shape":[1],"data_offsets":[4,8]}}`, 8, `"a" is there twice`},
		{"duplicate tensor by escape", `{"a":{"dtype":"I32","shape":[1],"data_offsets":[0,4]},"\u0061":{"dtype":"I32","shape":[1],"data_offsets":[4,8]}}`, 8, `"a" is there twice`},
		{"duplicate key", one(`{"dtype":"F32","dtype":"F16","shape":[1],"data_offsets":[0,4]}`), 4, "dtype is there twice"},
		{"duplicate shape", one(`{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}`), 4, "shape is there twice"},
		{"duplicate metadata", `{"__metadata__":{"x":"1","x":"2"}}`, 0, `metadata "x" is there twice`},
		{"two metadata", `{"__metadata__":{},"__metadata__":{}}`, 0, "__metadata__ is there twice"},
		{"metadata number", `{"__metadata__":{"x":1}}`, 0, `metadata "x"`},
		{"metadata nested", `{"__metadata__":{"x":{}}}`, 0, `metadata "x"`},
		{"key of other case", one(`{"DType":"F32","shape":[1],"data_offsets":[0,4]}`), 4, `unknown key "DType"`},
		{"extra key", one(`{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}`), 4, `unknown key "x"`},
		{"no dtype", one(`{"shape":[1],"data_offsets":[0,4]}`), 4, "dtype is missing"},
		{"no shape", one(`{"dtype":"F32","data_offsets":[0,4]}`), 4, "shape is missing"},
		{"no offsets", one(`{"dtype":"F32","shape":[1]}`), 4, "data_offsets"},
		{"unknown dtype", one(`{"dtype":"F33","shape":[1],"data_offsets":[0,4]}`), 4, `unknown dtype "F33"`},
		{"lower-case dtype", one(`{"dtype":"f32","shape":[1],"data_offsets":[0,4]}`), 4, `unknown dtype "f32"`},
		{"dtype number", one(`{"dtype":32,"shape":[1],"data_offsets":[0,4]}`), 4, "wanted"},
		{"negative dimension", one(`{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}`), 4, "integer wanted"},
		{"fraction", one(`{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}`), 4, "plain integer"},
		{"exponent", one(`{"dtype":"F32","shape":[1e0],"data_offsets":[0,4]}`), 4, "plain integer"},
		{"leading zero", one(`{"dtype":"F32","shape":[01],"data_offsets":[0,4]}`), 4, "begins with 0"},
		{"text dimension", one(`{"dtype":"F32","shape":["1"],"data_offsets":[0,4]}`), 4, "integer wanted"},
		{"NaN dimension", one(`{"dtype":"F32","shape":[NaN],"data_offsets":[0,4]}`), 4, "integer wanted"},
		{"nested shape", one(`{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}`), 4, "integer wanted"},
		{"rank nine", one(`{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}`), 4, "more than 8"},
		{"three offsets", one(`{"dtype":"F32","shape":[1],"data_offsets":[0,4,4]}`), 4, "more than 2"},
		{"one offset", one(`{"dtype":"F32","shape":[1],"data_offsets":[0]}`), 4, "1 numbers, want 2"},
		{"offsets backwards", one(`{"dtype":"F32","shape":[1],"data_offsets":[4,0]}`), 4, "end before they begin"},
		{"offset 2^63", one(`{"dtype":"F32","shape":[1],"data_offsets":[0,9223372036854775808]}`), 4, "2^63"},
		{"offset 2^64", one(`{"dtype":"F32","shape":[1],"data_offsets":[0,18446744073709551616]}`), 4, "2^63"},
		{"huge dimension", one(`{"dtype":"F32","shape":[2147483648],"data_offsets":[0,4]}`), 4, "beyond"},
		{"overflow to zero", one(`{"dtype":"F32","shape":[2147483647,2147483647,2147483647],"data_offsets":[0,4]}`), 4, "overflow"},
		{"wrong size", one(`{"dtype":"F32","shape":[2],"data_offsets":[0,4]}`), 4, "takes 8 bytes, data_offsets give it 4"},
		{"half a byte", one(`{"dtype":"F4","shape":[1],"data_offsets":[0,1]}`), 1, "inside a byte"},
		{"cut short", one(`{"dtype":"F32","shape":[2],"data_offsets":[0,8]}`), 7, "cut short"},
		{"far beyond the end", one(`{"dtype":"F32","shape":[2147483647,16777216],"data_offsets":[0,144115188008747008]}`), 4, "cut short"},
		{"bytes after", one(`{"dtype":"F32","shape":[1],"data_offsets":[0,4]}`), 5, "1 bytes follow the last tensor"},
		{"bytes and no tensor", `{}`, 5, "5 bytes follow"},
		{"hole at the front", one(`{"dtype":"F32","shape":[1],"data_offsets":[4,8]}`), 8, "hole of 4"},
		{"hole", `{"a":{"dtype":"I32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"I32","shape":[1],"data_offsets":[8,12]}}`, 12, "hole of 4"},
		{"overlap", `{"a":{"dtype":"I32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"I32","shape":[1],"data_offsets":[4,8]}}`, 8, `"b" begins at byte 4, inside of "a"`},
		{"shared bytes", `{"a":{"dtype":"I32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4, `inside of "a"`},
		{"empty tensor inside", `{"a":{"dtype":"I32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[0],"data_offsets":[4,4]}}`, 8, `"b" begins at byte 4`},
		{"control byte in name", "{\"a\n\":1}", 0, "control byte"},
		{"lone surrogate", `{"\ud800":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4, "no character"},
		{"bad escape", `{"\x":1}`, 0, "bad string"},
		{"string without end", `{"a`, 0, "does not end"},
		{"backslash at the end", `{"a\`, 0, "does not end"},
		{"deep nesting", `{"a":` + strings.Repeat("[", 100_000), 0, "wanted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("bad.safetensors", file(c.header, c.body))
			if !errors.Is(err, ErrFormat) || !strings.Contains(fmt.Sprint(err), c.want) || !strings.Contains(err.Error(), "bad.safetensors") {
				t.Errorf("got %v, want ErrFormat with %q", err, c.want)
			}
		})
	}
}

func TestAHeaderLengthIsNotBelievedBeyondTheFile(t *testing.T) {
	for n, want := range map[uint64]string{
		100_000_001: "limit is 100000000", math.MaxUint64: "limit", 99_999_999: "cut short", 3: "cut short",
	} {
		b := append(binary.LittleEndian.AppendUint64(nil, n), "{}"...)
		if _, err := Parse("x", b); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), want) {
			t.Errorf("length %d: got %v, want %q", n, err, want)
		}
	}
}

func TestATruncatedFileIsRefusedAtEveryLength(t *testing.T) {
	whole := sample(t)
	for n := range whole {
		if _, err := Parse("x", whole[:n]); !errors.Is(err, ErrFormat) {
			t.Fatalf("the first %d of %d bytes: got %v", n, len(whole), err)
		}
	}
	if _, err := Parse("x", append(slices.Clone(whole), 0)); !errors.Is(err, ErrFormat) {
		t.Errorf("one byte more: got %v", err)
	}
}
