package tokenizer

// The table of merges: which two neighbours become which token, and how early.

import "math/bits"

type pair struct{ left, right int32 }

func (p pair) key() uint64 { return uint64(uint32(p.left))<<32 | uint64(uint32(p.right)) }

// A merge is rank<<32 | id of the merged token: the smaller, the earlier.
type merge uint64

// noMerge is later than every merge.
const noMerge = ^merge(0)

func newMerge(rank, id int32) merge { return merge(uint64(uint32(rank))<<32 | uint64(uint32(id))) }
func (m merge) id() int32           { return int32(uint32(m)) }
func (m merge) rank() uint32        { return uint32(m >> 32) }

// pairTable is a hash table with open addressing, half empty: most questions it
// is asked are about pairs that it lacks, and one cache line answers them.
type pairTable struct {
	slots []pairSlot
	shift uint8
}

type pairSlot struct {
	key   uint64
	merge merge // noMerge: the slot is empty
}

// newPairTable lists the pairs in order of rank; merged[i] is what ranked[i]
// becomes. A pair that is there twice has its later rank, as in the reference.
func newPairTable(ranked []pair, merged []int32) pairTable {
	width := max(4, bits.Len(uint(2*len(ranked))))
	t := pairTable{slots: make([]pairSlot, 1<<width), shift: uint8(64 - width)}
	for i := range t.slots {
		t.slots[i].merge = noMerge
	}
	for rank, p := range ranked {
		key := p.key()
		i := t.home(key)
		for t.slots[i].merge != noMerge && t.slots[i].key != key {
			i = (i + 1) & uint64(len(t.slots)-1)
		}
		t.slots[i] = pairSlot{key, newMerge(int32(rank), merged[rank])}
	}
	return t
}

func (t *pairTable) home(key uint64) uint64 {
	return (key ^ key>>29) * 0x9E3779B97F4A7C15 >> t.shift
}

func (t *pairTable) find(left, right int32) merge {
	key := pair{left, right}.key()
	slots := t.slots
	for i := t.home(key); ; i++ {
		s := &slots[i&uint64(len(slots)-1)]
		if s.key == key || s.merge == noMerge {
			return s.merge
		}
	}
}
