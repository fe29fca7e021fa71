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
		pieces = append(pieces, Piece{l.decode(b.Tokens[at+from : at+t]), t - from, counted, span})
	}
	return pieces
}

// decode writes tokens as they stand within a text: Decode would take from a
// piece what belongs to the beginning of a text.
func (l *Loader) decode(ids []int32) string {
	var w strings.Builder
	for _, id := range ids {
		w.WriteString(l.tok.Token(id))
	}
	return w.String()
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

// marks are what stands around text that counts, around text that does not, and
// around the lines between documents.
type marks struct{ count, end, frame, frameEnd, line, lineEnd string }

var (
	plain  = marks{count: "[[", end: "]]"}
	colour = marks{"\x1b[32m", "\x1b[0m", "\x1b[2m", "\x1b[0m", "\x1b[36m", "\x1b[0m"} // green, faint, cyan
)

// Preview writes rows for people: each document under its name, what the loss
// counts in [[ ]], and how much of the batch that is.
func (l *Loader) Preview(w io.Writer, b *Batch) error { return l.preview(w, b, plain) }

// PreviewColour is Preview for terminals: what the loss counts is green, the rest
// faint.
func (l *Loader) PreviewColour(w io.Writer, b *Batch) error { return l.preview(w, b, colour) }

func (l *Loader) preview(w io.Writer, b *Batch, m marks) error {
	var out strings.Builder
	for i := range b.B {
		last := -2
		for _, p := range l.Pieces(b, i) {
			if p.Span != last {
				if last != -2 {
					out.WriteByte('\n')
				}
				if p.Span < 0 {
					fmt.Fprintf(&out, "%s--- row %d, padding: %d tokens%s", m.line, i, p.Tokens, m.lineEnd)
				} else {
					s := b.Spans[p.Span]
					fmt.Fprintf(&out, "%s--- row %d, tokens %d to %d: %s%s\n", m.line, i, s.From, s.To, l.DocumentName(s), m.lineEnd)
				}
				last = p.Span
			}
			switch {
			case p.Span < 0:
			case p.Counted:
				out.WriteString(m.count + p.Text + m.end)
			default:
				out.WriteString(m.frame + p.Text + m.frameEnd)
			}
		}
		out.WriteByte('\n')
	}
	fmt.Fprintf(&out, "%d rows of %d tokens, %d counted\n", b.B, b.T, b.Counted())
	_, err := io.WriteString(w, out.String())
	return err
}
