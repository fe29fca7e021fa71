package tasks

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
)

// A Split says what an item is for. No item is in two of them.
type Split uint8

const (
	Train Split = iota
	Validation
	Test
)

func (s Split) String() string {
	switch s {
	case Train:
		return "train"
	case Validation:
		return "validation"
	case Test:
		return "test"
	}
	return fmt.Sprintf("split %d", uint8(s))
}

// MarshalText writes the name, for JSON.
func (s Split) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the name.
func (s *Split) UnmarshalText(b []byte) error {
	for _, known := range []Split{Train, Validation, Test} {
		if string(b) == known.String() {
			*s = known
			return nil
		}
	}
	return fmt.Errorf("tasks: no split %q; hint: there are train, validation and test", b)
}

// SplitOf gives a tenth of all questions to validation and a tenth to test.
// canonical is what is asked, however it is asked.
func SplitOf(task, canonical string) Split {
	switch Hash(task, canonical) % 10 {
	case 0:
		return Validation
	case 1:
		return Test
	}
	return Train
}

// At returns item index of a split. Seed and index may be any numbers; the split
// of a question does not depend on either.
func At(t Task, s Split, seed, index uint64) Item {
	r := rand.New(rand.NewPCG(Mix(seed^Hash(t.Name(), s.String())), Mix(index)))
	for range 100_000 {
		if it := t.Draw(r); SplitOf(t.Name(), it.canonical) == s {
			return it
		}
	}
	// Each draw is in the split with probability 0.1 or more.
	panic(fmt.Sprintf("tasks: %s: no item for %v in 100000 draws", t.Name(), s))
}

// Items returns the first n items of a split: what evaluation runs over.
func Items(t Task, s Split, seed uint64, n int) []Item {
	items := make([]Item, n)
	for i := range items {
		items[i] = At(t, s, seed, uint64(i))
	}
	return items
}

// Hash decides splits: FNV-1a of the parts, finished by [Mix], since FNV's low bits
// alone are poor. It is part of the data's format.
func Hash(parts ...string) uint64 {
	h := fnv.New64a()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return Mix(h.Sum64())
}

// Mix is the finisher of SplitMix64 (Steele et al. 2014): neighbouring numbers
// become unrelated ones. PCG's two seeds need it, since streams from
// neighbouring seeds begin alike.
func Mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
