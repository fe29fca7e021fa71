//go:build unix

// Command 002-peers is our side of the comparison in this folder: the step that
// `stillhouse bench step` times, written out for the other side to repeat from
// the same weights on the same tokens, and then taken one step at a time, so
// that both sides can run in turns.
//
//	002-peers -geometry default -mamba -1 -write DIR    weights, tokens, sizes
//	002-peers -geometry default -mamba -1 -threads 2    a step for every line read
//
// Each step answers with a line of JSON: its seconds, the processor time that
// the process took for it (user and system, all threads), and its loss.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"stillhouse/checkpoints/safetensors"
	"stillhouse/distill"
	"stillhouse/layers"
	"stillhouse/layers/tensor"
)

func main() {
	name := flag.String("geometry", "default", "default or smol135m")
	mamba := flag.Int("mamba", -1, "how many of the last mixers are Mamba-2; -1 takes the geometry's")
	threads := flag.Int("threads", 2, "CPU threads")
	write := flag.String("write", "", "write weights, tokens and sizes into this folder, and end")
	steps := flag.Int("steps", 64, "steps to write tokens for")
	flag.Parse()
	if err := run(*name, *mamba, *threads, *write, *steps); err != nil {
		fmt.Fprintln(os.Stderr, "002-peers:", err)
		os.Exit(1)
	}
}

func run(name string, mamba, threads int, write string, steps int) error {
	g, err := distill.GeometryByName(name)
	if err != nil {
		return err
	}
	if mamba >= 0 {
		g.Mamba = min(mamba, len(g.Model.Mixers))
	}
	teacher, err := layers.New(g.Model, tensor.F32)
	if err != nil {
		return err
	}
	student, err := layers.New(g.Student(), tensor.F32)
	if err != nil {
		return err
	}
	teacher.Init(1) // the seeds of bench step: the first line of run.sh holds the losses against its own
	student.Init(2)
	if write != "" {
		return export(write, g, teacher, student, steps)
	}
	return serve(g, teacher, student, threads)
}

// export writes what the other side starts from.
func export(dir string, g distill.Geometry, teacher, student *layers.Model, steps int) error {
	ids := tensor.New(tensor.I32, steps*g.B, g.T)
	for row := range steps * g.B {
		copy(tensor.Data[int32](ids.Rows(row, row+1)), tokens(row, g.T, g.Model.VocabSize))
	}
	sizes, err := json.Marshal(sizesOf(g, student))
	if err != nil {
		return err
	}
	for file, weights := range map[string][]safetensors.Named{
		"teacher.safetensors": distill.Named(teacher, ""),
		"student.safetensors": distill.Named(student, ""),
		"tokens.safetensors":  {{Name: "ids", Tensor: ids}},
	} {
		if err := writeTensors(filepath.Join(dir, file), weights); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "sizes.json"), sizes, 0o644)
}

func writeTensors(path string, weights []safetensors.Named) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := safetensors.Write(f, weights, nil); err != nil {
		f.Close()
		return fmt.Errorf("write %s: %w", path, err)
	}
	return f.Close()
}

// sizes is a geometry in the words of transformers.
type sizes struct {
	Geometry   string  `json:"geometry"`
	Vocab      int     `json:"vocab_size"`
	Hidden     int     `json:"hidden_size"`
	Inner      int     `json:"intermediate_size"`
	Layers     int     `json:"num_hidden_layers"`
	Heads      int     `json:"num_attention_heads"`
	KVHeads    int     `json:"num_key_value_heads"`
	HeadDim    int     `json:"head_dim"`
	Theta      float64 `json:"rope_theta"`
	Eps        float64 `json:"rms_norm_eps"`
	Tied       bool    `json:"tie_word_embeddings"`
	Mamba      int     `json:"mamba"`
	B          int     `json:"batch"`
	T          int     `json:"seq"`
	Parameters int     `json:"parameters"`
	Useful     float64 `json:"useful_flops"` // of one step, as bench step counts
}

func sizesOf(g distill.Geometry, student *layers.Model) sizes {
	m := g.Model
	return sizes{g.Name, m.VocabSize, m.HiddenSize, m.Intermediate, len(m.Mixers), m.Heads, m.KVHeads, m.HeadDim,
		m.RopeTheta, m.NormEps, m.Tied, g.Mamba, g.B, g.T, student.Size(),
		layers.StepArithmetic(&g.Model, &student.Config, g.B*g.T, g.T)}
}

// tokens are a row of bench step's training stream.
func tokens(row, t, vocab int) []int32 {
	r := rand.New(rand.NewPCG(3, uint64(row)))
	ids := make([]int32, t)
	next := int32(r.IntN(vocab))
	for i := range ids {
		ids[i] = next
		next = int32(r.IntN(vocab))
	}
	return ids
}

// taken is one step, and at the first line of all the machine's peak.
type taken struct {
	Seconds float64 `json:"s"`
	CPU     float64 `json:"cpu_s"`
	Loss    float64 `json:"loss"`
	Peak    float64 `json:"peak_gflops,omitempty"` // only in the answer to "peak"
}

// serve takes a step for every line read; the line "peak" measures the
// multiply-adds of this machine instead.
func serve(g distill.Geometry, teacher, student *layers.Model, threads int) error {
	p := layers.NewPool(threads)
	defer p.Close()
	t, err := distill.NewTrainer(p, teacher, student, distill.Phase{
		Name:      "peers",
		Objective: layers.Objective{{Type: layers.ReverseKL, Weight: 1, Temperature: 1}},
		Trainable: []distill.Group{{Match: func(string) bool { return true }, LRScale: 1}},
		Schedule:  distill.Schedule{Type: "constant", Peak: 1e-4, Steps: 1 << 30},
		B:         g.B, T: g.T, Accumulate: 1, MaxNorm: 1,
		AdamW: layers.AdamWConfig{Beta1: 0.9, Beta2: 0.95, Epsilon: 1e-8, WeightDecay: 0.1},
	}, fill(g.Model.VocabSize), distill.Position{})
	if err != nil {
		return err
	}
	defer t.Close()
	out := json.NewEncoder(os.Stdout)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		if in.Text() == "peak" {
			if err := out.Encode(taken{Peak: layers.PeakFlops(p)}); err != nil {
				return err
			}
			continue
		}
		cpu, began := processorTime(), time.Now()
		m, err := t.Train()
		if err != nil {
			return err
		}
		if err := out.Encode(taken{Seconds: time.Since(began).Seconds(), CPU: processorTime() - cpu, Loss: m.Loss}); err != nil {
			return err
		}
	}
	return nil
}

// fill puts the rows of tokens into a batch, every token counting.
func fill(vocab int) distill.Fill {
	return func(row int64, b *layers.Batch) error {
		ids, labels, weight := tensor.Data[int32](b.IDs), tensor.Data[int32](b.Labels), tensor.Data[float32](b.Weight)
		for s := range b.B {
			copy(ids[s*b.T:(s+1)*b.T], tokens(int(row)+s, b.T, vocab))
		}
		for i := range weight {
			labels[i], weight[i] = 0, 1 // reverse KL reads no labels
		}
		return nil
	}
}

// processorTime returns the seconds of user and system time of all threads.
func processorTime() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(fmt.Sprintf("002-peers: getrusage: %v", err))
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}
