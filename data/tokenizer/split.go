package tokenizer

// The Split pre-tokenizer: what becomes of the matches of a pattern, and of the
// text between them.

// behavior is what a delimiter does.
type behavior string

const (
	removed    behavior = "Removed"
	isolated   behavior = "Isolated"
	toPrevious behavior = "MergedWithPrevious"
	toNext     behavior = "MergedWithNext"
	contiguous behavior = "Contiguous"
)

func (b behavior) known() bool {
	switch b {
	case removed, isolated, toPrevious, toNext, contiguous:
		return true
	}
	return false
}

// splitStage cuts at delimiters: at the matches of find or, inverted, at what is
// between them.
type splitStage struct {
	find   finder
	what   behavior
	invert bool
}

// segment is a delimiter or what is between two.
type segment struct {
	start, end int
	delimiter  bool
}

// segments calls yield with segments that cover s.
func (p *splitStage) segments(s string, yield func(segment) bool) {
	from, more := 0, true
	p.find(s, func(start, end int) bool {
		if from < start {
			more = yield(segment{from, start, p.invert})
		}
		more = more && yield(segment{start, end, !p.invert})
		from = end
		return more
	})
	if more && from < len(s) {
		yield(segment{from, len(s), p.invert})
	}
}

func (p *splitStage) cut(s string, first bool, emit func(string, bool) bool) bool {
	more := true
	send := func(g segment) bool {
		if g.start < g.end {
			more = emit(s[g.start:g.end], first && g.start == 0)
		}
		return more
	}
	switch p.what {
	case isolated:
		p.segments(s, send)
	case removed:
		p.segments(s, func(g segment) bool { return g.delimiter || send(g) })
	default:
		var all []segment
		p.segments(s, func(g segment) bool { all = append(all, g); return true })
		for _, g := range p.join(all) {
			if !send(g) {
				break
			}
		}
	}
	return more
}

// join merges segments. A delimiter that follows a delimiter is not merged into
// its neighbour, but for contiguous ones: so does the reference.
func (p *splitStage) join(all []segment) []segment {
	out := all[:0]
	switch p.what {
	case toPrevious, contiguous:
		before := false // whether the segment before is a delimiter
		for _, g := range all {
			merge := g.delimiter && !before
			if p.what == contiguous {
				merge = g.delimiter == before
			}
			before = g.delimiter
			if merge && len(out) > 0 {
				out[len(out)-1].end = g.end
			} else {
				out = append(out, g)
			}
		}
		return out
	case toNext:
		after := false
		at := len(all) // out grows downwards from the end
		for i := len(all) - 1; i >= 0; i-- {
			g := all[i]
			if g.delimiter && !after && at < len(all) {
				all[at].start = g.start
			} else {
				at--
				all[at] = g
			}
			after = g.delimiter
		}
		return all[at:]
	}
	return all
}
