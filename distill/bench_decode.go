package distill

import (
	"context"
	"fmt"
	"slices"
	"time"

	"stillhouse/layers"
	"stillhouse/layers/tensor"
)

// DecodeReport lays generation with random weights against this machine's two
// limits: reading a prompt against the multiply-adds, writing against the
// memory. Time does not depend on what the weights are.
type DecodeReport struct {
	Geometry   string         `json:"geometry"`
	Parameters int            `json:"parameters"`
	Threads    int            `json:"threads"`
	ISA        string         `json:"isa"`
	Runs       int            `json:"runs"`        // whose median each figure is
	Tokens     int            `json:"tokens"`      // decoded in each run
	PeakGFlops float64        `json:"peak_gflops"` // medians of what was measured beside the runs
	MemGBps    float64        `json:"mem_gbps"`
	ReadGBps   float64        `json:"read_gbps"` // of reads alone, once
	Prefill    []PrefillSpeed `json:"prefill"`
	Decode     []DecodeSpeed  `json:"decode"`
}

// PrefillSpeed is how fast one prompt is read.
type PrefillSpeed struct {
	Layers  string  `json:"layers"`
	DType   string  `json:"dtype"`
	Context int     `json:"context"`
	PerSec  float64 `json:"tokens_per_s"`
	GFlops  float64 `json:"gflops"` // useful: layers.Config.Arithmetic, the head for the last token
	OfPeak  float64 `json:"of_peak"`
}

// DecodeSpeed is how fast sequences side by side are continued, one token each a
// step.
type DecodeSpeed struct {
	Layers    string  `json:"layers"`
	DType     string  `json:"dtype"`   // of the matrices
	Context   int     `json:"context"` // before the first run
	Batch     int     `json:"batch"`
	PerSec    float64 `json:"tokens_per_s"` // of all sequences
	StepBytes float64 `json:"bytes_per_step"`
	Bytes     float64 `json:"bytes_per_token"`
	GBps      float64 `json:"gbps"`
	OfMemory  float64 `json:"of_memory"`
}

// DecodeBench says what BenchDecode measures.
type DecodeBench struct {
	Geometry Geometry
	DTypes   []string // float32, bfloat16
	Contexts []int
	Batches  []int
	Tokens   int // to decode in each run
	Runs     int
}

// BenchDecode measures the teacher and the student of a geometry. The limits are
// measured beside every run, so that what others take of the machine is missing
// in both.
func BenchDecode(ctx context.Context, p *layers.Pool, b DecodeBench, progress Progress) (*DecodeReport, error) {
	r := &DecodeReport{Geometry: b.Geometry.Name, Threads: p.Threads(), ISA: layers.ISA(), Runs: b.Runs, Tokens: b.Tokens}
	configs := []layers.Config{b.Geometry.Model, b.Geometry.Student()}
	progress.Begin("measure generation", len(configs)*len(b.DTypes)*len(b.Contexts)*len(b.Batches))
	defer progress.End()
	var peaks, memory []float64
	done := 0
	for i, c := range configs {
		m, err := layers.New(c, tensor.F32)
		if err != nil {
			return nil, fmt.Errorf("geometry %s: %w", b.Geometry.Name, err)
		}
		m.Init(uint64(i) + 1)
		if i == 0 {
			r.Parameters = m.Size()
		}
		for _, dtype := range b.DTypes {
			bf16, err := IsBF16(dtype)
			if err != nil {
				return nil, err
			}
			for _, n := range b.Contexts {
				for j, batch := range b.Batches {
					if ctx.Err() != nil {
						return nil, fmt.Errorf("bench generate: %w", ctx.Err())
					}
					progress.Advance(done, fmt.Sprintf("%s %s, %d sequences at %d tokens", c.Strip(), dtype, batch, n))
					done++
					d := decoderOf(p, m, batch, n+b.Runs*b.Tokens, bf16)
					t := &trialOf{pool: p, decoder: d, vocab: c.VocabSize, batch: batch, context: n, tokens: b.Tokens}
					if j == 0 {
						pre, limits := t.prefill(b.Runs, &c)
						pre.DType = dtype
						r.Prefill, peaks = append(r.Prefill, pre), append(peaks, limits...)
					}
					dec, limits := t.decode(b.Runs)
					dec.Layers, dec.DType = c.Strip(), dtype
					r.Decode, memory = append(r.Decode, dec), append(memory, limits...)
				}
			}
		}
	}
	progress.Advance(done, "")
	r.PeakGFlops, r.MemGBps, r.ReadGBps = middle(peaks), middle(memory), layers.ReadBandwidth(p)
	return r, nil
}

