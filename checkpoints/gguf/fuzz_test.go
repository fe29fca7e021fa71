package gguf

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"stillhouse/layers/tensor"
)

// FuzzFile reads any bytes. What is accepted must come back through the writer:
// entries, names, shapes and values.
func FuzzFile(f *testing.F) {
	f.Add(unhex(f, handmade))
	var every bytes.Buffer
	if err := Write(&every, everyValue(), nil); err != nil {
		f.Fatal(err)
	}
	f.Add(every.Bytes())
	f.Add(begin(2, 2, 1).s("general.alignment").u32(4, 1).tensor("q", 8, 0, 32).tensor("f", 30, 34, 1).raw(36).b)
	f.Add(begin(3, 1<<40, 1<<50).raw(64).b)
	f.Add(begin(3, 0, 1).s("k").u32(9, 8).u64(1 << 33).raw(9).b)
	f.Fuzz(func(t *testing.T, b []byte) {
		g, err := Parse("fuzz", b)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "gguf: fuzz: not a valid GGUF file: ") {
				t.Fatalf("the error does not say what the file is: %v", err)
			}
			return
		}
		var meta []KV
		for _, kv := range g.Metadata() {
			if kv.Key != alignmentKey {
				meta = append(meta, kv)
			}
		}
		var named []Named
		for _, info := range g.Infos() {
			x, err := g.Read(info.Name)
			if _, unsupported := info.Type.format(); (err != nil) != (unsupported != nil) {
				t.Fatalf("%v: %v", info, err)
			}
			if err == nil {
				named = append(named, Named{info.Name, x, info.Type})
			}
		}
		var out bytes.Buffer
		if err := Write(&out, meta, named); err != nil {
			t.Fatal(err)
		}
		again, err := Parse("again", out.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(meta, again.Metadata(), cmpopts.EquateNaNs(), cmpopts.EquateEmpty()); d != "" {
			t.Fatal(d)
		}
		for i, info := range again.Infos() {
			x, err := again.Read(info.Name)
			if err != nil || info.Name != named[i].Name || info.Type != named[i].Type {
				t.Fatalf("%v became %v: %v", named[i], info, err)
			}
			if d := cmp.Diff(tensor.Data[float32](named[i].Tensor), tensor.Data[float32](x), cmpopts.EquateNaNs()); d != "" {
				t.Fatalf("%v: %s", info, d)
			}
		}
	})
}

// A header of the most entries a given size can name must cost no more memory
// than its bytes pay for.
func TestALargeHeaderCostsMemoryInProportion(t *testing.T) {
	const n = 100_000
	m := begin(3, 0, n+1)
	for i := range n {
		m.s(fmt.Sprint(i)).u32(0).raw(1)
	}
	b := m.s("strings").u32(9, 8).u64(n).raw(8 * n).b
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Parse("x", b)
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	if got, limit := after.TotalAlloc-before.TotalAlloc, uint64(128<<10+32*len(b)); got > limit {
		t.Errorf("%d bytes allocated for a header of %d, want at most %d", got, len(b), limit)
	}
	t.Logf("%d bytes: %.1f bytes allocated a byte", len(b), float64(after.TotalAlloc-before.TotalAlloc)/float64(len(b)))
}
