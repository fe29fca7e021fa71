package tokenizer

// The table of merges: which two neighbours become which token, and how early.

import (
	"math/bits"
	"slices"
)

type pair struct{ left, right int32 }

// A merge is its rank: the smaller, the earlier.
type merge uint32

// noMerge is later than every merge.
const noMerge = ^merge(0)

// pairTable is a hash table with open addressing, at most 5/8 full: most questions
// it is asked are about pairs that it lacks, and one cache line answers them. It is
// kept small, for where it misses the processor's cache that costs more than all
// else: a slot holds left, right and rank in 21, 21 and 22 bits.
type pairTable struct {
	slots []uint64
	shift uint8
}

const (
	idBits    = 21
	rankBits  = 64 - 2*idBits
	mostIDs   = 1<<idBits - 1   // so that no pair has the bits of an empty slot
	mostRanks = 1<<rankBits - 1 // a mask too
	emptySlot = ^uint64(0)
)

func (p pair) key() uint64 { return uint64(p.left)<<idBits | uint64(p.right) }

// newPairTable lists the pairs in order of rank. A pair that is there twice has
// its later rank, as in the reference.
func newPairTable(ranked []pair) pairTable {
	width := max(4, bits.Len(uint(len(ranked)*8/5)))
	t := pairTable{slots: slices.Repeat([]uint64{emptySlot}, 1<<width), shift: uint8(64 - width)}
	for rank, p := range ranked {
		key := p.key()
		i := t.home(key)
		for t.slots[i] != emptySlot && t.slots[i]>>rankBits != key {
			i = (i + 1) & uint64(len(t.slots)-1)
		}
		t.slots[i] = key<<rankBits | uint64(rank)
	}
	return t
}

func (t *pairTable) home(key uint64) uint64 {
	return (key ^ key>>idBits) * 0x9E3779B97F4A7C15 >> t.shift
}

func (t *pairTable) find(left, right int32) merge {
	key := pair{left, right}.key()
	slots := t.slots
	for i := t.home(key); ; i++ {
		s := slots[i&uint64(len(slots)-1)]
		if s>>rankBits == key {
			return merge(s & mostRanks)
		}
		if s == emptySlot {
			return noMerge
		}
	}
}
