package gguf

import (
	"encoding/binary"
	"fmt"
)

// KV is one entry of the metadata. Its value is a [Value], whose Go type is the
// type in the file: a runtime that looks for a u32 does not take an i32.
type KV struct {
	Key   string
	Value any
}

// Value is what an entry may hold: one of these types, or a slice of it.
type Value interface {
	number | string |
		[]uint8 | []int8 | []uint16 | []int16 | []uint32 | []int32 | []float32 | []bool | []uint64 | []int64 | []float64 | []string
}

// number is a value of fixed width.
type number interface {
	uint8 | int8 | uint16 | int16 | uint32 | int32 | float32 | bool | uint64 | int64 | float64
}

// kind is one type of values in the file.
type kind struct {
	least  uint64 // bytes that an element takes at least
	one    func(s *scanner) (any, error)
	many   func(s *scanner, n uint64) (any, error)          // n elements, for which the file has the least bytes
	append func(b []byte, v any) (_ []byte, n int, ok bool) // v's elements, if v is of the kind; n < 0: v is a single one
}

// kinds has them by their number in the file.
var kinds = [...]kind{
	fixed[uint8](), fixed[int8](), fixed[uint16](), fixed[int16](), fixed[uint32](), fixed[int32](), fixed[float32](),
	{1, (*scanner).bool, (*scanner).bools, appendNumbers[bool]},
	{8, (*scanner).text, (*scanner).texts, appendStrings},
	{}, // kindArray, whose elements have a kind of their own
	fixed[uint64](), fixed[int64](), fixed[float64](),
}

const kindArray = 9

func fixed[T number]() kind {
	one := func(s *scanner) (any, error) {
		var v [1]T
		err := s.numbers(v[:])
		return v[0], err
	}
	many := func(s *scanner, n uint64) (any, error) {
		v := make([]T, n)
		return v, s.numbers(v)
	}
	return kind{uint64(binary.Size(*new(T))), one, many, appendNumbers[T]}
}

func appendNumbers[T number](b []byte, v any) (_ []byte, n int, ok bool) {
	var vs []T
	switch v := v.(type) {
	case T:
		vs, n = []T{v}, -1
	case []T:
		vs, n = v, len(v)
	default:
		return b, 0, false
	}
	b, err := binary.Append(b, le, vs)
	if err != nil { // a fixed type always encodes
		panic(fmt.Sprintf("gguf: append %T: %v", v, err))
	}
	return b, n, true
}

func appendStrings(b []byte, v any) (_ []byte, n int, ok bool) {
	switch v := v.(type) {
	case string:
		return appendString(b, v), -1, true
	case []string:
		for _, s := range v {
			b = appendString(b, s)
		}
		return b, len(v), true
	}
	return b, 0, false
}

func appendString(b []byte, s string) []byte {
	return append(le.AppendUint64(b, uint64(len(s))), s...)
}

// appendValue appends an entry's type and value; ok is false for a Go type that
// is none of a [Value]'s.
func appendValue(b []byte, v any) (_ []byte, ok bool) {
	for number, k := range kinds {
		if k.append == nil {
			continue
		}
		body, n, ok := k.append(nil, v)
		if !ok {
			continue
		}
		if n < 0 {
			return append(le.AppendUint32(b, uint32(number)), body...), true
		}
		b = le.AppendUint32(le.AppendUint32(b, kindArray), uint32(number))
		return append(le.AppendUint64(b, uint64(n)), body...), true
	}
	return b, false
}

// Get returns the value of a key, which must have the type asked for; ok is
// false when the file has no such key.
func Get[T Value](f *File, key string) (v T, ok bool, err error) {
	i, ok := f.header.keys[key]
	if !ok {
		return v, false, nil
	}
	found := f.header.meta[i].Value
	if v, ok = found.(T); !ok {
		return v, true, fmt.Errorf("gguf: %s: key %q holds a %T, want a %T", f.name, key, found, v)
	}
	return v, true, nil
}
