package main

import (
	"fmt"
	"io"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"stillhouse/distill"
	"stillhouse/layers"
)

// decodeFlags are the flags of bench generate that lay random weights against
// the machine's limits.
type decodeFlags struct {
	geometry string
	dtypes   []string
	batches  []int
	runs     int
}

func (f *decodeFlags) add(s *pflag.FlagSet) {
	s.StringVar(&f.geometry, "geometry", "", "time random weights of this size: default or smol135m")
	s.StringSliceVar(&f.dtypes, "dtype", []string{"float32"}, "of the matrices, with --geometry: float32, bfloat16 or both")
	s.IntSliceVar(&f.batches, "batches", []int{1, 2, 4, 8}, "sequences side by side, with --geometry")
	s.IntVar(&f.runs, "runs", 5, "to take the median of, with --geometry")
}

// benchDecode is bench generate --geometry.
func (a *app) benchDecode(c *cobra.Command, f decodeFlags, contexts []int, tokens int) error {
	g, err := distill.GeometryByName(f.geometry)
	if err != nil {
		return usageError("--geometry: %v", err)
	}
	for _, d := range f.dtypes {
		if _, err := distill.IsBF16(d); err != nil {
			return usageError("--dtype: %v", err)
		}
	}
	for _, n := range append([]int{f.runs}, f.batches...) {
		if n < 1 {
			return usageError("--batches and --runs: %d, want at least 1", n)
		}
	}
	progress, err := a.newProgress()
	if err != nil {
		return err
	}
	p := layers.NewPool(a.threads)
	defer p.Close()
	b := distill.DecodeBench{Geometry: g, DTypes: f.dtypes, Contexts: contexts, Batches: f.batches, Tokens: tokens, Runs: f.runs}
	r, err := distill.BenchDecode(c.Context(), p, b, progress)
	if err != nil {
		return err
	}
	return a.print(r, func(w io.Writer) { decodeText(w, r) })
}

// decodeText is the report of bench generate --geometry for people.
func decodeText(w io.Writer, r *distill.DecodeReport) {
	fmt.Fprintf(w, "%s  %.1f M parameters  %s, %d threads; medians of %d runs\n", r.Geometry, float64(r.Parameters)/1e6, r.ISA, r.Threads, r.Runs)
	fmt.Fprintf(w, "multiply-adds %.1f GFLOP/s, memory %.1f GB/s, reads alone %.1f GB/s\n", r.PeakGFlops, r.MemGBps, r.ReadGBps)
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"read", "matrices", "context", "tokens/s", "GFLOP/s", "of peak"})
	for _, s := range r.Prefill {
		t.AppendRow(table.Row{s.Layers, s.DType, s.Context, fmt.Sprintf("%.0f", s.PerSec), fmt.Sprintf("%.1f", s.GFlops), fmt.Sprintf("%.0f %%", 100*s.OfPeak)})
	}
	fmt.Fprintln(w, t.Render())
	t = table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"write", "matrices", "context", "sequences", "tokens/s", "MB a token", "GB/s", "of memory"})
	for _, s := range r.Decode {
		t.AppendRow(table.Row{s.Layers, s.DType, s.Context, s.Batch, fmt.Sprintf("%.1f", s.PerSec), fmt.Sprintf("%.1f", s.Bytes/1e6),
			fmt.Sprintf("%.1f", s.GBps), fmt.Sprintf("%.0f %%", 100*s.OfMemory)})
	}
	fmt.Fprintln(w, t.Render())
}
