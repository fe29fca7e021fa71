package distill

import (
	"fmt"
	"html/template"
	"slices"
	"strings"
)

// The strip is the picture of the method: a row a stage, a column a layer,
// attention or Mamba in each cell, and on top each layer's importance as the
// stage that first looked at it saw it.

const (
	cellWidth, cellHeight = 46, 26
	stripLeft, barHeight  = 96, 84
	amber, slate, grey    = "#d98a2b", "#3f6c9b", "#8b959d"
)

// stripSVG draws the plan over the first scoring of each layer.
func (r *Report) stripSVG() template.HTML {
	n := r.Plan.Layers
	rows := len(r.Plan.Stages) + 1
	width, height := stripLeft+n*cellWidth+150, barHeight+rows*(cellHeight+6)+60
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="system-ui,Segoe UI,Helvetica,Arial,sans-serif" font-size="13" role="img" aria-label="layers by stage">`, width, height, width, height)
	r.bars(&b)
	y := barHeight + 8
	mamba, fresh := []int(nil), []int(nil)
	for i := range rows {
		name := "teacher"
		if i > 0 {
			s := r.Plan.Stages[i-1]
			name, mamba, fresh = fmt.Sprintf("stage %d", s.Index), s.Mamba, s.Replace
		}
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end" fill="#1d2328">%s</text>`, stripLeft-12, y+cellHeight-8, name)
		for l := range n {
			colour, letter, edge := slate, "A", "none"
			if slices.Contains(mamba, l) {
				colour, letter = amber, "M"
			}
			if slices.Contains(fresh, l) {
				edge = "#1d2328"
			}
			x := stripLeft + l*cellWidth
			fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%d" height="%d" rx="4" fill="%s" stroke="%s" stroke-width="2"/><text x="%d" y="%d" text-anchor="middle" fill="#fff" font-weight="600">%s</text>`,
				x+2, y, cellWidth-4, cellHeight, colour, edge, x+cellWidth/2, y+cellHeight-8, letter)
		}
		fmt.Fprintf(&b, `<text x="%d" y="%d" fill="#5c6770">%d of %d Mamba</text>`, stripLeft+n*cellWidth+12, y+cellHeight-8, len(mamba), n)
		y += cellHeight + 6
	}
	for l := range n {
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle" fill="#5c6770">%d</text>`, stripLeft+l*cellWidth+cellWidth/2, y+14, l)
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end" fill="#5c6770">layer</text>`, stripLeft-12, y+14)
	fmt.Fprintf(&b, `<text x="%d" y="%d" fill="#5c6770">A attention · M Mamba · outlined: replaced at that stage</text></svg>`, stripLeft, y+36)
	return template.HTML(b.String())
}

// bars draws each layer's importance by the first scoring that has it.
func (r *Report) bars(b *strings.Builder) {
	top := 0.0
	value := func(l int) (float64, bool) {
		for _, s := range r.Scores {
			if v, ok := s.Of(l); ok {
				return v, true
			}
		}
		return 0, false
	}
	for l := range r.Plan.Layers {
		v, _ := value(l)
		top = max(top, v)
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end" fill="#5c6770">importance</text>`, stripLeft-12, barHeight-4)
	for l := range r.Plan.Layers {
		x := stripLeft + l*cellWidth
		v, ok := value(l)
		if !ok {
			fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle" fill="#5c6770" font-size="11">kept</text>`, x+cellWidth/2, barHeight-4)
			continue
		}
		h := 2
		if top > 0 && v > 0 {
			h = max(2, int(float64(barHeight-22)*v/top))
		}
		fmt.Fprintf(b, `<rect x="%d" y="%d" width="%d" height="%d" fill="%s"/><text x="%d" y="%d" text-anchor="middle" font-size="10" fill="#5c6770">%.2g</text>`,
			x+10, barHeight-h, cellWidth-20, h, grey, x+cellWidth/2, barHeight-h-4, v)
	}
}
