package distill

import "strings"

// stopper ends a text before the first of some strings, which may come in pieces.
type stopper struct {
	stops []string
	held  string // the end of what came that may be the beginning of a stop
}

func newStopper(stops []string) *stopper {
	s := &stopper{}
	for _, x := range stops {
		if x != "" {
			s.stops = append(s.stops, x)
		}
	}
	return s
}

// pass returns what of the text so far can be shown; stopped when a stop was
// found, and then what came before it.
func (s *stopper) pass(text string) (show string, stopped bool) {
	text = s.held + text
	s.held = ""
	first := -1
	for _, x := range s.stops {
		if i := strings.Index(text, x); i >= 0 && (first < 0 || i < first) {
			first = i
		}
	}
	if first >= 0 {
		return text[:first], true
	}
	keep := 0
	for _, x := range s.stops {
		for n := min(len(x)-1, len(text)); n > keep; n-- {
			if strings.HasSuffix(text, x[:n]) {
				keep = n
			}
		}
	}
	s.held = text[len(text)-keep:]
	return text[:len(text)-keep], false
}
