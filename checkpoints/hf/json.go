package hf

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
)

// maxDepth bounds how deep a config.json may nest; three levels are usual.
const maxDepth = 64

// quoteInfinities puts the Infinity, -Infinity and NaN that Python writes, and
// JSON does not have, into quotes.
func quoteInfinities(b []byte) []byte {
	var out []byte
	inString := false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case inString && c == '\\' && i+1 < len(b):
			out = append(out, c)
			i++
		case c == '"':
			inString = !inString
		case !inString:
			for _, word := range []string{"-Infinity", "Infinity", "NaN"} {
				if bytes.HasPrefix(b[i:], []byte(word)) {
					out = append(append(append(out, '"'), word...), '"')
					i += len(word)
					break
				}
			}
			if i == len(b) {
				return out
			}
			if b[i] == '"' {
				inString = true
			}
		}
		out = append(out, b[i])
	}
	return out
}

// checkJSON refuses what encoding/json would let pass: a key that is there
// twice, of which it takes the last, and nesting without end.
func checkJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var keys []map[string]bool // one a level; nil for an array
	key := false               // the next string is one
	for {
		token, err := d.Token()
		if err != nil {
			if len(keys) > 0 || d.InputOffset() == 0 {
				return fmt.Errorf("byte %d: %w", d.InputOffset(), err)
			}
			return nil // what follows the object, json.Unmarshal looks at
		}
		switch t := token.(type) {
		case json.Delim:
			switch t {
			case '{':
				keys = append(keys, map[string]bool{})
			case '[':
				keys = append(keys, nil)
			default:
				keys = keys[:len(keys)-1]
			}
			if len(keys) > maxDepth {
				return fmt.Errorf("byte %d: nested deeper than %d", d.InputOffset(), maxDepth)
			}
		case string:
			if key {
				level := keys[len(keys)-1]
				if level[t] {
					return fmt.Errorf("byte %d: key %q is there twice", d.InputOffset(), t)
				}
				level[t] = true
				key = false
				continue
			}
		}
		key = len(keys) > 0 && keys[len(keys)-1] != nil
	}
}

// number is a JSON number, or one of the three that JSON does not have: as a
// string (Python's bare word, quoted above) or as {"__float__": "Infinity"}.
type number float64

func (n *number) UnmarshalJSON(b []byte) error {
	word := strings.Trim(string(b), `"`)
	if len(b) > 0 && b[0] == '{' {
		var o struct {
			Float string `json:"__float__"`
		}
		if err := json.Unmarshal(b, &o); err != nil {
			return err
		}
		word = o.Float
	}
	switch word {
	case "Infinity":
		*n = number(math.Inf(1))
	case "-Infinity":
		*n = number(math.Inf(-1))
	case "NaN":
		*n = number(math.NaN())
	default:
		return json.Unmarshal(b, (*float64)(n))
	}
	return nil
}
