package safetensors

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// second is another reader of the header, on encoding/json, laxer than ours: it
// must agree with everything that ours accepts.
func second(header []byte, body int) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(header, &all); err != nil {
		return err
	}
	delete(all, metaKey)
	taken := 0
	for name, raw := range all {
		var e struct {
			DType   DType    `json:"dtype"`
			Shape   []int64  `json:"shape"`
			Offsets [2]int64 `json:"data_offsets"`
		}
		if err := json.Unmarshal(raw, &e); err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
		bits := int64(e.DType.Bits())
		for _, n := range e.Shape {
			bits *= n
		}
		if bits/8 != e.Offsets[1]-e.Offsets[0] || e.Offsets[1] > int64(body) {
			return fmt.Errorf("%q: %v", name, e)
		}
		taken += int(bits / 8)
	}
	if taken != body {
		return fmt.Errorf("%d of %d bytes are taken", taken, body)
	}
	return nil
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte(`{}`), uint16(0))
	f.Add([]byte(`{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}}   `), uint16(8))
	f.Add([]byte(`{"a":{"dtype":"I64","shape":[],"data_offsets":[0,8]},"b":{"data_offsets":[8,8],"dtype":"F16","shape":[0]}}`), uint16(8))
	f.Add([]byte(`{"\u0061\"":{"dtype":"BF16","shape":[3],"data_offsets":[0,6]},"b":{"dtype":"F4","shape":[4],"data_offsets":[6,8]}}`), uint16(8))
	f.Fuzz(func(t *testing.T, head []byte, body uint16) {
		s, err := Parse("fuzz", file(string(head), int(body)))
		if err != nil {
			if !strings.HasPrefix(err.Error(), "safetensors: fuzz: ") {
				t.Fatalf("the error names no file: %v", err)
			}
			return
		}
		if err := second(head, int(body)); err != nil {
			t.Fatalf("accepted %q, another reader does not: %v", head, err)
		}
		if err := compare(s, file(string(head), int(body))); err != nil {
			t.Fatalf("accepted %q: %v", head, err)
		}
		var named []Named
		for _, n := range s.Names() {
			info, _ := s.Info(n)
			x, err := s.Read(n)
			if _, unsupported := info.DType.memory(); (err != nil) != (unsupported != nil) {
				t.Fatalf("%v: %v", info, err)
			}
			if err != nil {
				return
			}
			named = append(named, Named{Name: n, Tensor: x, DType: info.DType})
		}
		var b bytes.Buffer
		if err := Write(&b, named, s.Metadata()); err != nil {
			t.Fatal(err)
		}
		again, err := Parse("again", b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(again.Names(), s.Names()) || !maps.Equal(again.Metadata(), s.Metadata()) {
			t.Fatalf("%v %v became %v %v", s.Names(), s.Metadata(), again.Names(), again.Metadata())
		}
	})
}

func FuzzFile(f *testing.F) {
	f.Add([]byte{})
	f.Add(file(`{}`, 0))
	f.Add(sample(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Parse("fuzz", b)
		if err != nil {
			return
		}
		for _, n := range s.Names() {
			if x, err := s.Read(n); err == nil && x.Bytes() > 4*len(b) {
				t.Fatalf("%d bytes from a file of %d", x.Bytes(), len(b))
			}
		}
	})
}

// A header of the most tensors a given size can name must cost no more memory
// and time than its bytes pay for.
func TestALargeHeaderCostsMemoryAndTimeInProportion(t *testing.T) {
	var head bytes.Buffer
	head.WriteByte('{')
	for i := range 100_000 {
		if i > 0 {
			head.WriteByte(',')
		}
		fmt.Fprintf(&head, `"%d":{"dtype":"F4","shape":[0],"data_offsets":[0,0]}`, i)
	}
	head.WriteByte('}')
	b := file(head.String(), 0)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	f, err := Parse("x", b)
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	if got, limit := after.TotalAlloc-before.TotalAlloc, uint64(64<<10+16*len(b)); got > limit {
		t.Errorf("%d bytes allocated for a header of %d, want at most %d", got, len(b), limit)
	}
	// A microsecond a byte is fifty times what it takes on a slow machine.
	if limit := time.Duration(len(b)) * time.Microsecond; took > limit {
		t.Errorf("took %v for %d bytes, want at most %v", took, len(b), limit)
	}
	t.Logf("%d tensors, %d bytes: %v, %.1f bytes allocated a byte", len(f.Names()), len(b), took, float64(after.TotalAlloc-before.TotalAlloc)/float64(len(b)))
}
