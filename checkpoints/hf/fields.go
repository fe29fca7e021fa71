package hf

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"
)

const (
	maxConfig = 16 << 20 // bytes; the largest in the wild carry label lists
	maxLayers = 1000
	maxSize   = 1<<31 - 1
)

// fields reads the keys of one JSON object by their exact spelling and collects
// what is wrong with them, so that a user sees all of it at once.
type fields struct {
	values   map[string]json.RawMessage
	problems []error  // what cannot be
	features []string // what is not supported
}

func newFields(b []byte) (*fields, error) {
	if len(b) > maxConfig {
		return nil, fmt.Errorf("%d bytes, the most is %d", len(b), maxConfig)
	}
	if !utf8.Valid(b) {
		return nil, errors.New("not valid UTF-8")
	}
	b = quoteInfinities(b)
	if err := checkJSON(b); err != nil {
		return nil, err
	}
	f := &fields{}
	if err := json.Unmarshal(b, &f.values); err != nil {
		return nil, err
	}
	if f.values == nil {
		return nil, errors.New("not an object")
	}
	return f, nil
}

func (f *fields) bad(key, format string, args ...any) {
	f.problems = append(f.problems, fmt.Errorf("%s %s", key, fmt.Sprintf(format, args...)))
}

func (f *fields) unsupported(format string, args ...any) {
	f.features = append(f.features, fmt.Sprintf(format, args...))
}

// err returns everything that was collected. What cannot be outweighs what is
// not supported.
func (f *fields) err(modelType string) error {
	if len(f.problems) > 0 {
		return fmt.Errorf("hf: %w: %w", ErrConfig, errors.Join(f.problems...))
	}
	if len(f.features) > 0 {
		return fmt.Errorf("hf: %w", &UnsupportedError{modelType, f.features})
	}
	return nil
}

// raw returns the value of key; nil when it is missing or null.
func (f *fields) raw(key string) json.RawMessage {
	v := f.values[key]
	if string(v) == "null" {
		return nil
	}
	return v
}

// null reports whether key is there and null, which some keys tell from missing.
func (f *fields) null(key string) bool { return string(f.values[key]) == "null" }

// decode reads key into v and reports whether it was there.
func (f *fields) decode(key string, v any, want string) bool {
	raw := f.raw(key)
	if raw == nil {
		return false
	}
	if err := json.Unmarshal(raw, v); err != nil {
		f.bad(key, "is %s, want %s", clip(raw), want)
		return false
	}
	return true
}

func clip(b []byte) string {
	if len(b) > 60 {
		return string(b[:57]) + "..."
	}
	return string(b)
}

func (f *fields) text(key, missing string) string {
	v := missing
	f.decode(key, &v, "a string")
	return v
}

func (f *fields) flag(key string, missing bool) bool {
	v := missing
	f.decode(key, &v, "true or false")
	return v
}

// words returns a list of strings.
func (f *fields) words(key string) []string {
	var v []string
	f.decode(key, &v, "a list of strings")
	return v
}

func (f *fields) object(key string) *fields {
	o := &fields{}
	if !f.decode(key, &o.values, "an object") {
		return nil
	}
	return o
}

// count returns a whole number from 0 on; null is 0.
func (f *fields) count(key string, missing int) int {
	if f.null(key) {
		return 0
	}
	v := number(missing)
	f.decode(key, &v, "a number")
	if v < 0 || v > maxSize || v != number(math.Trunc(float64(v))) {
		f.bad(key, "is %v, want a whole number from 0 to %d", v, maxSize)
		return 0
	}
	return int(v)
}

// size is count of what must be at least 1; missing 0: it must be there.
func (f *fields) size(key string, missing int) int {
	if f.raw(key) == nil {
		if missing == 0 {
			f.bad(key, "is missing")
		}
		return missing
	}
	before := len(f.problems)
	v := f.count(key, 0)
	if v == 0 && len(f.problems) == before {
		f.bad(key, "is 0, want at least 1")
	}
	return v
}

// positive returns a finite number above 0.
func (f *fields) positive(key string, missing float64) float64 {
	v := number(missing)
	f.decode(key, &v, "a number")
	if !(v > 0) || math.IsInf(float64(v), 0) {
		f.bad(key, "is %v, want a finite number above 0", v)
		return missing
	}
	return float64(v)
}

// id returns a token id; -1 when there is none.
func (f *fields) id(key string) int {
	if f.raw(key) == nil {
		return -1
	}
	return f.count(key, 0)
}

// ids returns a token id or a list of them.
func (f *fields) ids(key string) []int {
	raw := f.raw(key)
	if raw == nil {
		return nil
	}
	if raw[0] != '[' {
		return []int{f.count(key, 0)}
	}
	var v []int
	f.decode(key, &v, "a token id or a list of them")
	if slices.ContainsFunc(v, func(id int) bool { return id < 0 || id > maxSize }) {
		f.bad(key, "is %v, want token ids", v)
	}
	return v
}

// mambaHead returns the head width, which may be "auto": expand·hidden/heads.
func (f *fields) mambaHead(hidden int, key, expand, heads string, missing int) int {
	if raw := f.raw(key); raw != nil && string(raw) != `"auto"` {
		return f.size(key, 0)
	}
	if n := f.size(heads, missing); n > 0 {
		return int(f.positive(expand, 2)*float64(hidden)) / n
	}
	return 0
}
