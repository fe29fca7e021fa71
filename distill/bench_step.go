package distill

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"stillhouse/layers"
	"stillhouse/layers/autodiff"
)

// StepReport is what one training step costs on this machine, against the
// machine's own limits measured in the same run.
type StepReport struct {
	Geometry     string       `json:"geometry"`
	Batch        int          `json:"batch"`
	Seq          int          `json:"seq"`
	Layers       string       `json:"layers"` // the student's strip
	Checkpoint   bool         `json:"checkpoint_blocks"`
	Parameters   int          `json:"parameters"`
	Threads      int          `json:"threads"`
	ISA          string       `json:"isa"`
	Steps        int          `json:"steps"`                        // measured, after warm-up
	Loss         float64      `json:"loss"`                         // of the last: the same bits at any number of threads
	StepSeconds  float64      `json:"step_s"`                       // median
	TokensPerSec float64      `json:"tokens_per_s"`                 //
	UsefulGFlops float64      `json:"useful_gflops"`                // layers.StepArithmetic in the median step
	PeakGFlops   float64      `json:"peak_gflops"`                  // multiply-adds on registers, all threads; the better of before and after
	PeakFraction float64      `json:"peak_fraction"`                // useful of peak
	MatrixGFlops float64      `json:"matrix_peak_gflops,omitempty"` // of the matrix unit that products are on, if there is one
	MemGBps      float64      `json:"mem_gbps"`                     // memory bandwidth, all threads
	Allocs       float64      `json:"allocs_per_step"`              // heap objects
	AllocBytes   float64      `json:"bytes_per_step"`               // of those
	Memory       MemoryReport `json:"memory"`
	ByOp         []OpShare    `json:"by_op"` // of the median step, the costliest first
}

// MemoryReport lays the memory of a step against what was planned for it, in
// bytes.
type MemoryReport struct {
	Peak int64 `json:"peak_rss"` // largest resident size of the process; 0 where the system does not say
	MemoryParts
	Planned     MemoryParts `json:"planned"`      // before any of it was taken
	PlannedPeak int64       `json:"planned_peak"` // its total
	OfPlanned   float64     `json:"of_planned"`   // peak of planned peak; 0 where the peak is not known
}

// OpShare is one operation's part in the median step. Its limit is the one that
// would take longer: its useful arithmetic at the peak ("flops"), or its traffic
// at the memory's bandwidth ("bytes"). Above 1 its products were on a matrix unit, or
// its operands in a cache.
type OpShare struct {
	Graph   string  `json:"graph"` // teacher, student, optimizer or rest
	Op      string  `json:"op"`
	Pass    string  `json:"pass"` // forward or backward
	Seconds float64 `json:"s"`
	OfStep  float64 `json:"of_step"`
	Flops   float64 `json:"flops"` // useful; recomputation is none
	Bytes   float64 `json:"bytes"` // moved by a machine without caches
	Limit   string  `json:"limit"`
	OfLimit float64 `json:"of_limit"`
}

// warmUpSteps bring memory, caches and clocks to where they stay.
const warmUpSteps = 3

// BenchStep measures the training step of a geometry: Trainer.Train, which is
// the one that runs take.
func BenchStep(p *layers.Pool, g Geometry) (*StepReport, error) {
	if g.Steps < 1 {
		return nil, fmt.Errorf("%d steps (hint: at least 1)", g.Steps)
	}
	planned, err := g.plan(p.Threads())
	if err != nil {
		return nil, err
	}
	peak := layers.PeakFlops(p)
	debug.FreeOSMemory() // of the planning: its pages are small ones, and what trains gets huge ones only where none are
	r, steps, err := g.takeSteps(p, planned)
	if err != nil {
		return nil, err
	}
	debug.FreeOSMemory() // of the steps, for the vectors of the bandwidth: else they would be the process's peak
	r.PeakGFlops = max(peak, layers.PeakFlops(p))
	r.MatrixGFlops = layers.MatrixPeakFlops(p)
	r.MemGBps = layers.MemoryBandwidth(p)

	slices.SortFunc(steps, func(a, b measured) int { return cmp.Compare(a.took, b.took) })
	median, student := steps[g.Steps/2], g.Student()
	r.StepSeconds = median.took.Seconds()
	r.TokensPerSec = float64(g.B*g.T) / r.StepSeconds
	r.UsefulGFlops = layers.StepArithmetic(&g.Model, &student, g.B*g.T, g.T) / r.StepSeconds / 1e9
	r.PeakFraction = r.UsefulGFlops / r.PeakGFlops
	r.ByOp = r.shares(g, median)
	return r, nil
}

