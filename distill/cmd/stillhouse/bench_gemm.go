package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"stillhouse/distill"
	"stillhouse/layers"
)

func (a *app) benchGemmCommand() *cobra.Command {
	var b distill.ProductBench
	var shapes []string
	c := &cobra.Command{
		Use:   "gemm",
		Short: "Time matrix products against the processor's multiply-adds",
		Long: `Times float32 matrix products C[m,n] = op(A)·op(B) over k, as m×n×k, in the forms
that training uses: NT is a linear layer, NN and TN are its gradients. Each is laid
against the multiply-adds that the instruction set's vectors do on registers alone,
measured beside every run; on one thread and on all, or on --threads. On a matrix
unit (amx) products exceed that; what it could do on registers is shown, too.

Close other programs first: what they take is missing here.`,
		Example: `  stillhouse bench gemm
  stillhouse bench gemm --shapes 2048x576x576,512x49152x576 --forms NT
  stillhouse bench gemm --isa avx2 --threads 1 --json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if b.Runs < 1 {
				return usageError("--runs is %d, want at least 1", b.Runs)
			}
			b.Shapes = distill.ProductShapes
			if len(shapes) > 0 {
				b.Shapes = nil
			}
			for _, s := range shapes {
				var x [3]int
				var rest string
				if n, _ := fmt.Sscanf(s, "%dx%dx%d%s", &x[0], &x[1], &x[2], &rest); n != 3 || min(x[0], x[1], x[2]) < 1 {
					return usageError("--shapes: %q, want m×n×k as 2048x512x512", s)
				}
				b.Shapes = append(b.Shapes, x)
			}
			for _, f := range b.Forms {
				if !slices.Contains(productForms, f) {
					return usageError("--forms: unknown form %q (hint: NN, NT, TN or TT)", f)
				}
			}
			if b.ISA != "" && !slices.Contains(layers.ISAs(), b.ISA) {
				return usageError("--isa: this processor has no %q (hint: %s)", b.ISA, strings.Join(layers.ISAs(), ", "))
			}
			if b.Threads = []int{a.threads}; a.threads == 0 {
				b.Threads = slices.Compact([]int{1, runtime.GOMAXPROCS(0)})
			}
			progress, err := a.newProgress()
			if err != nil {
				return err
			}
			r, err := distill.BenchProducts(c.Context(), b, progress)
			if err != nil {
				return err
			}
			return a.print(r, func(w io.Writer) { productText(w, r, b.Forms) })
		},
	}
	f := c.Flags()
	f.StringSliceVar(&shapes, "shapes", nil, "products as MxNxK; none takes a list of large and thin ones")
	f.StringSliceVar(&b.Forms, "forms", productForms, "which operands are stored transposed, A's letter first")
	f.StringVar(&b.ISA, "isa", "", "instruction set: amx, avx512, avx2 or portable; empty takes what training uses")
	f.IntVar(&b.Runs, "runs", 5, "to take the median of")
	return c
}

var productForms = []string{"NN", "NT", "TN", "TT"}

// productText is the report of bench gemm for people: a line a shape and number
// of threads, its forms side by side.
func productText(w io.Writer, r *distill.ProductReport, forms []string) {
	fmt.Fprintf(w, "float32; medians of %d runs: GFLOP/s and share of the peak of multiply-adds\n", r.Runs)
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	header := table.Row{"m×n×k", "isa", "threads"}
	for _, f := range forms {
		header = append(header, f, "of peak")
	}
	header = append(header, "peak")
	matrix := slices.ContainsFunc(r.Rows, func(s distill.ProductSpeed) bool { return s.MatrixGFlops > 0 })
	if matrix {
		header = append(header, "matrix unit")
	}
	t.AppendHeader(header)
	for line := range slices.Chunk(r.Rows, len(forms)) {
		first := line[0]
		row, peak, unit := table.Row{fmt.Sprintf("%d×%d×%d", first.M, first.N, first.K), first.ISA, first.Threads}, 0.0, 0.0
		for _, s := range line {
			row = append(row, fmt.Sprintf("%.1f", s.GFlops), fmt.Sprintf("%.0f %%", 100*s.OfPeak))
			peak, unit = max(peak, s.PeakGFlops), max(unit, s.MatrixGFlops)
		}
		row = append(row, fmt.Sprintf("%.1f", peak))
		if unit > 0 {
			row = append(row, fmt.Sprintf("%.1f", unit))
		}
		t.AppendRow(row)
	}
	fmt.Fprintln(w, t.Render())
}
