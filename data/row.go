package data

// How a row is made. A row takes T+1 tokens, so that its last token, too, has a
// label. All its documents come from one source, drawn by the mixture's weights:
// so each source has exactly its share of the rows, long documents or short.
//
//	<|bos|> prompt text <|eos|> <|bos|> prompt te
//	└───── document 1 ────────┘ └─ document 2, cut
//
// A text longer than a row begins at the line a random byte is in and runs to the
// end of the row or of the text; begun in the middle it has no <|bos|>. A prompt
// with its completion always begins at its beginning. What does not fit at the
// end is cut, so that packed rows are full.

import (
	"fmt"
	"slices"
)

type row struct {
	tokens  []int32 // up to T+1
	start   []int32 // of the document of each token
	counted []bool  // this token is a label that counts
	spans   []Span
}

// mostDraws is how many documents a row tries until one has something to learn.
const mostDraws = 100

// fill makes row number n of a split.
func (w *row) fill(l *Loader, s Split, n int64) error {
	r, seed := l.cfg.rowRand(s, n)
	which := l.mix.choose(r)
	src := l.mix.sources[which]
	t := l.cfg.SequenceLen
	w.clear()
	for draws := 0; len(w.tokens) < t; draws++ {
		if draws == mostDraws && len(w.spans) == 0 {
			return fmt.Errorf("data: %s: %d documents had nothing to learn in the first %d tokens; hint: prompts are longer than data.sequence_len, raise it",
				src.info().Name, mostDraws, t+1)
		}
		at, ok := src.pick(r, s)
		if !ok {
			return fmt.Errorf("data: %s: no %v document; hint: data.validation.fraction is %g, and files have no test split",
				src.info().Name, s, l.cfg.ValidationFraction)
		}
		doc, err := src.read(s, seed, at)
		if err != nil {
			return err
		}
		from := len(w.tokens)
		w.add(l, doc, t+1)
		if len(w.spans) == 0 && !slices.Contains(w.counted[1:], true) {
			w.clear() // it would be a row that teaches nothing
			continue
		}
		w.spans = append(w.spans, Span{From: from, To: min(len(w.tokens), t), Source: which, split: s, place: at})
		if !l.cfg.Packing {
			break
		}
	}
	return nil
}

func (w *row) clear() {
	w.tokens, w.start, w.counted, w.spans = w.tokens[:0], w.start[:0], w.counted[:0], w.spans[:0]
}

// add appends a document, cut at most tokens in all.
func (w *row) add(l *Loader, doc Document, most int) {
	from := len(w.tokens)
	if doc.Head {
		w.tokens = append(w.tokens, l.bos)
	}
	all := l.cfg.LossOn == All
	w.mark(from, all)
	for _, p := range doc.Parts {
		w.tokens, _ = l.tok.EncodeAtMost(w.tokens, p.Text, most-len(w.tokens))
		w.mark(from, all || p.Counted)
	}
	if len(w.tokens) < most {
		w.tokens = append(w.tokens, l.eos)
		w.mark(from, true)
	}
}

// mark completes start and counted for the tokens appended last.
func (w *row) mark(from int, counted bool) {
	for len(w.start) < len(w.tokens) {
		w.start, w.counted = append(w.start, int32(from)), append(w.counted, counted)
	}
}

// write puts the row into row i of b.
func (w *row) write(b *Batch, i int, pad int32) {
	at := i * b.T
	tokens, labels, start, mask := b.Tokens[at:at+b.T], b.Labels[at:at+b.T], b.Start[at:at+b.T], b.Mask[at:at+b.T]
	for t := range b.T {
		labels[t] = -1
		if t >= len(w.tokens) {
			tokens[t], start[t] = pad, int32(len(w.tokens))
			continue
		}
		tokens[t], start[t] = w.tokens[t], w.start[t]
		if t+1 < len(w.tokens) && w.start[t+1] == w.start[t] {
			labels[t] = w.tokens[t+1]
			if w.counted[t+1] {
				mask[t] = 1
			}
		}
	}
	for _, s := range w.spans {
		s.Row = i
		b.Spans = append(b.Spans, s)
	}
}
