// Command 004-decoding is our side of the comparison in this folder: it writes
// models of SmolLM2-135M's sizes as GGUF, for both sides to load the same files,
// and reads and continues texts with them, one command at a time, so that both
// sides can run in turns.
//
//	004-decoding -write DIR                                       attention and hybrid, F32 and BF16
//	004-decoding -model FILE.gguf -dtype bfloat16 -threads 2      serve lines on stdin:
//
//	prefill N       seconds to read N tokens
//	decode N M      seconds to write M tokens after N
//	bandwidth       GB/s of the memory
//
// The hybrid's last 15 of 30 layers are Mamba-2 of twice the model's width, which
// is the one width that llama.cpp takes, so that neither side carries idle heads.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"stillhouse/distill"
	"stillhouse/distill/export"
	"stillhouse/layers"
	"stillhouse/layers/tensor"
)

func main() {
	write := flag.String("write", "", "write the models into this folder, and end")
	file := flag.String("model", "", "GGUF to serve")
	dtype := flag.String("dtype", "float32", "of the matrices: float32 or bfloat16")
	threads := flag.Int("threads", 2, "CPU threads")
	flag.Parse()
	var err error
	if *write != "" {
		err = writeModels(*write)
	} else {
		err = serve(*file, *dtype == "bfloat16", *threads)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "004-decoding:", err)
		os.Exit(1)
	}
}

func writeModels(dir string) error {
	g, err := distill.GeometryByName("smol135m")
	if err != nil {
		return err
	}
	c := g.Model.Clone()
	c.MaxPositions = 8192
	hybrid := c.Clone()
	for l := len(hybrid.Mixers) - g.Mamba; l < len(hybrid.Mixers); l++ {
		m := layers.Mamba2For(&c)
		m.Heads, m.Groups, m.GroupedNorm = 2*m.Heads, 2*m.Groups, true
		hybrid.Mixers[l] = layers.Mixed{Kind: layers.KindMamba2, Mamba2: &m}
	}
	for name, c := range map[string]layers.Config{"attention": c, "hybrid": hybrid} {
		m, err := layers.New(c, tensor.F32)
		if err != nil {
			return err
		}
		m.Init(1)
		for _, dtype := range []string{"float32", "bfloat16"} {
			o := distill.ExportOptions{Options: export.Options{Format: export.GGUF, DType: dtype}, Name: name}
			if _, err := distill.Export(nil, &distill.Loaded{Model: m, Source: name}, filepath.Join(dir, name+"-"+dtype), o); err != nil {
				return err
			}
		}
	}
	return nil
}

func serve(file string, bf16 bool, threads int) error {
	l, err := distill.LoadModel(file)
	if err != nil {
		return err
	}
	p := layers.NewPool(threads)
	defer p.Close()
	decoder := layers.NewDecoder
	if bf16 {
		decoder = layers.NewBF16Decoder
	}
	const longest = 8192
	d := decoder(p, l.Model, 1, longest)
	out := json.NewEncoder(os.Stdout)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var word string
		var n, m int
		fmt.Sscan(in.Text(), &word, &n, &m)
		var answer float64
		switch word {
		case "prefill":
			answer = read(d, n, l.Model.Config.VocabSize)
		case "decode":
			read(d, n, l.Model.Config.VocabSize)
			answer = continued(d, m)
		case "bandwidth":
			answer = layers.MemoryBandwidth(p)
		default:
			return fmt.Errorf("%q is no command", in.Text())
		}
		if err := out.Encode(answer); err != nil {
			return err
		}
	}
	return nil
}

// read returns the seconds that n tokens take, the head's for the last one included.
func read(d *layers.Decoder, n, vocab int) float64 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(i * 7919 % vocab)
	}
	d.Reset()
	began := time.Now()
	for at := 0; at < n; at += 512 { // llama.cpp's own batch
		d.Extend(ids[at:min(n, at+512)])
	}
	return time.Since(began).Seconds()
}

// continued returns the seconds that m tokens of greedy text take.
func continued(d *layers.Decoder, m int) float64 {
	id := []int32{1}
	began := time.Now()
	for range m {
		id[0] = layers.Sample(d.Extend(id), 0, 0, nil)
	}
	return time.Since(began).Seconds()
}
