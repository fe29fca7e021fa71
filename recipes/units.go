package recipes

import (
	"fmt"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Count is a number of things, mostly tokens. It is written 200k, 2M, 1.5M, 3B
// or 16Ki (1024 each), or as a plain number.
type Count int64

// Duration is a span of time. It is written 30s, 15m, 1h30m or 2d.
type Duration time.Duration

// Bytes is an amount of memory. It is written 8GiB, 512MiB or 1.5GB.
type Bytes int64

type unit struct {
	suffix string
	size   int64
}

// Largest first; the first of each size is the one that is written.
var (
	countUnits = []unit{{"T", 1e12}, {"B", 1e9}, {"G", 1e9}, {"M", 1e6}, {"k", 1e3}, {"K", 1e3}, {"Gi", 1 << 30}, {"Mi", 1 << 20}, {"Ki", 1 << 10}, {"", 1}}
	byteUnits  = []unit{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"KB", 1e3}, {"B", 1}, {"", 1}}
)

// decimal bounds the exponent, so that no short text is a huge number.
var decimal = regexp.MustCompile(`^([0-9][0-9_]*(?:\.[0-9]+)?(?:[eE]\+?[0-9]{1,2})?)\s*([A-Za-z]*)$`)

// amount reads a number with a unit, exactly.
func amount(s string, units []unit) (int64, error) {
	m := decimal.FindStringSubmatch(strings.TrimSpace(s))
	if m == nil || len(s) > 40 {
		return 0, fmt.Errorf("cannot read %q", s)
	}
	for _, u := range units {
		if u.suffix != m[2] {
			continue
		}
		r, ok := new(big.Rat).SetString(strings.ReplaceAll(m[1], "_", ""))
		if !ok {
			return 0, fmt.Errorf("cannot read %q", s)
		}
		r.Mul(r, new(big.Rat).SetInt64(u.size))
		if !r.IsInt() {
			return 0, fmt.Errorf("%s is not a whole number", s)
		}
		if !r.Num().IsInt64() {
			return 0, fmt.Errorf("%s is too large", s)
		}
		return r.Num().Int64(), nil
	}
	return 0, fmt.Errorf("%q has an unknown unit %q", s, m[2])
}

// write gives the shortest exact form among units.
func write(n int64, units []unit) string {
	for _, u := range units {
		if n != 0 && u.suffix != "" && n%u.size == 0 {
			return strconv.FormatInt(n/u.size, 10) + u.suffix
		}
	}
	return strconv.FormatInt(n, 10)
}

// ParseCount reads a [Count].
func ParseCount(s string) (Count, error) {
	n, err := amount(s, countUnits)
	if err != nil {
		return 0, fmt.Errorf("%w; want a count such as 200k, 2M or 1.5M", err)
	}
	return Count(n), nil
}

// ParseBytes reads [Bytes].
func ParseBytes(s string) (Bytes, error) {
	n, err := amount(s, byteUnits)
	if err != nil {
		return 0, fmt.Errorf("%w; want a size such as 8GiB or 512MiB", err)
	}
	return Bytes(n), nil
}

var days = regexp.MustCompile(`^([0-9]{1,5})d`)

// ParseDuration reads a [Duration].
func ParseDuration(s string) (Duration, error) {
	rest := strings.TrimSpace(s)
	var d time.Duration
	if m := days.FindStringSubmatch(rest); m != nil {
		n, _ := strconv.Atoi(m[1])
		d, rest = time.Duration(n)*24*time.Hour, rest[len(m[0]):]
	}
	if rest != "" {
		r, err := time.ParseDuration(rest)
		if err != nil {
			return 0, fmt.Errorf("cannot read %q; want a duration such as 30s, 15m or 24h", s)
		}
		if d+r < d {
			return 0, fmt.Errorf("%s is negative or too long; want a duration such as 30s, 15m or 24h", s)
		}
		d += r
	} else if s == "" {
		return 0, fmt.Errorf("no duration; want one such as 30s, 15m or 24h")
	}
	return Duration(d), nil
}

// String writes 200k, not 200000.
func (c Count) String() string { return write(int64(c), countUnits[:6]) }

// String writes 8GiB, not 8589934592.
func (b Bytes) String() string { return write(int64(b), byteUnits[:4]) }

// String writes 24h, not 24h0m0s.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalText implements [encoding.TextMarshaler], for YAML.
func (c Count) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// MarshalText implements [encoding.TextMarshaler], for YAML.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// MarshalText implements [encoding.TextMarshaler], for YAML.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// MarshalJSON writes a plain number: JSON is for programs.
func (c Count) MarshalJSON() ([]byte, error) { return strconv.AppendInt(nil, int64(c), 10), nil }

// MarshalJSON writes a plain number: JSON is for programs.
func (b Bytes) MarshalJSON() ([]byte, error) { return strconv.AppendInt(nil, int64(b), 10), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (c *Count) UnmarshalText(t []byte) (err error) { *c, err = ParseCount(string(t)); return err }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (b *Bytes) UnmarshalText(t []byte) (err error) { *b, err = ParseBytes(string(t)); return err }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (d *Duration) UnmarshalText(t []byte) (err error) {
	*d, err = ParseDuration(string(t))
	return err
}

// UnmarshalJSON also takes a plain number, which UnmarshalText never sees.
func (c *Count) UnmarshalJSON(b []byte) error { return c.UnmarshalText(unquoted(b)) }

// UnmarshalJSON also takes a plain number, which UnmarshalText never sees.
func (b *Bytes) UnmarshalJSON(t []byte) error { return b.UnmarshalText(unquoted(t)) }

func unquoted(b []byte) []byte {
	if s, err := strconv.Unquote(string(b)); err == nil {
		return []byte(s)
	}
	return b
}
