package tokenizer

import (
	"fmt"
	"hash/maphash"
	"os"
	"runtime"
	"slices"
	"sort"
	"testing"
	"golang.org/x/sys/unix"
)

func BenchmarkZZ(b *testing.B) {
	if os.Getenv("ZZ") == "" { b.Skip() }
	texts := benchTexts(b)
	toks := benchTokenizers(b)
	runtime.LockOSThread()
	cpu := func() float64 {
		var u unix.Rusage
		unix.Getrusage(unix.RUSAGE_THREAD, &u)
		return float64(u.Utime.Sec+u.Stime.Sec) + 1e-6*float64(u.Utime.Usec+u.Stime.Usec)
	}
	var names []string
	for n := range toks { names = append(names, n) }
	sort.Strings(names)
	for _, n := range names {
		if f := os.Getenv("ZZF"); f != "" && f != n { continue }
		tok := toks[n]
		fmt.Printf("%-8s", n)
		for _, kind := range []string{"prose", "code", "han", "other"} {
			text := texts[kind]
			ids := make([]int32, 0, len(text))
			var v []float64
			for range 5 {
				tok.cache = &wordCache{seed: maphash.MakeSeed()}
				t0 := cpu()
				ids = tok.EncodeAppend(ids[:0], text)
				v = append(v, float64(len(text))/(cpu()-t0)/1e6)
			}
			slices.Sort(v)
			fmt.Printf("  %s %6.1f (%.1f-%.1f)", kind, v[2], v[0], v[4])
		}
		fmt.Println()
	}
}
