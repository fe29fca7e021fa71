package data

// Endless sources: documents that are made, not read. They are the same on every
// machine, so a figure measured on them can be pinned.

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"stillhouse/data/tasks"
)

// taskSource is the items of a task.
type taskSource struct{ task tasks.Task }

func (s taskSource) info() SourceInfo {
	return SourceInfo{Name: "task:" + s.task.Name(), Fingerprint: fmt.Sprintf("task:%s%+v", s.task.Name(), s.task)}
}

func (s taskSource) pick(r *rand.Rand, _ Split) (place, bool) { return place{index: r.Uint64()}, true }

func (s taskSource) read(split Split, seed uint64, p place) (Document, error) {
	it := tasks.At(s.task, split, seed, p.index)
	return Document{Parts: it.Parts, Head: true, Whole: true}, nil
}

func (s taskSource) name(split Split, p place) string {
	return fmt.Sprintf("task:%s %v %d", s.task.Name(), split, p.index)
}

// prose is small stories from a grammar: people carry things between places, and
// the last sentence asks for what the story said. They are language enough for a
// loss to fall and to tell a context that is used from one that is not.
type prose struct{}

var (
	people = []string{"Ada", "Boris", "Clara", "David", "Emma", "Felix", "Greta", "Hugo", "Ines", "Jonas", "Karl", "Lena"}
	places = []string{"mill", "harbour", "garden", "library", "station", "market", "kitchen", "bridge", "tower", "cellar"}
	things = []string{"lamp", "letter", "basket", "coin", "map", "violin", "ladder", "bottle", "clock", "key"}
	looks  = []string{"red", "tall", "small", "heavy", "broken", "green", "silver", "wooden"}
	days   = []string{"In the morning", "At noon", "In the evening", "Later", "After a while", "The next day"}
)

func (prose) info() SourceInfo { return SourceInfo{Name: "prose", Fingerprint: "prose 1"} }

func (prose) pick(r *rand.Rand, _ Split) (place, bool) { return place{index: r.Uint64()}, true }

func (prose) name(s Split, p place) string { return fmt.Sprintf("prose %v %d", s, p.index) }

func (prose) read(s Split, seed uint64, p place) (Document, error) {
	r := keyed64(seed^tasks.Hash("prose", s.String()), p.index)
	for {
		if story := tell(r); tasks.SplitOf("prose", story) == s {
			return textDocument(story), nil
		}
	}
}

// tell makes one story of 4 to 9 sentences.
func tell(r *rand.Rand) string {
	one := func(words []string) string { return words[r.IntN(len(words))] }
	cast := r.Perm(len(people))[:2+r.IntN(2)]
	at, has := map[int]string{}, map[int]string{}
	var w strings.Builder
	for _, who := range cast {
		at[who], has[who] = one(places), one(looks)+" "+one(things)
		fmt.Fprintf(&w, "%s found a %s in the %s. ", people[who], has[who], at[who])
	}
	for range 1 + r.IntN(5) {
		who := cast[r.IntN(len(cast))]
		switch r.IntN(3) {
		case 0:
			at[who] = one(places)
			fmt.Fprintf(&w, "%s %s took the %s to the %s. ", one(days), people[who], has[who], at[who])
		case 1:
			other := cast[r.IntN(len(cast))]
			if other == who {
				fmt.Fprintf(&w, "%s waited in the %s. ", people[who], at[who])
				continue
			}
			has[who], has[other] = has[other], has[who]
			fmt.Fprintf(&w, "%s and %s met, and %s went home with the %s. ", people[who], people[other], people[who], has[who])
		case 2:
			fmt.Fprintf(&w, "%s %s looked at the %s again. ", one(days), people[who], has[who])
		}
	}
	who := cast[r.IntN(len(cast))]
	fmt.Fprintf(&w, "So %s has the %s now.\n", people[who], has[who])
	return w.String()
}
