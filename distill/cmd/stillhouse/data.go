package main

import (
	"fmt"
	"io"
	"os"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"stillhouse/data"
	"stillhouse/distill"
)

func (a *app) dataCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "data",
		Short: "Look at the data as the model sees it",
	}
	c.AddCommand(a.dataPreviewCommand())
	return c
}

// previewFlags are the flags of data preview.
type previewFlags struct {
	set     []string
	rows    int
	first   int64
	split   string
	stats   bool
	measure int
}

func (a *app) dataPreviewCommand() *cobra.Command {
	var f previewFlags
	c := &cobra.Command{
		Use:   "preview RECIPE",
		Short: "Show rows of a recipe's data: documents, tokens, and what the loss counts",
		Long: `Preview writes rows as training reads them: every document under its name, special
tokens by name, and what the loss counts in green, or between [[ and ]] where
there is no colour. --stats counts instead: how much of the tokens trains, how
many documents a row's end cuts off, which records were left out and why.

Nothing of the teacher but its tokenizer is read.`,
		Example: `  stillhouse data preview my.yaml -n 3
  stillhouse data preview my.yaml --stats --set data.sequence_len=4096`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return a.preview(args[0], f) },
	}
	s := c.Flags()
	s.StringArrayVar(&f.set, "set", nil, "set a key of the recipe (repeatable)")
	s.IntVarP(&f.rows, "rows", "n", 3, "rows to show")
	s.Int64Var(&f.first, "first", 0, "number of the first row")
	s.StringVar(&f.split, "split", "train", "train or validation")
	s.BoolVar(&f.stats, "stats", false, "count what rows hold")
	s.IntVar(&f.measure, "measure", 512, "rows that --stats counts")
	return c
}

func (a *app) preview(recipe string, f previewFlags) error {
	splits := map[string]data.Split{"train": data.Train, "validation": data.Validation}
	split, ok := splits[f.split]
	switch {
	case !ok:
		return usageError("--split is %q, want train or validation", f.split)
	case f.rows < 1 || f.first < 0:
		return usageError("%d rows from row %d: want at least 1, from 0 on", f.rows, f.first)
	case f.measure < 1:
		return usageError("--measure is %d, want at least 1", f.measure)
	}
	r, err := a.load(recipe, f.set)
	if err != nil {
		return err
	}
	l, err := distill.OpenData(r)
	if err != nil {
		return err
	}
	if f.stats {
		s, err := l.Stats(split, f.measure)
		if err != nil {
			return err
		}
		return a.print(s, func(w io.Writer) { statsText(w, s) })
	}
	b, err := l.Rows(split, f.first, f.rows)
	if err != nil {
		return err
	}
	if a.json {
		return a.print(previewOf(l, b), nil)
	}
	if coloured(a.out) {
		return l.PreviewColour(a.out, b)
	}
	return l.Preview(a.out, b)
}

// previewPiece is a run of tokens in data preview --json.
type previewPiece struct {
	Row      int    `json:"row"`
	Document string `json:"document"` // "" in padding
	Tokens   int    `json:"tokens"`
	Counted  bool   `json:"counted"`
	Text     string `json:"text"`
}

func previewOf(l *data.Loader, b *data.Batch) (pieces []previewPiece) {
	for i := range b.B {
		for _, p := range l.Pieces(b, i) {
			q := previewPiece{Row: i, Tokens: p.Tokens, Counted: p.Counted}
			if p.Span >= 0 {
				q.Document, q.Text = l.DocumentName(b.Spans[p.Span]), p.Text
			}
			pieces = append(pieces, q)
		}
	}
	return pieces
}

// statsText is data preview --stats for people.
func statsText(w io.Writer, s data.Stats) {
	fmt.Fprintf(w, "%d rows, %d tokens, made at %.0f tokens/s on one thread\n", s.Rows, s.Tokens, s.TokensPerSecond())
	fmt.Fprintf(w, "trained    %5.1f %% of the tokens\n", 100*s.CountedShare())
	fmt.Fprintf(w, "padding    %5.1f %%\n", 100*float64(s.Padding)/float64(s.Tokens))
	fmt.Fprintf(w, "truncated  %5.1f %% of %d documents, by the end of a row\n", 100*s.CutShare(), s.Documents)
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"source", "share", "documents", "held out", "size", "left out"})
	for _, x := range s.Sources {
		documents, held, size := "endless", "", ""
		if x.Documents > 0 {
			documents, held, size = fmt.Sprint(x.Documents), fmt.Sprint(x.Held), distill.HumanBytes(x.Bytes)
		}
		t.AppendRow(table.Row{x.Name, fmt.Sprintf("%.1f %%", 100*x.Share), documents, held, size, x.Bad})
	}
	fmt.Fprintln(w, t.Render())
	for _, x := range s.Sources {
		if left := data.LeftOut(x.Name, x.Bad, x.FirstBad); left != "" {
			fmt.Fprintln(w, left)
		}
	}
}

// coloured reports whether a stream is a terminal that wants colour.
func coloured(w io.Writer) bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isTerminal(w)
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
