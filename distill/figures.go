package distill

import (
	"bytes"
	"fmt"
	"html/template"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// figures draws every picture that the run has data for.
func (r *Report) figures() ([]Figure, error) {
	fs := []Figure{{Name: "layers", Title: "Layers by stage", SVG: r.stripSVG(),
		Caption: "Each row is a stage: which layers are attention and which have become Mamba. Bars: the importance that decided."}}
	for _, f := range []struct {
		name, title, caption string
		draw                 func(*plot.Plot) bool
	}{
		{"loss", "Distillation loss", "The objective, a running mean; each stage begins where mixers does.", r.lossCurve},
		{"kl", "KL to the teacher", "Held-out KL(teacher‖student) after each stage, nats a token.", r.klCurve},
		{"decode", "Decoding speed", "Greedy decoding, one sequence, tokens a second against context length (log–log).", r.decodeCurve},
		{"state", "Memory of one sequence", "Key/value cache and recurrent state against context length (log–log).", r.stateCurve},
		{"scores", "Importance by method", "Each scoring scaled to its largest value; lower is more replaceable.", r.scoreCurve},
	} {
		p := plot.New()
		p.Title.Text = f.title
		style(p)
		if !f.draw(p) {
			continue
		}
		svg, err := render(p)
		if err != nil {
			return nil, fmt.Errorf("figure %s: %w", f.name, err)
		}
		fs = append(fs, Figure{Name: f.name, Title: f.title, Caption: f.caption, SVG: svg})
	}
	return fs, nil
}

// palette is told apart by eye and in grey; dashes repeat it.
var palette = []color.Color{
	color.RGBA{0x3f, 0x6c, 0x9b, 255}, color.RGBA{0xd9, 0x8a, 0x2b, 255}, color.RGBA{0x4b, 0x8b, 0x5a, 255},
	color.RGBA{0xa8, 0x3f, 0x55, 255}, color.RGBA{0x6b, 0x55, 0x9b, 255}, color.RGBA{0x5c, 0x67, 0x70, 255},
}

func style(p *plot.Plot) {
	p.Title.TextStyle.Font.Size = vg.Points(12)
	p.Title.Padding = vg.Points(6)
	p.X.Label.TextStyle.Font.Size, p.Y.Label.TextStyle.Font.Size = vg.Points(10), vg.Points(10)
	p.Legend.Top = true
	p.Legend.TextStyle.Font.Size = vg.Points(9)
	g := plotter.NewGrid()
	g.Vertical.Color, g.Horizontal.Color = color.Gray{235}, color.Gray{235}
	p.Add(g)
}

func render(p *plot.Plot) (template.HTML, error) {
	w, err := p.WriterTo(vg.Points(430), vg.Points(270), "svg")
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	if _, err := w.WriteTo(&b); err != nil {
		return "", err
	}
	s := b.Bytes()
	return template.HTML(s[bytes.Index(s, []byte("<svg")):]), nil // inline: without the XML prologue
}

var _ = vgsvg.DefaultWidth // registers the svg format that WriterTo names

// line adds one curve; points draws its marks too.
func line(p *plot.Plot, name string, i int, xy plotter.XYs, points bool) {
	l, s, err := plotter.NewLinePoints(xy)
	if err != nil {
		return // no points: nothing to draw
	}
	l.Color, s.Color = palette[i%len(palette)], palette[i%len(palette)]
	l.Width = vg.Points(1.5)
	if i >= len(palette) {
		l.Dashes = []vg.Length{vg.Points(4), vg.Points(2)}
	}
	s.Shape, s.Radius = plotter.DefaultGlyphStyle.Shape, vg.Points(2.5)
	if p.Add(l); points {
		p.Add(s)
	}
	if name != "" {
		p.Legend.Add(name, l)
	}
}

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
	p.Y.Min = 0
	return len(xy) > 1
}

func (r *Report) decodeCurve(p *plot.Plot) bool {
	p.Y.Label.Text = "tokens/s"
	return r.speedCurve(p, func(s Speed) float64 { return s.Decode })
}

func (r *Report) stateCurve(p *plot.Plot) bool {
	p.Y.Label.Text = "KiB"
	return r.speedCurve(p, func(s Speed) float64 { return float64(s.StateBytes) / 1024 })
}

func (r *Report) speedCurve(p *plot.Plot, y func(Speed) float64) bool {
	names, _ := r.speedAxes()
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
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.LogTicks{Prec: -1}, plot.LogTicks{Prec: -1}
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
	return len(r.Scores) > 0
}
