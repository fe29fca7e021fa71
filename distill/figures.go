package distill

import (
	"bytes"
	"fmt"
	"html/template"
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
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
		p := NewFigure(f.title)
		if !f.draw(p) {
			continue
		}
		svg, err := render(p)
		if err != nil {
			return nil, err
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

// NewFigure returns an empty plot in the style of all our figures.
func NewFigure(title string) *plot.Plot {
	p := plot.New()
	p.Title.Text = title
	for _, t := range []*text.Style{&p.X.Label.TextStyle, &p.Y.Label.TextStyle, &p.X.Tick.Label, &p.Y.Tick.Label, &p.Legend.TextStyle} {
		t.Font.Variant, t.Font.Size = "Sans", vg.Points(9)
	}
	p.Title.TextStyle.Font.Variant, p.Title.TextStyle.Font.Size = "Sans", vg.Points(12)
	p.Title.Padding, p.X.Label.Padding, p.Y.Label.Padding = 8, 3, 3
	p.Legend.Top, p.Legend.Padding = true, 2
	g := plotter.NewGrid()
	g.Vertical.Color, g.Horizontal.Color = color.Gray{235}, color.Gray{235}
	p.Add(g)
	return p
}

// FigureColor returns the i-th colour of the palette; they repeat.
func FigureColor(i int) color.Color { return palette[i%len(palette)] }

// FigureSVG draws a plot, sizes in points, as an SVG file.
func FigureSVG(p *plot.Plot, width, height float64) ([]byte, error) {
	w, err := p.WriterTo(vg.Points(width), vg.Points(height), "svg")
	if err != nil {
		return nil, fmt.Errorf("draw %q: %w", p.Title.Text, err)
	}
	var b bytes.Buffer
	if _, err := w.WriteTo(&b); err != nil {
		return nil, fmt.Errorf("draw %q: %w", p.Title.Text, err)
	}
	return b.Bytes(), nil
}

// render draws p with room above its highest curve.
func render(p *plot.Plot) (template.HTML, error) {
	if _, log := p.Y.Scale.(plot.LogScale); log {
		p.Y.Min, p.Y.Max = p.Y.Min/1.15, p.Y.Max*1.15
	} else {
		p.Y.Max += 0.06 * (p.Y.Max - p.Y.Min)
	}
	s, err := FigureSVG(p, 430, 270)
	if err != nil {
		return "", err
	}
	return template.HTML(s[bytes.Index(s, []byte("<svg")):]), nil // inline: without the XML prologue
}

var _ = vgsvg.DefaultWidth // registers the svg format that WriterTo names

// line adds one curve; points draws its marks too.
func line(p *plot.Plot, name string, i int, xy plotter.XYs, points bool) {
	l, s, err := plotter.NewLinePoints(xy)
	if err != nil {
		return // no points: nothing to draw
	}
	l.Color, s.Color = FigureColor(i), FigureColor(i)
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
