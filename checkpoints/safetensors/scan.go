package safetensors

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// scanner reads the JSON of a header and nothing else: objects, strings and
// plain integers. encoding/json would keep the last of two equal keys, fold
// their case, and take 1e3 for an integer; two readers that differ there read
// two models from one file.
type scanner struct {
	b []byte
	i int
}

func (s *scanner) fail(format string, args ...any) error {
	return fmt.Errorf("header byte %d: "+format, append([]any{s.i}, args...)...)
}

func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\r', '\n':
			s.i++
		default:
			return
		}
	}
}

// next skips white space and returns the byte that follows, 0 at the end.
func (s *scanner) next() byte {
	s.space()
	if s.i == len(s.b) {
		return 0
	}
	return s.b[s.i]
}

// found names what stands where something else was wanted.
func (s *scanner) found() string {
	if s.i >= len(s.b) {
		return "the end"
	}
	return fmt.Sprintf("%q", s.b[s.i])
}

func (s *scanner) expect(c byte) error {
	if s.next() != c || s.i == len(s.b) {
		return s.fail("%q wanted, found %s", c, s.found())
	}
	s.i++
	return nil
}

// object calls field with every key, standing at its value.
func (s *scanner) object(field func(key string) error) error {
	return s.list('{', '}', func() error {
		key, err := s.string()
		if err != nil {
			return err
		}
		if err := s.expect(':'); err != nil {
			return err
		}
		return field(key)
	})
}

// integers reads an array of at most most plain integers.
func (s *scanner) integers(most int) ([]uint64, error) {
	v := []uint64{}
	err := s.list('[', ']', func() error {
		n, err := s.integer()
		if err == nil && len(v) == most {
			err = s.fail("more than %d numbers", most)
		}
		v = append(v, n)
		return err
	})
	return v, err
}

func (s *scanner) list(begin, end byte, element func() error) error {
	if err := s.expect(begin); err != nil {
		return err
	}
	if s.next() == end {
		s.i++
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		switch s.next() {
		case ',':
			s.i++
		case end:
			s.i++
			return nil
		default:
			return s.fail("',' or %q wanted, found %s", end, s.found())
		}
	}
}

// integer reads a number of digits only, without a leading zero.
func (s *scanner) integer() (uint64, error) {
	s.space()
	start, n := s.i, uint64(0)
	for s.i < len(s.b) && '0' <= s.b[s.i] && s.b[s.i] <= '9' {
		d := uint64(s.b[s.i] - '0')
		if n > (1<<63-1-d)/10 {
			return 0, s.fail("the number is 2^63 or more")
		}
		n = 10*n + d
		s.i++
	}
	switch digits := s.i - start; {
	case digits == 0:
		return 0, s.fail("an integer wanted, found %s", s.found())
	case digits > 1 && s.b[start] == '0':
		return 0, s.fail("a number begins with 0")
	}
	if s.i < len(s.b) && strings.IndexByte(".eE+-", s.b[s.i]) >= 0 {
		return 0, s.fail("a plain integer wanted, found %s", s.found())
	}
	return n, nil
}

// string reads a JSON string. The header is valid UTF-8 as a whole, so only
// escapes can still hide something: one that has no character is refused.
func (s *scanner) string() (string, error) {
	if err := s.expect('"'); err != nil {
		return "", err
	}
	start, escaped := s.i, false
	for ; s.i < len(s.b); s.i++ {
		switch c := s.b[s.i]; {
		case c == '"':
			raw := s.b[start:s.i]
			s.i++
			if !escaped {
				return string(raw), nil
			}
			var v string
			if err := json.Unmarshal(s.b[start-1:s.i], &v); err != nil {
				return "", s.fail("a bad string: %v", err)
			}
			if strings.Count(v, "\ufffd") > bytes.Count(raw, []byte("\ufffd")) {
				return "", s.fail("a string with an escape that is no character")
			}
			return v, nil
		case c == '\\':
			escaped = true
			s.i++
		case c < ' ':
			return "", s.fail("control byte %#02x in a string", c)
		}
	}
	s.i = len(s.b) // a backslash at the very end steps one beyond it
	return "", s.fail("a string does not end")
}
