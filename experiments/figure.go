package experiments

import (
	"fmt"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"stillhouse/distill"
)

// Figure draws the compared metric: a row an arm, a dot a seed, a bar at the
// mean. Nothing is summarised away that a reader could see. It returns nil when
// no cell is complete.
func (r *Result) Figure() ([]byte, error) {
	p := distill.NewFigure(fmt.Sprintf("%s: %s by arm", r.Name, r.Metric))
	names := make([]string, len(r.Arms))
	drawn := false
	for i, a := range r.Arms {
		row := len(r.Arms) - 1 - i // the first arm on top
		names[row] = a.Name
		vs := r.values(a.Name, r.Metric)
		if len(vs) == 0 {
			continue
		}
		drawn = true
		if err := drawArm(p, i, float64(row), vs); err != nil {
			return nil, fmt.Errorf("figure: arm %s: %w", a.Name, err)
		}
	}
	if !drawn {
		return nil, nil
	}
	p.NominalY(names...)
	p.Y.Min, p.Y.Max = -0.6, float64(len(r.Arms))-0.4
	room := 0.04 * (p.X.Max - p.X.Min)
	p.X.Min, p.X.Max = p.X.Min-room, p.X.Max+room
	p.X.Label.Text = r.Metric + ", one dot a seed, bar: mean"
	if r.Metric == "val_kl" {
		p.X.Label.Text = "KL to teacher, nats; one dot a seed, bar: mean"
	}
	return distill.FigureSVG(p, 460, 100+34*float64(len(r.Arms)))
}

// drawArm adds the dots and the mean of one arm.
func drawArm(p *plot.Plot, color int, row float64, vs []float64) error {
	xy, mean := make(plotter.XYs, len(vs)), 0.0
	for i, v := range vs {
		// Seeds stand apart a little, in order, so that equal values both show.
		xy[i] = plotter.XY{X: v, Y: row + 0.16*(float64(i)-float64(len(vs)-1)/2)/float64(max(1, len(vs)-1))}
		mean += v / float64(len(vs))
	}
	dots, err := plotter.NewScatter(xy)
	if err != nil {
		return err
	}
	dots.GlyphStyle = draw.GlyphStyle{Color: distill.FigureColor(color), Radius: vg.Points(3.5), Shape: draw.CircleGlyph{}}
	bar, err := plotter.NewLine(plotter.XYs{{X: mean, Y: row - 0.28}, {X: mean, Y: row + 0.28}})
	if err != nil {
		return err
	}
	bar.Color, bar.Width = distill.FigureColor(color), vg.Points(2)
	p.Add(bar, dots)
	return nil
}
