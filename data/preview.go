package data

import (
	"fmt"
	"io"
	"strings"
)

// Piece is a run of tokens of one document that the loss treats alike.
type Piece struct {
	Text    string // decoded; special tokens by name; a rune cut between pieces is not whole
	Tokens  int
	Counted bool // the loss asks the model for these tokens
	Span    int  // of Batch.Spans; -1: padding
}

// Pieces returns row i of the batch as the model sees it.
func (l *Loader) Pieces(b *Batch, i int) []Piece {
	var pieces []Piece
	at := i * b.T
	for t := 0; t < b.T; {
		span, end := b.spanAt(i, t)
		counted := b.counted(at, t)
		from := t
		for t++; t < end && b.counted(at, t) == counted; t++ {
		}
		pieces = append(pieces, Piece{l.tok.Decode(b.Tokens[at+from : at+t]), t - from, counted, span})
	}
	return pieces
}

// counted reports whether token t of the row at is asked for: the mask stands
// where it is predicted, one token earlier.
func (b *Batch) counted(at, t int) bool {
	return t > 0 && b.Start[at+t] == b.Start[at+t-1] && b.Mask[at+t-1] != 0
}

// spanAt returns the span that token t of a row is in and where that ends.
func (b *Batch) spanAt(row, t int) (span, end int) {
	for i, s := range b.Spans {
		if s.Row == row && s.From <= t && t < s.To {
			return i, s.To
		}
	}
	return -1, b.T
}

// Preview writes rows for people: each document under its name, what the loss
// counts in [[ ]], and how much of the batch that is.
func (l *Loader) Preview(w io.Writer, b *Batch) error {
	var out strings.Builder
	for i := range b.B {
		last := -2
		for _, p := range l.Pieces(b, i) {
			if p.Span != last {
				if last != -2 {
					out.WriteByte('\n')
				}
				if p.Span < 0 {
					fmt.Fprintf(&out, "--- row %d, padding: %d tokens", i, p.Tokens)
				} else {
					s := b.Spans[p.Span]
					fmt.Fprintf(&out, "--- row %d, tokens %d to %d: %s\n", i, s.From, s.To, l.DocumentName(s))
				}
				last = p.Span
			}
			switch {
			case p.Span < 0:
			case p.Counted:
				out.WriteString("[[" + p.Text + "]]")
			default:
				out.WriteString(p.Text)
			}
		}
		out.WriteByte('\n')
	}
	fmt.Fprintf(&out, "%d rows of %d tokens, %d counted\n", b.B, b.T, b.Counted())
	_, err := io.WriteString(w, out.String())
	return err
}
