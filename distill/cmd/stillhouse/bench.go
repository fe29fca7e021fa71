package main

import (
	"fmt"
	"io"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"stillhouse/distill"
	"stillhouse/layers"
)

func (a *app) benchCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure training and generation against this machine's limits",
	}
	c.AddCommand(a.benchStepCommand(), a.benchGenerateCommand(), a.benchGemmCommand())
	return c
}

func (a *app) benchStepCommand() *cobra.Command {
	var geometry string
	var batch, seq, steps int
	var profile, checkpoint bool
	c := &cobra.Command{
		Use:   "step",
		Short: "Time one distillation step against the processor's and the memory's limits",
		Long: `Times whole training steps, teacher's forward pass, student, loss, gradients and
AdamW, and lays them against what this machine can do, measured in the same run:
the multiply-adds on registers alone, and the memory's bandwidth. Useful
arithmetic is what the mathematics asks for: no recomputation, no padding, causal
attention as the half it is. The loss has the same bits at any --threads.

Close other programs first: what they take is missing here.`,
		Example: `  stillhouse bench step
  stillhouse bench step --geometry smol135m --profile
  stillhouse bench step --geometry smol135m --checkpoint-blocks
  stillhouse bench step --batch 4 --seq 512 --json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			g, err := distill.GeometryByName(geometry)
			if err != nil {
				return usageError("--geometry: %v", err)
			}
			for _, f := range []struct {
				name  string
				value int
				to    *int
			}{{"batch", batch, &g.B}, {"seq", seq, &g.T}, {"steps", steps, &g.Steps}} {
				if f.value < 0 {
					return usageError("--%s is %d, want at least 1", f.name, f.value)
				}
				if f.value > 0 {
					*f.to = f.value
				}
			}
			g.CheckpointBlocks = checkpoint
			p := layers.NewPool(a.threads)
			defer p.Close()
			r, err := distill.BenchStep(p, g)
			if err != nil {
				return err
			}
			return a.print(r, func(w io.Writer) { stepText(w, r, profile) })
		},
	}
	f := c.Flags()
	f.StringVar(&geometry, "geometry", "default", "default: D 256, 8 layers, V 512; smol135m: D 576, 30 layers, V 49152")
	f.IntVar(&batch, "batch", 0, "sequences a step; 0 takes the geometry's")
	f.IntVar(&seq, "seq", 0, "tokens a sequence; 0 takes the geometry's")
	f.IntVar(&steps, "steps", 0, "steps to take the median of; 0 takes the geometry's")
	f.BoolVar(&checkpoint, "checkpoint-blocks", false, "keep only each block's input for the backward pass, as train.checkpoint_blocks")
	f.BoolVar(&profile, "profile", false, "print the time by operation, each against its own limit")
	return c
}

// stepText is the report of bench step for people.
func stepText(w io.Writer, r *distill.StepReport, profile bool) {
	fmt.Fprintf(w, "%s  %s  batch %d × %d tokens  %.1f M parameters  %s, %d threads\n\n",
		r.Geometry, r.Layers, r.Batch, r.Seq, float64(r.Parameters)/1e6, r.ISA, r.Threads)
	fmt.Fprintf(w, "step            %8.1f ms     median of %d; loss %v\n", r.StepSeconds*1e3, r.Steps, r.Loss)
	fmt.Fprintf(w, "tokens/s        %8.0f\n", r.TokensPerSec)
	fmt.Fprintf(w, "useful          %8.1f GFLOP/s\n", r.UsefulGFlops)
	fmt.Fprintf(w, "peak            %8.1f GFLOP/s of multiply-adds on registers\n", r.PeakGFlops)
	fmt.Fprintf(w, "share of peak   %8.1f %%\n", 100*r.PeakFraction)
	if r.MatrixGFlops > 0 {
		fmt.Fprintf(w, "matrix unit     %8.1f GFLOP/s on registers, float32 in three parts\n", r.MatrixGFlops)
	}
	fmt.Fprintf(w, "memory          %8.1f GB/s\n", r.MemGBps)
	fmt.Fprintf(w, "allocations     %8.0f a step, %.1f KiB\n", r.Allocs, r.AllocBytes/1024)
	memoryText(w, &r.Memory)
	if !profile {
		return
	}
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"graph", "operation", "pass", "ms", "of step", "limit", "of limit"})
	for _, o := range r.ByOp {
		row := table.Row{o.Graph, o.Op, o.Pass, fmt.Sprintf("%.2f", o.Seconds*1e3), fmt.Sprintf("%.1f %%", 100*o.OfStep), o.Limit, ""}
		if o.Limit != "" {
			row[6] = fmt.Sprintf("%.0f %%", 100*o.OfLimit)
		}
		t.AppendRow(row)
	}
	fmt.Fprintf(w, "\n%s\n", t.Render())
	fmt.Fprintln(w, "limit flops: useful arithmetic at the peak; more than 100 % on a matrix unit. limit bytes: each\noperand moved once at the memory's bandwidth; more than 100 % when operands were still in a cache.")
}

// memoryText lays the memory that a step took against its plan, part by part.
func memoryText(w io.Writer, m *distill.MemoryReport) {
	against := func(name string, got, planned int64, what string) {
		fmt.Fprintf(w, "%-15s %8.1f MiB of %8.1f planned%s\n", name, mib(got), mib(planned), what)
	}
	if m.Peak == 0 {
		fmt.Fprintf(w, "peak memory     not known here; %.1f MiB planned\n", mib(m.PlannedPeak))
	} else {
		against("peak memory", m.Peak, m.PlannedPeak, fmt.Sprintf(" (%+.1f %%)", 100*(m.OfPlanned-1)))
	}
	against("  weights", m.Weights, m.Planned.Weights, "")
	against("  optimizer", m.Optimizer, m.Planned.Optimizer, "")
	against("  activations", m.Activations, m.Planned.Activations, "")
	against("  scratch", m.Scratch, m.Planned.Scratch, "")
	if m.Peak > 0 {
		against("  process", m.Process, m.Planned.Process, "")
	}
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }

func (a *app) benchGenerateCommand() *cobra.Command {
	var contexts []int
	var decode int
	var svg string
	var limits decodeFlags
	c := &cobra.Command{
		Use:   "generate [MODEL|RUN]",
		Short: "Time reading and writing of text against context length, for teacher and hybrids",
		Long: `Times prefill and greedy decoding of one sequence at each context length, and
the memory that the context takes: of a model, and of the hybrids that a quarter,
a half, three quarters and all of its attention layers replaced by Mamba-2 make.
Given a run folder it measures the run's teacher and the students of its stages.

With --geometry it times a model of that size with random weights, and the hybrid
with half of its attention layers replaced, against this machine's limits measured
beside each run: reading against the multiply-adds on registers, writing against
the memory's bandwidth. Bytes a token are the matrices once for all sequences, the
cache of the past, and states read and written.`,
		Example: `  stillhouse bench generate
  stillhouse bench generate --geometry smol135m --batches 1,8
  stillhouse bench generate runs/quickstart --contexts 256,4096 --svg speed.svg`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			source := "embedded:teacher"
			if len(args) > 0 {
				source = args[0]
			}
			for _, n := range append(contexts, decode) {
				if n < 1 {
					return usageError("a length of %d tokens: want at least 1", n)
				}
			}
			if limits.geometry != "" {
				if len(args) > 0 || svg != "" {
					return usageError("--geometry takes random weights: neither a model nor --svg goes with it")
				}
				if !c.Flags().Changed("contexts") {
					contexts = []int{256}
				}
				return a.benchDecode(c, limits, contexts, decode)
			}
			progress, err := a.newProgress()
			if err != nil {
				return err
			}
			p := layers.NewPool(a.threads)
			defer p.Close()
			began := time.Now()
			r, err := distill.BenchGenerate(c.Context(), p, source, contexts, decode, progress)
			if err != nil {
				return err
			}
			if svg != "" {
				if err := r.WriteSVG(svg); err != nil {
					return err
				}
			}
			return a.print(r, func(w io.Writer) {
				generateText(w, r)
				fmt.Fprintf(w, "took %s\n", time.Since(began).Round(time.Second))
			})
		},
	}
	f := c.Flags()
	f.IntSliceVar(&contexts, "contexts", []int{256, 512, 1024, 2048, 4096, 8192, 16384}, "context lengths, in tokens; 256 with --geometry")
	f.IntVar(&decode, "decode", 32, "tokens to decode at each context length")
	f.StringVar(&svg, "svg", "", "draw speed and memory against context length into this file")
	limits.add(f)
	return c
}

// generateText is the report of bench generate for people.
func generateText(w io.Writer, r *distill.GenerateReport) {
	fmt.Fprintf(w, "%s  %s, %d threads\n", r.Source, r.ISA, r.Threads)
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"model", "layers", "context", "prefill tokens/s", "decode tokens/s", "of teacher", "state KiB", "of teacher"})
	for _, s := range r.Speeds {
		row := table.Row{s.Name, r.Strips[s.Name], s.Context, fmt.Sprintf("%.0f", s.Prefill), fmt.Sprintf("%.1f", s.Decode), "", fmt.Sprintf("%.1f", float64(s.StateBytes)/1024), ""}
		if base := r.Speeds[0].Name; s.Name != base {
			for _, o := range r.Speeds {
				if o.Name == base && o.Context == s.Context {
					row[5], row[7] = fmt.Sprintf("%.2f ×", s.Decode/o.Decode), fmt.Sprintf("%.3f", float64(s.StateBytes)/float64(o.StateBytes))
				}
			}
		}
		t.AppendRow(row)
	}
	fmt.Fprintln(w, t.Render())
}
