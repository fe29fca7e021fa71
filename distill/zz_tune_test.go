package distill

import (
	"fmt"
	"os"
	"runtime/pprof"
	"strconv"
	"syscall"
	"testing"
	"unsafe"

	"stillhouse/layers"
)

func cpu() float64 {
	var ts syscall.Timespec
	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, 2, uintptr(unsafe.Pointer(&ts)), 0)
	return float64(ts.Sec) + float64(ts.Nsec)*1e-9
}

func peakCPU() float64 {
	best := 0.0
	for range 3 {
		best = max(best, layers.CPUPeak(cpu))
	}
	return best
}

func TestTune(t *testing.T) {
	name := os.Getenv("GEO")
	if name == "" {
		name = "default"
	}
	g, _ := GeometryByName(name)
	if s := os.Getenv("SEQ"); s != "" {
		g.T, _ = strconv.Atoi(s)
	}
	n := 6
	if s := os.Getenv("N"); s != "" {
		n, _ = strconv.Atoi(s)
	}
	p := layers.NewPool(1)
	tr, _, err := g.trial(p)
	if err != nil {
		t.Fatal(err)
	}
	student := g.Student()
	tr.Train()
	if f := os.Getenv("PROF"); f != "" {
		w, _ := os.Create(f)
		pprof.StartCPUProfile(w)
		defer pprof.StopCPUProfile()
	}
	useful := layers.StepArithmetic(&g.Model, &student, g.B*g.T, g.T) / 1e9
	best := 0.0
	var loss float64
	for range n {
		pk := peakCPU()
		c := cpu()
		m, err := tr.Train()
		if err != nil {
			t.Fatal(err)
		}
		c = cpu() - c
		pk = max(pk, peakCPU())
		loss = m.Loss
		best = max(best, useful/c/pk)
		fmt.Printf("cpu %.1f ms  %.1f GF/s  peak %.1f  share %.1f %%\n", c*1e3, useful/c, pk, 100*useful/c/pk)
	}
	fmt.Printf("BEST share %.2f %% loss %v\n", 100*best, loss)
}
