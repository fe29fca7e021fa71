package tokenizer

// Merging inside one pre-token: byte-pair encoding after Sennrich et al. 2016
// (arXiv:1508.07909). The pair of lowest rank is merged first, the leftmost on a
// tie; a heap over a linked list makes that O(n log n), so that a megabyte
// without a space is no attack.

import (
	"hash/maphash"
	"strings"
	"sync/atomic"
)

type pair struct{ left, right int32 }

func (p pair) key() uint64 { return uint64(uint32(p.left))<<32 | uint64(uint32(p.right)) }

type merge struct{ rank, id int32 }

// candidate is a pair that stood at pos when it was pushed; it is stale if the
// two ids there have changed since.
type candidate struct {
	rank, pos int32
	pair      pair
	id        int32
}

func (a candidate) less(b candidate) bool {
	return a.rank < b.rank || a.rank == b.rank && a.pos < b.pos
}

// scratch is what one merging needs: a doubly linked list over the word's
// symbols and the heap of candidates.
type scratch struct {
	ids, prev, next []int32
	heap            []candidate
}

// mergeWord appends the tokens of one pre-token.
func (t *Tokenizer) mergeWord(dst []int32, word string) []int32 {
	s := t.scratch.Get().(*scratch)
	defer t.scratch.Put(s)
	n := int32(len(word))
	s.ids, s.prev, s.next, s.heap = s.ids[:0], s.prev[:0], s.next[:0], s.heap[:0]
	for i := range n {
		s.ids = append(s.ids, t.byteID[word[i]])
		s.prev = append(s.prev, i-1)
		s.next = append(s.next, i+1)
	}
	for i := range n - 1 {
		s.propose(t, i, n)
	}
	for len(s.heap) > 0 {
		c := s.pop()
		right := s.next[c.pos]
		if s.ids[c.pos] != c.pair.left || right >= n || s.ids[right] != c.pair.right {
			continue
		}
		s.ids[c.pos], s.ids[right] = c.id, -1 // -1: swallowed, matches no candidate
		after := s.next[right]
		s.next[c.pos] = after
		if after < n {
			s.prev[after] = c.pos
			s.propose(t, c.pos, n)
		}
		if before := s.prev[c.pos]; before >= 0 {
			s.propose(t, before, n)
		}
	}
	for i := int32(0); i < n; i = s.next[i] {
		dst = append(dst, s.ids[i])
	}
	return dst
}

// propose pushes the pair at i and its right neighbour, if it merges.
func (s *scratch) propose(t *Tokenizer, i, n int32) {
	j := s.next[i]
	if j >= n {
		return
	}
	p := pair{s.ids[i], s.ids[j]}
	if m, ok := t.merges[p.key()]; ok {
		s.push(candidate{rank: m.rank, pos: i, pair: p, id: m.id})
	}
}

// push and pop are container/heap without its interface calls.
func (s *scratch) push(c candidate) {
	h := append(s.heap, c)
	i := len(h) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !c.less(h[up]) {
			break
		}
		h[i] = h[up]
		i = up
	}
	h[i] = c
	s.heap = h
}

func (s *scratch) pop() candidate {
	h := s.heap
	top, c := h[0], h[len(h)-1]
	h = h[:len(h)-1]
	for i := 0; len(h) > 0; {
		down := 2*i + 1
		if down+1 < len(h) && h[down+1].less(h[down]) {
			down++
		}
		if down >= len(h) || !h[down].less(c) {
			h[i] = c
			break
		}
		h[i] = h[down]
		i = down
	}
	s.heap = h
	return top
}

// wordCache remembers the tokens of short pre-tokens. Natural text repeats a few
// thousand of them, and a hit costs a hash where a miss costs a heap. Each slot
// holds one word, the latest wins: bounded, without a lock, and never part of a
// result.
type wordCache struct {
	seed  maphash.Seed
	slots [1 << 14]atomic.Pointer[cached]
}

type cached struct {
	word string
	ids  []int32
}

// longestCached in bytes: longer pre-tokens seldom come back.
const longestCached = 48

func (t *Tokenizer) encodeWord(dst []int32, word string) []int32 {
	if len(word) == 1 {
		return append(dst, t.byteID[word[0]])
	}
	if len(word) > longestCached {
		return t.mergeWord(dst, word)
	}
	slot := &t.cache.slots[maphash.String(t.cache.seed, word)%uint64(len(t.cache.slots))]
	if c := slot.Load(); c != nil && c.word == word {
		return append(dst, c.ids...)
	}
	from := len(dst)
	dst = t.mergeWord(dst, word)
	// Cloned, or the entry would hold the whole text in memory.
	slot.Store(&cached{strings.Clone(word), append([]int32(nil), dst[from:]...)})
	return dst
}
