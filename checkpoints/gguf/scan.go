package gguf

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

var le = binary.LittleEndian

// errRead marks an error of the disk, which says nothing about the format.
var errRead = errors.New("read")

// scanner reads a header and knows how much of the file is left, so that a
// length is refused before memory is made for it.
type scanner struct {
	r    *bufio.Reader
	at   uint64
	size uint64
}

func newScanner(r io.ReaderAt, size int64) *scanner {
	return &scanner{r: bufio.NewReaderSize(io.NewSectionReader(r, 0, size), 64<<10), size: uint64(size)}
}

// left returns the bytes that were not read.
func (s *scanner) left() uint64 { return s.size - s.at }

// take counts n bytes as read, if the file has them.
func (s *scanner) take(n uint64) error {
	if n > s.left() {
		return fmt.Errorf("%d bytes wanted at %d of %d: cut short", n, s.at, s.size)
	}
	s.at += n
	return nil
}

// bytes reads n bytes.
func (s *scanner) bytes(n uint64) ([]byte, error) {
	if err := s.take(n); err != nil {
		return nil, err
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(s.r, b); err != nil {
		return nil, fmt.Errorf("%w: %w", errRead, err)
	}
	return b, nil
}

// numbers fills v, a slice of a fixed type.
func (s *scanner) numbers(v any) error {
	if err := s.take(uint64(binary.Size(v))); err != nil {
		return err
	}
	if err := binary.Read(s.r, le, v); err != nil {
		return fmt.Errorf("%w: %w", errRead, err)
	}
	return nil
}

func (s *scanner) u32() (uint32, error) {
	var v [1]uint32
	err := s.numbers(v[:])
	return v[0], err
}

func (s *scanner) u64() (uint64, error) {
	var v [1]uint64
	err := s.numbers(v[:])
	return v[0], err
}

// count reads how many things follow, each of at least the bytes given.
func (s *scanner) count(what string, least uint64) (uint64, error) {
	n, err := s.u64()
	if err == nil && n > s.left()/least {
		err = fmt.Errorf("%d %s, and %d bytes are left of the file: cut short", n, what, s.left())
	}
	return n, err
}

func (s *scanner) string() (string, error) {
	n, err := s.u64()
	if err != nil {
		return "", err
	}
	b, err := s.bytes(n)
	return string(b), err
}

// name reads a string that names something.
func (s *scanner) name() (string, error) {
	n, err := s.string()
	switch {
	case err != nil:
	case n == "":
		err = errors.New("its name is empty")
	case !utf8.ValidString(n):
		err = fmt.Errorf("its name %q is not UTF-8", n)
	}
	return n, err
}

func (s *scanner) text() (any, error) { return s.string() }

func (s *scanner) texts(n uint64) (any, error) {
	a := make([]string, n)
	for i := range a {
		var err error
		if a[i], err = s.string(); err != nil {
			return nil, fmt.Errorf("element %d: %w", i, err)
		}
	}
	return a, nil
}

func (s *scanner) bool() (any, error) {
	a, err := s.truths(1)
	if err != nil {
		return nil, err
	}
	return a[0], nil
}

func (s *scanner) bools(n uint64) (any, error) { return s.truths(n) }

// truths reads n bytes, each of which must be 0 or 1.
func (s *scanner) truths(n uint64) ([]bool, error) {
	b, err := s.bytes(n)
	if err != nil {
		return nil, err
	}
	a := make([]bool, n)
	for i, v := range b {
		if v > 1 {
			return nil, fmt.Errorf("element %d is the byte %d, want 0 or 1 for a bool", i, v)
		}
		a[i] = v == 1
	}
	return a, nil
}

// value reads an entry's type and value.
func (s *scanner) value() (any, error) {
	number, err := s.u32()
	if err != nil {
		return nil, err
	}
	array := number == kindArray
	if array {
		if number, err = s.u32(); err != nil {
			return nil, err
		}
	}
	switch {
	case number == kindArray:
		return nil, errors.New("is an array of arrays, which llama.cpp does not read")
	case number >= uint32(len(kinds)):
		return nil, fmt.Errorf("has the unknown type %d", number)
	case !array:
		return kinds[number].one(s)
	}
	n, err := s.count("elements", kinds[number].least)
	if err != nil {
		return nil, err
	}
	return kinds[number].many(s, n)
}
