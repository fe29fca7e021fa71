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
	"strings"

	"stillhouse/data/tokenizer"
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
		whole := w.add(l, doc, t+1)
		if len(w.tokens) == from { // a text that the tokenizer makes nothing of
			if draws >= mostDraws {
				break
			}
			continue
		}
		if len(w.spans) == 0 && !slices.Contains(w.counted[1:], true) {
			w.clear() // it would be a row that teaches nothing
			continue
		}
		w.spans = append(w.spans, Span{From: from, To: min(len(w.tokens), t), Source: which, Cut: !whole, split: s, place: at})
		if !l.cfg.Packing {
			break
		}
	}
	return nil
}

func (w *row) clear() {
	w.tokens, w.start, w.counted, w.spans = w.tokens[:0], w.start[:0], w.counted[:0], w.spans[:0]
}

// add appends a document, cut at most tokens in all, and reports whether all of
// it fitted.
func (w *row) add(l *Loader, doc Document, most int) (whole bool) {
	from := len(w.tokens)
	all := l.cfg.LossOn == All
	if doc.Turns {
		return w.addTurns(l, doc, most)
	}
	if doc.Head && l.bos >= 0 {
		w.tokens = append(w.tokens, l.bos)
	}
	w.mark(from, all)
	whole = true
	for _, p := range doc.Parts {
		var fits bool
		w.tokens, fits = l.tok.EncodeAtMost(w.tokens, p.Text, most-len(w.tokens))
		w.mark(from, all || p.Counted)
		whole = whole && fits
	}
	if len(w.tokens) >= most {
		return false
	}
	w.tokens = append(w.tokens, l.eos)
	w.mark(from, true)
	return whole
}

// addTurns appends a conversation. It is encoded as a whole, as other tools do,
// and a token belongs to who wrote its first byte: one that a frame begins is never
// the model's to say.
func (w *row) addTurns(l *Loader, doc Document, most int) (whole bool) {
	from := len(w.tokens)
	var text strings.Builder
	for _, p := range doc.Parts {
		text.WriteString(p.Text)
	}
	ids := l.tok.EncodeSpecial(text.String())
	starts, ok := tokenStarts(l.tok, ids, text.String())
	if !ok {
		// The tokenizer rewrites the text, so that places in it are lost: the turns
		// are encoded apart.
		for _, p := range doc.Parts {
			w.tokens = append(w.tokens, l.tok.EncodeSpecial(p.Text)...)
			w.mark(from, p.Counted)
		}
		return w.cut(most)
	}
	part, end := 0, len(doc.Parts[0].Text)
	for i, id := range ids {
		for starts[i] >= end && part < len(doc.Parts)-1 {
			part++
			end += len(doc.Parts[part].Text)
		}
		w.tokens = append(w.tokens, id)
		w.mark(from, doc.Parts[part].Counted)
	}
	return w.cut(most)
}

// cut drops the tokens beyond most and reports whether there were none.
func (w *row) cut(most int) (whole bool) {
	whole = len(w.tokens) <= most
	most = min(most, len(w.tokens))
	w.tokens, w.start, w.counted = w.tokens[:most], w.start[:most], w.counted[:most]
	return whole
}

// tokenStarts returns the place in text at which each token begins. ok is false
// if the tokens do not decode to the text.
func tokenStarts(tok *tokenizer.Tokenizer, ids []int32, text string) (starts []int, ok bool) {
	s := tok.NewStream()
	starts, at := make([]int, len(ids)), 0
	for i, id := range ids {
		starts[i] = at
		piece := s.Next(id)
		if !strings.HasPrefix(text[at:], piece) {
			return nil, false
		}
		at += len(piece)
	}
	return starts, text[at:] == s.Flush()
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
