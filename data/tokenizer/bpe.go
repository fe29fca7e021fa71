package tokenizer

// Merging inside one pre-token: byte-pair encoding after Sennrich et al. 2016
// (arXiv:1508.07909). The pair of lowest rank is merged first, the leftmost on a
// tie. Short words, nearly all, search their few pairs anew for each merge, which
// no heap beats; long ones keep a heap over a linked list, which makes them
// O(n log n), so that a megabyte without a space is no attack.

import "slices"

// shortWord is the number of symbols up to which searching beats the heap.
const shortWord = 96

// scratch is what encoding needs besides the tokenizer; one serves one goroutine.
type scratch struct {
	ids        []int32 // the word's symbols
	pairs      []merge // pairs[i] merges ids[i] and its right neighbour
	prev, next []int32 // only for long words: the linked list of symbols
	heap       []entry
}

// mergeSymbols merges s.ids to the end and appends what is left to dst.
func (t *Tokenizer) mergeSymbols(dst []int32, s *scratch) []int32 {
	if len(s.ids) > shortWord {
		return t.mergeLong(dst, s)
	}
	ids := s.ids
	if cap(s.pairs) < len(ids) {
		s.pairs = make([]merge, 2*len(ids))
	}
	pairs := s.pairs[:max(0, len(ids)-1)]
	for i := range pairs {
		pairs[i] = t.pairs.find(ids[i], ids[i+1])
	}
	for {
		best, at := noMerge, 0
		for i, m := range pairs {
			if m < best {
				best, at = m, i
			}
		}
		if best == noMerge {
			return append(dst, ids...)
		}
		ids[at] = t.merged[best]
		ids = append(ids[:at+1], ids[at+2:]...)
		last := len(pairs) - 1
		if at < last {
			copy(pairs[at+1:], pairs[at+2:])
			pairs[at] = t.pairs.find(ids[at], ids[at+1])
		}
		pairs = pairs[:last]
		if at > 0 {
			pairs[at-1] = t.pairs.find(ids[at-1], ids[at])
		}
	}
}

// An entry of the heap is rank<<32 | position: ordered as the merges are. It is
// stale if the pair at its position has another rank by now.
type entry uint64

func (t *Tokenizer) mergeLong(dst []int32, s *scratch) []int32 {
	n := int32(len(s.ids))
	s.pairs = slices.Grow(s.pairs[:0], int(n))[:n]
	s.prev = slices.Grow(s.prev[:0], int(n))[:n]
	s.next = slices.Grow(s.next[:0], int(n))[:n]
	s.heap = s.heap[:0]
	for i := range n {
		s.prev[i], s.next[i], s.pairs[i] = i-1, i+1, noMerge
		if i+1 < n {
			if m := t.pairs.find(s.ids[i], s.ids[i+1]); m != noMerge {
				s.pairs[i] = m
				s.heap = append(s.heap, entry(uint64(m)<<32|uint64(i)))
			}
		}
	}
	for i := len(s.heap)/2 - 1; i >= 0; i-- {
		s.sink(i, s.heap[i])
	}
	for len(s.heap) > 0 {
		top := s.pop()
		at := int32(uint32(top))
		m := s.pairs[at]
		if m == noMerge || m != merge(top>>32) {
			continue
		}
		gone := s.next[at]
		after := s.next[gone]
		s.ids[at], s.next[at], s.pairs[gone] = t.merged[m], after, noMerge
		if after < n {
			s.prev[after] = at
		}
		s.propose(t, at, n)
		if before := s.prev[at]; before >= 0 {
			s.propose(t, before, n)
		}
	}
	for i := int32(0); i < n; i = s.next[i] {
		dst = append(dst, s.ids[i])
	}
	return dst
}

// propose notes what the symbol at i and its right neighbour merge to.
func (s *scratch) propose(t *Tokenizer, i, n int32) {
	s.pairs[i] = noMerge
	j := s.next[i]
	if j >= n {
		return
	}
	if m := t.pairs.find(s.ids[i], s.ids[j]); m != noMerge {
		s.pairs[i] = m
		s.push(entry(uint64(m)<<32 | uint64(i)))
	}
}

// push, pop and sink are container/heap without its interface calls.
func (s *scratch) push(e entry) {
	h := append(s.heap, e)
	i := len(h) - 1
	for i > 0 {
		up := (i - 1) / 2
		if e >= h[up] {
			break
		}
		h[i] = h[up]
		i = up
	}
	h[i] = e
	s.heap = h
}

func (s *scratch) pop() entry {
	top, last := s.heap[0], len(s.heap)-1
	e := s.heap[last]
	s.heap = s.heap[:last]
	if last > 0 {
		s.sink(0, e)
	}
	return top
}

// sink puts e at i or below.
func (s *scratch) sink(i int, e entry) {
	h := s.heap
	for {
		down := 2*i + 1
		if down+1 < len(h) && h[down+1] < h[down] {
			down++
		}
		if down >= len(h) || h[down] >= e {
			h[i] = e
			return
		}
		h[i] = h[down]
		i = down
	}
}
