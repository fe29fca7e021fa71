package distill

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
)

// lossCurve draws the loss over the run's tokens, a running mean, one colour a
// phase; every phase of every stage is a line of its own.
func (r *Report) lossCurve(p *plot.Plot) bool {
	type stretch struct {
		stage int
		phase string
	}
	curves, order, names := map[stretch]plotter.XYs{}, []stretch(nil), []string(nil)
	for _, e := range r.Events {
		if e.Train == nil || !finite(e.Train.Loss) {
			continue
		}
		k := stretch{e.Stage, e.Phase}
		if curves[k] == nil {
			order = append(order, k)
		}
		curves[k] = append(curves[k], plotter.XY{X: float64(e.Tokens) / 1e3, Y: e.Train.Loss})
	}
	for _, k := range order {
		i, label := slices.Index(names, k.phase), ""
		if i < 0 {
			i, label = len(names), k.phase
			names = append(names, k.phase)
		}
		line(p, label, i, smooth(curves[k]), false)
	}
	p.X.Label.Text, p.Y.Label.Text = "thousand tokens", "loss"
	p.Y.Min = 0
	return len(names) > 0
}

// smooth replaces each value by the exponential mean of those before it, over
// about a twentieth of the curve.
func smooth(xy plotter.XYs) plotter.XYs {
	out := make(plotter.XYs, len(xy))
	a := 1 / (1 + float64(len(xy))/20)
	for i, v := range xy {
		out[i] = v
		if i > 0 {
			out[i].Y = a*v.Y + (1-a)*out[i-1].Y
		}
	}
	return out
}

// klCurve draws the held-out KL by number of Mamba layers.
func (r *Report) klCurve(p *plot.Plot) bool {
	var xy plotter.XYs
	for _, e := range r.Evaluations() {
		xy = append(xy, plotter.XY{X: float64(e.Mamba), Y: e.KL})
	}
	line(p, "", 1, xy, true)
	p.X.Label.Text, p.Y.Label.Text = "Mamba layers", "KL to teacher, nats"
	p.X.Tick.Marker = whole{}
	p.Y.Min = 0
	return len(xy) > 1
}

func (r *Report) decodeCurve(p *plot.Plot) bool {
	p.Y.Label.Text = "tokens/s"
	p.Legend.Left, p.Legend.Top = true, false
	return r.speedCurve(p, func(s Speed) float64 { return s.Decode })
}

func (r *Report) stateCurve(p *plot.Plot) bool {
	p.Y.Label.Text = "KiB"
	p.Legend.Left = true
	return r.speedCurve(p, func(s Speed) float64 { return float64(s.StateBytes) / 1024 })
}

func (r *Report) speedCurve(p *plot.Plot, y func(Speed) float64) bool {
	names, contexts := r.speedAxes()
	for i, n := range names {
		var xy plotter.XYs
		for _, s := range r.Speeds {
			if s.Name == n && y(s) > 0 {
				xy = append(xy, plotter.XY{X: float64(s.Context), Y: y(s)})
			}
		}
		line(p, n, i, xy, true)
	}
	p.X.Label.Text = "context, tokens"
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.X.Tick.Marker, p.Y.Tick.Marker = at(contexts), oneTwoFive{}
	return len(names) > 0
}

// scoreCurve draws each scoring relative to its own largest value.
func (r *Report) scoreCurve(p *plot.Plot) bool {
	for i, s := range r.Scores {
		top := 0.0
		for _, v := range s.Layers {
			top = max(top, math.Abs(v.Value))
		}
		var xy plotter.XYs
		for _, v := range s.Layers {
			if top > 0 {
				xy = append(xy, plotter.XY{X: float64(v.Layer), Y: v.Value / top})
			}
		}
		line(p, fmt.Sprintf("%s, stage %d", s.Method, s.Stage), i, xy, true)
	}
	p.X.Label.Text, p.Y.Label.Text = "layer", "share of the largest"
	p.X.Tick.Marker = whole{}
	p.Y.Min = min(0, p.Y.Min)
	return len(r.Scores) > 0
}
