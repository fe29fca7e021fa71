package experiments

import (
	"fmt"
	"math"
	"strings"
)

// Markdown returns the result as text: what was compared, the arms, the
// differences, every cell, and what a reader must know.
func (r *Result) Markdown() string {
	var b strings.Builder
	direction := "lower"
	if moreIsBetter(r.Metric) {
		direction = "higher"
	}
	fmt.Fprintf(&b, "# %s\n\n", r.Name)
	fmt.Fprintf(&b, "%d of %d cells complete", r.Count(Complete), len(r.Cells))
	for _, s := range []Status{Incomplete, Failed, Missing} {
		if n := r.Count(s); n > 0 {
			fmt.Fprintf(&b, ", %d %s", n, s)
		}
	}
	fmt.Fprintf(&b, ". Compared: %s (%s is better) against %s, paired by seed.\n\n", r.Metric, direction, r.Baseline)
	r.armTable(&b)
	r.differenceTable(&b)
	r.cellTable(&b)
	if len(r.Notes) > 0 {
		b.WriteString("\n## To know\n\n")
		for _, n := range r.Notes {
			fmt.Fprintf(&b, "- %s\n", n)
		}
	}
	return b.String()
}

// armTable has a row an arm: mean and range of each metric.
func (r *Result) armTable(b *strings.Builder) {
	head := append([]string{"arm", "seeds", "tokens a cell"}, titles(r.Metrics)...)
	rows := [][]string{}
	if c := r.anyComplete(); c != nil && c.Teacher != nil {
		row := []string{"(teacher)", "–", "–"}
		for _, m := range r.Metrics {
			row = append(row, value(c.Teacher.Metric(m))(m))
		}
		rows = append(rows, row)
	}
	for _, a := range r.Arms {
		row := []string{a.Name, fmt.Sprint(a.Seeds), fmt.Sprint(a.Tokens)}
		for _, m := range r.Metrics {
			cell := "–"
			for _, s := range a.Summaries {
				if s.Metric == m {
					cell = fmt.Sprintf("%s (%s–%s)", format(m, s.Mean), format(m, s.Min), format(m, s.Max))
				}
			}
			row = append(row, cell)
		}
		rows = append(rows, row)
	}
	grid(b, head, rows)
	b.WriteString("\nMean over seeds, lowest and highest in brackets. Tasks by generation unless it says otherwise.\n")
}

// differenceTable has a row a comparison.
func (r *Result) differenceTable(b *strings.Builder) {
	fmt.Fprintf(b, "\n## Difference to %s in %s\n\n", r.Baseline, r.Metric)
	adjusted := "p (Holm)"
	if r.Correction != "holm" {
		adjusted = "p (not corrected)"
	}
	head := []string{"arm", "difference", "by seed", fmt.Sprintf("%g %% CI", 100*(1-r.Alpha)), "p", adjusted, "detectable", "verdict"}
	var rows [][]string
	for _, c := range r.Comparisons {
		if c.Refused != "" {
			rows = append(rows, []string{c.Arm, "–", "–", "–", "–", "–", "–", string(c.Verdict)})
			continue
		}
		var by []string
		for _, d := range c.Differences {
			by = append(by, signed(r.Metric, d))
		}
		interval, effect := "–", "–"
		if c.Low != nil {
			interval = signed(r.Metric, *c.Low) + " to " + signed(r.Metric, *c.High)
		}
		if c.Detectable != nil {
			effect = format(r.Metric, *c.Detectable)
		}
		rows = append(rows, []string{c.Arm, signed(r.Metric, c.Mean), strings.Join(by, " "), interval, probability(c.P), probability(c.Adjusted), effect, string(c.Verdict)})
	}
	grid(b, head, rows)
	fmt.Fprintf(b, "\np: exact paired sign-flip test, two-sided. CI: t, from three pairs on. Detectable: the true difference that a t test on as many pairs finds four times in five at %g.\n", r.Alpha)
}

// cellTable has a row a cell.
func (r *Result) cellTable(b *strings.Builder) {
	b.WriteString("\n## Every cell\n\n")
	head := append([]string{"arm", "seed", "layers", "tokens", "scoring tokens"}, append(titles(r.Metrics), "seconds")...)
	var rows [][]string
	for _, c := range r.Cells {
		row := []string{c.Arm, fmt.Sprint(c.Seed)}
		if c.Status != Complete {
			row = append(row, string(c.Status), "–", "–")
			for range r.Metrics {
				row = append(row, "–")
			}
			rows = append(rows, append(row, "–"))
			continue
		}
		row = append(row, c.Final.Strip, fmt.Sprint(c.Tokens), fmt.Sprint(c.Scoring))
		for _, m := range r.Metrics {
			row = append(row, value(c.Final.Metric(m))(m))
		}
		rows = append(rows, append(row, fmt.Sprintf("%.0f", c.Seconds)))
	}
	grid(b, head, rows)
	for _, c := range r.Cells {
		if c.Status == Failed {
			fmt.Fprintf(b, "\n%s seed %d failed: %s\n", c.Arm, c.Seed, c.Error)
		}
	}
}

func (r *Result) anyComplete() *Cell {
	for i := range r.Cells {
		if r.Cells[i].Status == Complete {
			return &r.Cells[i]
		}
	}
	return nil
}

// titles shortens the names of metrics for a table's head.
func titles(metrics []string) []string {
	var out []string
	for _, m := range metrics {
		m = strings.TrimSuffix(strings.TrimPrefix(m, "val_"), ".generate")
		out = append(out, strings.ReplaceAll(m, "_", " "))
	}
	return out
}

// value is a metric that may be missing.
func value(v float64, ok bool) func(metric string) string {
	return func(metric string) string {
		if !ok {
			return "–"
		}
		return format(metric, v)
	}
}

// format writes a metric in its unit: shares in percent, the rest as it is.
func format(metric string, v float64) string {
	if moreIsBetter(metric) {
		return fmt.Sprintf("%.1f %%", 100*v)
	}
	switch a := math.Abs(v); {
	case a == 0:
		return "0"
	case a < 0.001:
		return fmt.Sprintf("%.2g", v)
	}
	return fmt.Sprintf("%.4f", v)
}

// signed is format with the sign always there; a zero has none.
func signed(metric string, v float64) string {
	s := format(metric, math.Abs(v))
	switch {
	case s == format(metric, 0):
		return s
	case v < 0:
		return "−" + s
	}
	return "+" + s
}

// grid writes a Markdown table whose columns line up, so that it reads as text
// too.
func grid(b *strings.Builder, head []string, rows [][]string) {
	width := make([]int, len(head))
	for _, row := range append([][]string{head}, rows...) {
		for i, c := range row {
			width[i] = max(width[i], len([]rune(c)))
		}
	}
	line := func(cells []string, fill string) {
		for i, c := range cells {
			b.WriteString("| " + c + strings.Repeat(fill, width[i]-len([]rune(c))) + " ")
		}
		b.WriteString("|\n")
	}
	line(head, " ")
	line(make([]string, len(head)), "-")
	for _, row := range rows {
		line(row, " ")
	}
}
