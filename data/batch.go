package data

import "fmt"

// Batch is rows for one step. All slices are [B,T], row after row, but Spans. It
// belongs to the caller.
type Batch struct {
	B, T   int
	Tokens []int32
	// Labels holds the token that follows in the same document; -1 where the
	// document ends, is cut, or the row is padding.
	Labels []int32
	// Start holds, for each token, the place in its row where its document
	// begins: attention, convolution and state reach no further back. A row's
	// padding is a document of its own.
	Start []int32
	// Mask is 1 where the loss counts the label and 0 elsewhere.
	Mask []float32
	// Spans lists the documents in order of row and place.
	Spans []Span
}

// Span is one document's part of a row: tokens From to To of it.
type Span struct {
	Row, From, To int
	Source        int  // of Config.Sources
	Cut           bool // the row ends before the document does

	split Split
	place place
}

// Counted returns how many labels the loss counts: the loss is the mean over
// these, never over B·T.
func (b *Batch) Counted() int {
	n := 0
	for _, m := range b.Mask {
		if m != 0 {
			n++
		}
	}
	return n
}

// Slice returns rows from to to, sharing memory: how a batch is split into
// micro-batches.
func (b *Batch) Slice(from, to int) *Batch {
	if from < 0 || to < from || to > b.B {
		panic(fmt.Sprintf("data: Batch.Slice: rows %d to %d of %d", from, to, b.B))
	}
	i, j := from*b.T, to*b.T
	s := &Batch{B: to - from, T: b.T, Tokens: b.Tokens[i:j], Labels: b.Labels[i:j], Start: b.Start[i:j], Mask: b.Mask[i:j]}
	for _, span := range b.Spans {
		if span.Row >= from && span.Row < to {
			span.Row -= from
			s.Spans = append(s.Spans, span)
		}
	}
	return s
}
