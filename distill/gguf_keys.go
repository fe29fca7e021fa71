package distill

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"stillhouse/checkpoints/gguf"
)

// ggufKeys reads a file's metadata by key, collects what is wrong with it, and
// knows what was never asked for: a key that nobody read may change the model.
type ggufKeys struct {
	meta     []gguf.KV
	read     map[string]bool
	problems []error
}

func newGGUFKeys(f *gguf.File) *ggufKeys {
	return &ggufKeys{meta: f.Metadata(), read: map[string]bool{}}
}

func (k *ggufKeys) bad(key, format string, args ...any) {
	k.problems = append(k.problems, fmt.Errorf("%s %s", key, fmt.Sprintf(format, args...)))
}

func (k *ggufKeys) err() error { return errors.Join(k.problems...) }

// value returns what a key holds, nil when it is missing.
func (k *ggufKeys) value(key string) any {
	k.read[key] = true
	for _, kv := range k.meta {
		if kv.Key == key {
			return kv.Value
		}
	}
	return nil
}

// ggufValue returns what a key holds, which must be a T as llama.cpp wants it, or
// the value that a missing key stands for.
func ggufValue[T gguf.Value](k *ggufKeys, key string, missing T) T {
	switch v := k.value(key).(type) {
	case nil:
	case T:
		return v
	default:
		k.bad(key, "holds a %T, want a %T", v, missing)
	}
	return missing
}

// number returns a factor, finite and not negative.
func (k *ggufKeys) number(key string, missing float32) float64 {
	v := float64(ggufValue(k, key, missing))
	if !(v >= 0) || math.IsInf(v, 0) {
		k.bad(key, "is %v, want a finite number from 0", v)
		return float64(missing)
	}
	return v
}

// size returns a count that must be there.
func (k *ggufKeys) size(key string) int {
	if k.value(key) == nil {
		k.bad(key, "is missing")
	}
	return k.sizeOr(key, 0)
}

// sizeOr returns a count, or the one that a missing key stands for.
func (k *ggufKeys) sizeOr(key string, missing int) int {
	if k.value(key) == nil {
		return missing
	}
	v := ggufValue[uint32](k, key, 0)
	if v > math.MaxInt32 {
		k.bad(key, "is %d, want at most %d", v, math.MaxInt32)
		return missing
	}
	return int(v)
}

// perLayer returns one count a layer: an array of as many, or a single one for
// all of them. A missing key is the value given.
func (k *ggufKeys) perLayer(key string, layers, missing int) []int {
	var counts []int
	switch v := k.value(key).(type) {
	case []uint32:
		for _, n := range v {
			counts = append(counts, int(n))
		}
	case []int32: // as llama.cpp's converter writes it
		for _, n := range v {
			counts = append(counts, int(n))
		}
	default:
		return slices.Repeat([]int{k.sizeOr(key, missing)}, layers)
	}
	if len(counts) != layers || slices.Min(counts) < 0 || slices.Max(counts) > math.MaxInt32 {
		k.bad(key, "is %v, want %d counts, one a layer", counts, layers)
		return slices.Repeat([]int{missing}, layers)
	}
	return counts
}

// same returns the one count that all layers have.
func (k *ggufKeys) same(key string, counts []int) int {
	if len(counts) == 0 {
		return 0
	}
	if len(slices.Compact(slices.Clone(counts))) > 1 {
		k.bad(key, "is %v: layers of different sizes are not supported", counts)
	}
	return counts[0]
}

// neutral refuses a key that is neither missing nor one of the values that
// change nothing.
func (k *ggufKeys) neutral(key string, values ...any) {
	if v := k.value(key); v != nil && !slices.ContainsFunc(values, func(n any) bool { return fmt.Sprint(n) == fmt.Sprint(v) }) {
		k.bad(key, "is %v, which is not supported", v)
	}
}

// unread refuses what begins with a prefix and that nobody asked for.
func (k *ggufKeys) unread(prefix string) {
	for _, kv := range k.meta {
		if strings.HasPrefix(kv.Key, prefix) && !k.read[kv.Key] {
			k.bad(kv.Key, "is %v, which is not supported", kv.Value)
		}
	}
}