// takeSteps measures the steps themselves, and begins the report with what does
// not depend on the machine's limits.
func (g Geometry) takeSteps(p *layers.Pool, planned MemoryParts) (*StepReport, []measured, error) {
	runtime.GC() // graphs of earlier steps have finalizers: the first collection only runs those
	empty := liveHeap()
	t, teacher, err := g.trial(p)
	if err != nil {
		return nil, nil, err
	}
	defer t.Close()
	for range warmUpSteps {
		if _, err := t.Train(); err != nil {
			return nil, nil, err
		}
	}
	steps := make([]measured, g.Steps)
	for i := range steps {
		if steps[i], err = measureStep(t); err != nil {
			return nil, nil, err
		}
	}
	student := g.Student()
	r := &StepReport{Geometry: g.Name, Batch: g.B, Seq: g.T, Layers: student.Strip(), Checkpoint: g.CheckpointBlocks, Parameters: t.student.Size(),
		Threads: p.Threads(), ISA: layers.ISA(), Steps: g.Steps, Loss: steps[g.Steps-1].loss}
	for _, s := range steps {
		r.Allocs += float64(s.objects) / float64(g.Steps)
		r.AllocBytes += float64(s.bytes) / float64(g.Steps)
	}
	r.Memory = memoryOf(t, teacher, liveHeap()-empty, planned)
	return r, steps, nil
}

// measured is one step.
type measured struct {
	loss           float64
	took           time.Duration
	objects, bytes uint64 // allocated
	times          map[string][]autodiff.OpTime
}

// measureStep takes one step and its profile. Reading the allocation counters
// stops the world, so it stays outside of the time.
func measureStep(t *Trainer) (m measured, err error) {
	t.step.Profile(true)
	t.opt.Profile(true)
	t.step.ResetTimes()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	metrics, err := t.Train()
	m.took = time.Since(began)
	runtime.ReadMemStats(&after)
	if err != nil {
		return m, err
	}
	m.loss, m.objects, m.bytes = metrics.Loss, after.Mallocs-before.Mallocs, after.TotalAlloc-before.TotalAlloc
	teacher, student := t.step.Times()
	m.times = map[string][]autodiff.OpTime{"teacher": teacher, "student": student, "optimizer": t.opt.Times()}
	return m, nil
}

// shares lays a step's profile against the limits that r holds. What no
// operation accounts for, the batch's copy and the graph machine, is the rest.
func (r *StepReport) shares(g Geometry, m measured) (shares []OpShare) {
	rest := m.took
	add := func(graph, op, pass string, took time.Duration, flops float64, bytes int) {
		if took == 0 {
			return
		}
		rest -= took
		s := OpShare{Graph: graph, Op: op, Pass: pass, Seconds: took.Seconds(), OfStep: took.Seconds() / m.took.Seconds(),
			Flops: flops, Bytes: float64(bytes), Limit: "flops", OfLimit: flops / r.PeakGFlops / 1e9 / took.Seconds()}
		if byBytes := s.Bytes / r.MemGBps / 1e9 / s.Seconds; byBytes > s.OfLimit {
			s.Limit, s.OfLimit = "bytes", byBytes
		}
		shares = append(shares, s)
	}
	student := g.Student()
	work := layers.StepArithmeticByOp(&g.Model, &student, g.B*g.T, g.T)
	for _, graph := range []string{"teacher", "student", "optimizer"} {
		for _, o := range m.times[graph] {
			w := work[layers.OpOf{Graph: graph, Op: o.Name}]
			add(graph, o.Name, "forward", o.Forward, w.Forward, o.ForwardBytes)
			add(graph, o.Name, "backward", o.Backward, w.Backward, o.BackwardBytes)
		}
	}
	slices.SortStableFunc(shares, func(a, b OpShare) int { return cmp.Compare(b.Seconds, a.Seconds) })
	return append(shares, OpShare{Graph: "rest", Op: "rest", Pass: "forward", Seconds: rest.Seconds(), OfStep: rest.Seconds() / m.took.Seconds()})
}

// memoryOf parts the live heap that a trainer brought with it, and what the
// process holds beside.
func memoryOf(t *Trainer, teacher *layers.Model, live int64, planned MemoryParts) MemoryReport {
	m := MemoryReport{Peak: peakRSS(), Planned: planned, PlannedPeak: planned.Total()}
	activations, optimizer := t.Memory()
	m.Weights = weightBytes(teacher, t.student)
	m.Optimizer, m.Activations = int64(optimizer), int64(activations)
	m.Scratch = live - m.Weights - m.Optimizer - m.Activations
	if m.Peak > 0 {
		m.Process = m.Peak - live
		m.OfPlanned = float64(m.Peak) / float64(m.PlannedPeak)
	}
	return m
}

// liveHeap returns the bytes of the heap that are in use. One collection leaves
// what sync.Pools hold; a second would take it.
func liveHeap() int64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}
