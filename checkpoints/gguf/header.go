package gguf

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// ErrFormat is wrapped by every error that says a file is not what the format
// allows: damaged, cut short or made to mislead.
var ErrFormat = errors.New("not a valid GGUF file")

const (
	magic   = "GGUF"
	version = 3 // 2 has the same layout; 1 had shorter lengths
	maxName = 63
	maxRank = 4
	maxDim  = math.MaxInt32

	defaultAlignment = 32
	maxAlignment     = 1 << 20

	// alignmentKey is the one entry that says how the rest of the file is read.
	alignmentKey = "general.alignment"

	leastEntry  = 8 + 1 + 4 + 1 // bytes of an entry: a name of one letter, a type, a byte
	leastTensor = 8 + 1 + 4 + 4 + 8
)

// Info is what a header says about one tensor.
type Info struct {
	Name   string
	Type   Type
	Shape  []int // the last dimension is the fastest
	Offset int64 // of its bytes, from the first tensor's
	Bytes  int64
}

// header is a checked header.
type header struct {
	meta    []KV           // in the file's order
	keys    map[string]int // into meta
	infos   []Info         // in the file's order, which is that of their bytes
	tensors map[string]int // into infos
	body    int64          // where the tensors begin
}

// parseHeader reads a header from the start of a file of s.size bytes.
func parseHeader(s *scanner) (*header, error) {
	h := &header{keys: map[string]int{}, tensors: map[string]int{}}
	m, err := s.bytes(uint64(len(magic)))
	if err != nil {
		return nil, err
	}
	if string(m) != magic {
		return nil, fmt.Errorf("it begins with %q, want %q", m, magic)
	}
	switch v, err := s.u32(); {
	case err != nil:
		return nil, err
	case v != 0 && v&0xffff == 0:
		return nil, fmt.Errorf("version %#08x: it is big-endian", v)
	case v != version && v != version-1:
		return nil, fmt.Errorf("version %d, want %d or %d", v, version-1, version)
	}
	tensors, err := s.count("tensors", leastTensor)
	if err != nil {
		return nil, err
	}
	entries, err := s.count("keys", leastEntry)
	if err != nil {
		return nil, err
	}
	for i := range entries {
		if err := h.entry(s); err != nil {
			return nil, fmt.Errorf("key %d of %d: %w", i+1, entries, err)
		}
	}
	align, err := h.alignment()
	if err != nil {
		return nil, err
	}
	for i := range tensors {
		if err := h.tensor(s); err != nil {
			return nil, fmt.Errorf("tensor %d of %d: %w", i+1, tensors, err)
		}
	}
	return h, h.layout(s, align)
}

func (h *header) entry(s *scanner) error {
	key, err := s.name()
	if err != nil {
		return err
	}
	if _, twice := h.keys[key]; twice {
		return fmt.Errorf("%q is there twice", key)
	}
	v, err := s.value()
	if err != nil {
		return fmt.Errorf("%q: %w", key, err)
	}
	h.keys[key] = len(h.meta)
	h.meta = append(h.meta, KV{key, v})
	return nil
}

func (h *header) alignment() (uint64, error) {
	i, ok := h.keys[alignmentKey]
	if !ok {
		return defaultAlignment, nil
	}
	a, ok := h.meta[i].Value.(uint32)
	if !ok || a == 0 || a&(a-1) != 0 || a > maxAlignment {
		return 0, fmt.Errorf("%s is the %T %v, want a power of two up to %d as uint32", alignmentKey, h.meta[i].Value, h.meta[i].Value, maxAlignment)
	}
	return uint64(a), nil
}

// tensor reads one tensor's entry.
func (h *header) tensor(s *scanner) error {
	name, err := s.name()
	if err != nil {
		return err
	}
	if len(name) > maxName {
		return fmt.Errorf("its name has %d bytes, ggml takes %d: %q", len(name), maxName, name)
	}
	if _, twice := h.tensors[name]; twice {
		return fmt.Errorf("%q is there twice", name)
	}
	info := Info{Name: name}
	if err := info.read(s); err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	h.tensors[name] = len(h.infos)
	h.infos = append(h.infos, info)
	return nil
}

// read fills in what follows the name.
func (info *Info) read(s *scanner) error {
	rank, err := s.u32()
	if err != nil {
		return err
	}
	if rank > maxRank {
		return fmt.Errorf("%d dimensions, ggml takes %d", rank, maxRank)
	}
	dims := make([]uint64, rank)
	if err := s.numbers(dims); err != nil {
		return err
	}
	slices.Reverse(dims)
	t, err := s.u32()
	if err != nil {
		return err
	}
	offset, err := s.u64()
	if err != nil {
		return err
	}
	if offset > s.size {
		return fmt.Errorf("it begins at byte %d of a file of %d", offset, s.size)
	}
	info.Type, info.Offset = Type(t), int64(offset)
	return info.size(dims)
}

// size fills in shape and bytes.
func (info *Info) size(dims []uint64) error {
	k, ok := types[info.Type]
	if !ok {
		return fmt.Errorf("it has the unknown type %d", uint32(info.Type))
	}
	total, row := uint64(1), uint64(1)
	info.Shape = make([]int, len(dims))
	for i, n := range dims {
		if n > maxDim {
			return fmt.Errorf("shape %v: dimension %d is beyond %d", dims, n, maxDim)
		}
		hi, lo := bits.Mul64(total, n)
		if hi != 0 || lo > 1<<58 {
			return fmt.Errorf("shape %v overflows", dims)
		}
		total, row, info.Shape[i] = lo, n, int(n)
	}
	if row%k.elements != 0 {
		return fmt.Errorf("shape %v: rows of %s are multiples of %d elements", dims, k.name, k.elements)
	}
	blocks := total / k.elements
	if blocks > math.MaxInt64/2/k.bytes {
		return fmt.Errorf("shape %v overflows", dims)
	}
	info.Bytes = int64(blocks * k.bytes)
	return nil
}

// layout checks that the tensors follow one another, each padded, and fill the
// rest of the file; only the last one's padding may be missing.
func (h *header) layout(s *scanner, align uint64) error {
	pad := func(n uint64) uint64 { return (n + align - 1) &^ (align - 1) }
	body := pad(s.at)
	if len(h.infos) == 0 {
		body = min(body, s.size)
	}
	if body > s.size {
		return fmt.Errorf("the tensors would begin at byte %d of %d: cut short", body, s.size)
	}
	h.body = int64(body)
	size, end, last := s.size-body, uint64(0), "the header"
	for _, t := range h.infos {
		at, n := uint64(t.Offset), uint64(t.Bytes)
		switch {
		case at < pad(end):
			return fmt.Errorf("tensor %q begins at byte %d, inside of %q, which ends at %d", t.Name, at, last, pad(end))
		case at > pad(end):
			return fmt.Errorf("tensor %q begins at byte %d, a hole of %d bytes after %q", t.Name, at, at-pad(end), last)
		case at > size || n > size-at:
			return fmt.Errorf("tensor %q takes %d bytes at %d, the file has %d bytes of tensors: cut short", t.Name, n, at, size)
		}
		end, last = at+n, t.Name
	}
	if size > pad(end) {
		return fmt.Errorf("%d bytes follow the end of %q at %d", size-pad(end), last, pad(end))
	}
	return nil
}
