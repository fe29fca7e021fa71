package recipes

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// convert gives a scalar its Go value; message says what is wrong with it.
func convert(n *node, f *field) (v any, message, hint string) {
	s := n.text
	number := func() string {
		if n.quoted {
			return "remove the quotes"
		}
		return ""
	}
	var x float64
	var err error
	switch f.shape {
	case aText:
		if len(f.enum) > 0 && !slices.Contains(f.enum, s) {
			hint = "one of " + strings.Join(f.enum, ", ")
			if near := nearest(s, f.enum); near != "" {
				hint = "did you mean " + near + "? It is " + hint
			}
			return nil, "does not know " + strconv.Quote(s), hint
		}
		return s, "", ""
	case aBool:
		switch {
		case s == "true" && !n.quoted:
			return true, "", ""
		case s == "false" && !n.quoted:
			return false, "", ""
		}
		return nil, "wants true or false, got " + strconv.Quote(s), number()
	case anInt:
		i, e := strconv.Atoi(strings.ReplaceAll(s, "_", ""))
		if e != nil || n.quoted {
			if cnt, e := ParseCount(s); e == nil && !n.quoted && int64(cnt) <= math.MaxInt32 {
				i = int(cnt)
			} else {
				return nil, "wants a whole number, got " + strconv.Quote(s), number()
			}
		}
		v, x = i, float64(i)
	case aUint:
		u, e := strconv.ParseUint(s, 10, 64)
		if e != nil || n.quoted {
			return nil, "wants a whole number, 0 or more, got " + strconv.Quote(s), number()
		}
		v, x = u, float64(u)
	case aFloat:
		x, err = strconv.ParseFloat(s, 64)
		if err != nil || n.quoted || math.IsInf(x, 0) || math.IsNaN(x) || strings.ContainsAny(s, "xXpP") {
			return nil, "wants a number, got " + strconv.Quote(s), number()
		}
		v = x
	case aCount:
		var cnt Count
		if cnt, err = ParseCount(s); err == nil {
			v, x = cnt, float64(cnt)
		}
	case aDuration:
		var d Duration
		if d, err = ParseDuration(s); err == nil {
			v, x = d, float64(d)
		} else if _, e := strconv.ParseFloat(s, 64); e == nil {
			hint = "say of what: " + s + "s or " + s + "m"
		}
	case aBytes:
		var b Bytes
		if b, err = ParseBytes(s); err == nil {
			v, x = b, float64(b)
		}
	}
	if err != nil {
		message, wants, _ := strings.Cut(err.Error(), "; ")
		if hint == "" {
			hint = wants
		}
		return nil, "is wrong: " + message, hint
	}
	return v, f.outside(x), ""
}

// outside says how x breaks the bounds; "" if it does not.
func (f *field) outside(x float64) string {
	say := func(word string, bound float64) string {
		return "must be " + word + " " + strconv.FormatFloat(bound, 'g', -1, 64) + ", got " + strconv.FormatFloat(x, 'g', -1, 64)
	}
	switch {
	case f.min != nil && f.openMin && x <= *f.min:
		return say("more than", *f.min)
	case f.min != nil && x < *f.min:
		return say("at least", *f.min)
	case f.max != nil && f.openMax && x >= *f.max:
		return say("less than", *f.max)
	case f.max != nil && x > *f.max:
		return say("at most", *f.max)
	}
	return ""
}