// IsBF16 reports whether the matrices of a decoder are to be rounded to bfloat16.
// float32 leaves them as the model has them; there is no other dtype.
func IsBF16(dtype string) (bool, error) {
	switch dtype {
	case "float32":
		return false, nil
	case "bfloat16", "bf16":
		return true, nil
	}
	return false, fmt.Errorf("unknown dtype %q (hint: float32 or bfloat16)", dtype)
}

func decoderOf(p *layers.Pool, m *layers.Model, batch, capacity int, bf16 bool) *layers.Decoder {
	if bf16 {
		return layers.NewBF16Decoder(p, m, batch, capacity)
	}
	return layers.NewDecoder(p, m, batch, capacity)
}

// trialOf is one decoder to be measured.
type trialOf struct {
	pool                          *layers.Pool
	decoder                       *layers.Decoder
	vocab, batch, context, tokens int
}

// read makes the decoder read its context anew.
func (t *trialOf) read() *tensor.Tensor {
	t.decoder.Reset()
	var logits *tensor.Tensor
	for at := 0; at < t.context; at += prefillTokens {
		n := min(prefillTokens, t.context-at)
		ids := make([]int32, t.batch*n)
		for i := range ids {
			ids[i] = int32((at*7919 + i*104729) % t.vocab)
		}
		logits = t.decoder.Extend(ids)
	}
	return logits
}

// prefill times reading and returns the peaks measured beside it, in GFLOP/s.
func (t *trialOf) prefill(runs int, c *layers.Config) (s PrefillSpeed, peaks []float64) {
	t.read() // buffers and clocks get where they stay
	var speeds, shares []float64
	body, head := c.Arithmetic(t.context)
	for range runs {
		peak := layers.PeakFlops(t.pool)
		began := time.Now()
		t.read()
		took := time.Since(began).Seconds()
		speeds, peaks = append(speeds, float64(t.batch*t.context)/took), append(peaks, peak)
		shares = append(shares, float64(t.batch)*(body*float64(t.context)+head)/took/1e9/peak)
	}
	per := middle(speeds)
	return PrefillSpeed{Layers: c.Strip(), Context: t.context, PerSec: per,
		GFlops: per * (body + head/float64(t.context)) / 1e9, OfPeak: middle(shares)}, peaks
}

// decode times greedy writing and returns the bandwidths measured beside it, in GB/s.
func (t *trialOf) decode(runs int) (s DecodeSpeed, memory []float64) {
	var speeds, shares []float64
	ids := make([]int32, t.batch)
	logits := t.read() // each run goes on where the last one ended: reading costs more than writing a little
	for range runs {
		bandwidth := layers.MemoryBandwidth(t.pool)
		bytes := 0
		began := time.Now()
		for range t.tokens {
			for i := range ids {
				ids[i] = layers.Sample(logits, i, 0, nil)
			}
			logits = t.decoder.Extend(ids)
			bytes += t.decoder.TokenBytes()
		}
		took := time.Since(began).Seconds()
		speeds, memory = append(speeds, float64(t.batch*t.tokens)/took), append(memory, bandwidth)
		shares = append(shares, float64(bytes)/took/1e9/bandwidth)
		s.StepBytes += float64(bytes) / float64(t.tokens*runs)
	}
	s.Context, s.Batch, s.PerSec = t.context, t.batch, middle(speeds)
	s.Bytes = s.StepBytes / float64(t.batch)
	s.GBps, s.OfMemory = s.Bytes*s.PerSec/1e9, middle(shares)
	return s, memory
}

// middle returns the median of a sorted copy, the upper of two.
func middle(x []float64) float64 {
	x = slices.Clone(x)
	slices.Sort(x)
	return x[len(x)/2]
}
