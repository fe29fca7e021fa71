package gemm

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"stillhouse/layers/internal/parallel"
)

func TestEmptySumsClearOrKeepC(t *testing.T) {
	for _, e := range singles {
		c := []float32{1, 2, 3, 4, 5, 6}
		e.multiply(nil, NN, 2, 2, 0, nil, 0, nil, 2, c, 3, true)
		if got := fmt.Sprint(c); got != "[1 2 3 4 5 6]" {
			t.Errorf("%s: acc with k=0: got %s", e.isa.name, got)
		}
		e.multiply(nil, NN, 2, 2, 0, nil, 0, nil, 2, c, 3, false)
		if got := fmt.Sprint(c); got != "[0 0 3 0 0 6]" {
			t.Errorf("%s: k=0: got %s", e.isa.name, got)
		}
	}
}

func TestOperandsMayEndWithTheirLastElement(t *testing.T) {
	for _, e := range singles {
		for _, f := range forms {
			x := newProblem[float32](f, 13, 17, 19, 6, false)
			x.a, x.b, x.c = x.a[:len(x.a)-6], x.b[:len(x.b)-6], x.c[:len(x.c)-6]
			x.verify(t, x.run(e, nil))
		}
	}
}

func TestWrongSizesPanicWithTheNumbers(t *testing.T) {
	x := make([]float32, 12)
	for want, call := range map[string]func(){
		"negative size m=-1 n=2 k=3":              func() { Gemm(nil, NN, -1, 2, 3, x, 3, x, 2, x, 2, false) },
		"A is 12 elements, want [5,3]":            func() { Gemm(nil, NN, 5, 2, 3, x, 3, x, 2, x, 2, false) },
		"A is 12 elements, want [3,5]":            func() { Gemm(nil, TN, 5, 2, 3, x, 5, x, 2, x, 2, false) },
		"B is 11 elements, want [4,3]":            func() { Gemm(nil, NT, 2, 4, 3, x, 3, x[:11], 3, x, 4, false) },
		"C is 12 elements, want [2,4]":            func() { Gemm(nil, NN, 2, 4, 3, x, 3, x, 4, x, 9, false) },
		"rows of C overlap: ldc=3, n=4":           func() { Gemm(nil, NN, 2, 4, 3, x, 3, x, 4, x, 3, false) },
		"unknown form Form(9)":                    func() { Gemm(nil, Form(9), 2, 2, 2, x, 2, x, 2, x, 2, false) },
		"want [2,3] with stride -1":               func() { Gemm(nil, NN, 2, 2, 3, x, -1, x, 2, x, 2, false) },
		"gemm: NN: A is 0 elements, want [2,3] w": func() { Gemm(nil, NN, 2, 2, 3, nil, 3, x, 2, x, 2, false) },
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.HasPrefix(got, "gemm: ") || !strings.Contains(got, want) {
					t.Errorf("got panic %q, want …%q…", got, want)
				}
			}()
			call()
		}()
	}
}

// Attention calls Gemm with a nil pool from inside its own parallel loop.
func TestManyCallsAtOnceDoNotDisturbEachOther(t *testing.T) {
	p := parallel.New(3)
	defer p.Close()
	for _, e := range singles {
		var problems []*problem[float32]
		var want [][]float32
		for i := range 24 {
			x := newProblem[float32](forms[i%4], 20+7*i, 70-i, 30+11*i, i, false)
			problems, want = append(problems, x), append(want, x.run(e, nil))
		}
		p.For(len(problems), func(i int) {
			got := problems[i].run(e, nil)
			for j := range got {
				if got[j] != want[i][j] && got[j] == got[j] {
					t.Errorf("%s %v: entry %d: got %v, want %v", e.isa.name, problems[i], j, got[j], want[i][j])
					return
				}
			}
		})
		var all sync.WaitGroup
		for i, x := range problems { // one pool from many goroutines, too
			all.Go(func() { sameBits(t, x.String(), x.run(e, p), want[i]) })
		}
		all.Wait()
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes sync.Pool forget")
	}
	p := parallel.New(2)
	defer p.Close()
	for _, f := range forms {
		for _, s := range [][3]int{{64, 64, 32}, {128, 96, 600}} {
			x := newProblem[float32](f, s[0], s[1], s[2], 0, false)
			y := newProblem[float64](f, 20, 30, 40, 0, false)
			if n := testing.AllocsPerRun(20, func() {
				Gemm(nil, f, x.m, x.n, x.k, x.a, x.lda, x.b, x.ldb, x.c, x.ldc, false)
				Gemm(p, f, x.m, x.n, x.k, x.a, x.lda, x.b, x.ldb, x.c, x.ldc, true)
				Gemm(nil, f, y.m, y.n, y.k, y.a, y.lda, y.b, y.ldb, y.c, y.ldc, false)
			}); n != 0 {
				t.Errorf("%v: %v allocations a call, want 0", x, n)
			}
		}
	}
}

func TestPeakIsPositiveAndISAKnown(t *testing.T) {
	if got := Peak(nil); got < 0.1 {
		t.Errorf("Peak(nil) = %v GFLOP/s", got)
	}
	switch ISA() {
	case "avx512", "avx2", "portable":
		if got := MatrixPeak(nil); got != 0 {
			t.Errorf("MatrixPeak(nil) = %v on %s", got, ISA())
		}
	case "amx":
		if got := MatrixPeak(nil); got < 1 {
			t.Errorf("MatrixPeak(nil) = %v GFLOP/s", got)
		}
	default:
		t.Errorf("ISA() = %q", ISA())
	}
}

// FuzzShapes multiplies problems of any shape on every path.
func FuzzShapes(f *testing.F) {
	f.Add(uint8(0), uint16(64), uint16(64), uint16(32), uint8(0), false)
	f.Add(uint8(1), uint16(13), uint16(33), uint16(385), uint8(7), true)
	f.Add(uint8(2), uint16(300), uint16(12), uint16(1), uint8(1), true)
	f.Add(uint8(3), uint16(25), uint16(129), uint16(70), uint8(255), false)
	p := parallel.New(2)
	f.Cleanup(p.Close)
	f.Fuzz(func(t *testing.T, form uint8, m, n, k uint16, pad uint8, acc bool) {
		x := newProblem[float32](Form(form%4), int(m%400), int(n%400), int(k%700), int(pad), acc)
		for _, e := range singles {
			c := x.run(e, nil)
			x.verify(t, c)
			shared := x.run(e, p)
			for i := range c {
				if c[i] != shared[i] && c[i] == c[i] {
					t.Fatalf("%s %v: entry %d: %v alone, %v on two threads", e.isa.name, x, i, c[i], shared[i])
				}
			}
		}
	})
}
