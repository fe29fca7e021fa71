package data

import "time"

// Stats is what a number of rows hold.
type Stats struct {
	Rows      int           `json:"rows"`
	Tokens    int           `json:"tokens"`    // padding included
	Padding   int           `json:"padding"`   // tokens
	Counted   int           `json:"counted"`   // tokens that the loss asks for
	Documents int           `json:"documents"` // or parts of them
	Cut       int           `json:"cut"`       // documents that the end of a row cuts off
	Sources   []SourceStats `json:"sources"`
	Seconds   float64       `json:"seconds"` // to make the rows, on one thread
}

// SourceStats is a source's part of them, and what was read of it.
type SourceStats struct {
	Name      string  `json:"name"`
	Documents int     `json:"documents"` // of the source; 0: endless
	Held      int     `json:"held"`      // of which are held out
	Bytes     int64   `json:"bytes"`
	Bad       int     `json:"bad"` // records left out
	FirstBad  string  `json:"first_bad,omitempty"`
	Tokens    int     `json:"tokens"`
	Share     float64 `json:"share"` // of the tokens that are no padding
}

// CountedShare is the part of all tokens that the loss asks for.
func (s Stats) CountedShare() float64 { return share(s.Counted, s.Tokens) }

// CutShare is the part of documents that the end of a row cuts off.
func (s Stats) CutShare() float64 { return share(s.Cut, s.Documents) }

// TokensPerSecond is how fast one thread makes rows.
func (s Stats) TokensPerSecond() float64 {
	if s.Seconds == 0 {
		return 0
	}
	return float64(s.Tokens) / s.Seconds
}

func share(part, all int) float64 {
	if all == 0 {
		return 0
	}
	return float64(part) / float64(all)
}

// Stats makes the first rows of a split and counts what they hold.
func (l *Loader) Stats(split Split, rows int) (Stats, error) {
	s := Stats{Rows: rows, Sources: make([]SourceStats, len(l.mix.sources))}
	for i, info := range l.Sources() {
		s.Sources[i] = SourceStats{Name: info.Name, Documents: info.Documents, Held: info.Held, Bytes: info.Bytes, Bad: info.Bad, FirstBad: info.FirstBad}
	}
	const chunk = 64 // bounds the memory, whatever the number of rows
	for first := 0; first < rows; first += chunk {
		began := time.Now()
		b, err := l.Rows(split, int64(first), min(chunk, rows-first))
		if err != nil {
			return Stats{}, err
		}
		s.Seconds += time.Since(began).Seconds()
		s.Tokens += len(b.Tokens)
		s.Counted += b.Counted()
		for _, span := range b.Spans {
			s.Documents++
			s.Sources[span.Source].Tokens += span.To - span.From
			if span.Cut {
				s.Cut++
			}
		}
	}
	read := 0
	for _, src := range s.Sources {
		read += src.Tokens
	}
	for i := range s.Sources {
		s.Sources[i].Share = share(s.Sources[i].Tokens, read)
	}
	s.Padding = s.Tokens - read
	return s, nil
}
