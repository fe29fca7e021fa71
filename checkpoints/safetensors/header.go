package safetensors

import (
	"cmp"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"unicode/utf8"
)

// ErrFormat is wrapped by every error that says a file is not what the format
// allows: damaged, cut short or made to mislead.
var ErrFormat = errors.New("not a valid safetensors file")

const (
	maxHeader = 100_000_000 // bytes, the reference implementation's limit
	maxRank   = 8
	maxDim    = 1<<31 - 1
	metaKey   = "__metadata__"
)

// Info is what a header says about one tensor.
type Info struct {
	Name   string
	DType  DType
	Shape  []int
	Offset int64 // of its bytes, from the end of the header
	Bytes  int64
}

// header is a checked header: tensors sorted by name, metadata.
type header struct {
	infos []Info
	meta  map[string]string
}

// parseHeader reads the JSON of a header in front of size bytes of tensors.
func parseHeader(b []byte, size int64) (header, error) {
	h := header{meta: map[string]string{}}
	switch {
	case len(b) == 0 || b[0] != '{':
		return h, errors.New("the header does not begin with '{'")
	case !utf8.Valid(b):
		return h, errors.New("the header is not valid UTF-8")
	}
	s := &scanner{b: b}
	metas := 0
	err := s.object(func(key string) error {
		if key == metaKey {
			if metas++; metas > 1 {
				return s.fail("%s is there twice", metaKey)
			}
			return h.metadata(s)
		}
		info, err := entry(s, key)
		if err != nil {
			return fmt.Errorf("tensor %q: %w", key, err)
		}
		h.infos = append(h.infos, info)
		return nil
	})
	if err != nil {
		return h, err
	}
	if s.next() != 0 || s.i != len(b) {
		return h, s.fail("%s after the header's end", s.found())
	}
	return h, h.layout(size)
}

func (h *header) metadata(s *scanner) error {
	return s.object(func(key string) error {
		v, err := s.string()
		if err != nil {
			return fmt.Errorf("metadata %q: %w", key, err)
		}
		if _, twice := h.meta[key]; twice {
			return s.fail("metadata %q is there twice", key)
		}
		h.meta[key] = v
		return nil
	})
}

// entry reads one tensor's object; each of its three keys must be there once.
func entry(s *scanner, name string) (Info, error) {
	info := Info{Name: name}
	var dtype string
	var shape, offsets []uint64
	var seen [3]bool
	err := s.object(func(key string) (err error) {
		k := slices.Index([]string{"dtype", "shape", "data_offsets"}, key)
		switch {
		case k < 0:
			return s.fail("unknown key %q", key)
		case seen[k]:
			return s.fail("%s is there twice", key)
		}
		seen[k] = true
		switch k {
		case 0:
			dtype, err = s.string()
		case 1:
			shape, err = s.integers(maxRank)
		case 2:
			offsets, err = s.integers(2)
		}
		return err
	})
	switch {
	case err != nil:
		return info, err
	case !seen[0]:
		return info, errors.New("dtype is missing")
	case !seen[1]:
		return info, errors.New("shape is missing")
	case len(offsets) != 2:
		return info, fmt.Errorf("data_offsets has %d numbers, want 2", len(offsets))
	case offsets[0] > offsets[1]:
		return info, fmt.Errorf("data_offsets %v end before they begin", offsets)
	}
	info.Offset, info.Bytes = int64(offsets[0]), int64(offsets[1]-offsets[0])
	return info, info.size(dtype, shape)
}

// size fills in dtype and shape, and checks that they take the bytes given.
func (info *Info) size(dtype string, shape []uint64) error {
	d, total, ok := lookup(dtype)
	if !ok {
		return fmt.Errorf("unknown dtype %q", dtype)
	}
	info.DType, info.Shape = d, make([]int, len(shape))
	for i, n := range shape {
		if n > maxDim {
			return fmt.Errorf("shape %v: dimension %d is beyond %d", shape, n, maxDim)
		}
		hi, lo := bits.Mul64(total, n)
		if hi != 0 || lo > 1<<62 {
			return fmt.Errorf("shape %v of %s overflows", shape, d)
		}
		total, info.Shape[i] = lo, int(n)
	}
	if total%8 != 0 {
		return fmt.Errorf("shape %v of %s ends inside a byte", shape, d)
	}
	if want := int64(total / 8); want != info.Bytes {
		return fmt.Errorf("shape %v of %s takes %d bytes, data_offsets give it %d", shape, d, want, info.Bytes)
	}
	return nil
}

// layout sorts the tensors by name, checks that no name is there twice and that
// the tensors tile the size bytes.
func (h *header) layout(size int64) error {
	slices.SortFunc(h.infos, func(a, b Info) int { return cmp.Compare(a.Name, b.Name) })
	order := make([]int, len(h.infos))
	for i, t := range h.infos {
		if order[i] = i; i > 0 && t.Name == h.infos[i-1].Name {
			return fmt.Errorf("tensor %q is there twice", t.Name)
		}
	}
	slices.SortFunc(order, func(i, j int) int {
		a, b := &h.infos[i], &h.infos[j] // an empty tensor comes before the one that shares its offset
		return cmp.Or(cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Bytes, b.Bytes), cmp.Compare(i, j))
	})
	end, last := int64(0), "the header"
	for _, i := range order {
		switch t := h.infos[i]; {
		case t.Offset < end:
			return fmt.Errorf("tensor %q begins at byte %d, inside of %q, which ends at %d", t.Name, t.Offset, last, end)
		case t.Offset > end:
			return fmt.Errorf("tensor %q begins at byte %d, a hole of %d bytes after %q", t.Name, t.Offset, t.Offset-end, last)
		case t.Bytes > size-end:
			return fmt.Errorf("tensor %q takes %d bytes at %d, the file has %d bytes of tensors: cut short", t.Name, t.Bytes, t.Offset, size)
		default:
			end, last = end+t.Bytes, t.Name
		}
	}
	if end != size {
		return fmt.Errorf("%d bytes follow the last tensor, %q, which ends at %d of %d", size-end, last, end, size)
	}
	return nil
}
