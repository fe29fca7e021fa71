package safetensors

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"

	"stillhouse/layers/tensor"
)

// Named is a tensor to be written under a name: one that exists, or one that
// Make makes when its turn comes and that is let go once it is written, so that
// weights which have to be converted never lie in memory together.
type Named struct {
	Name   string
	Tensor *tensor.Tensor
	DType  DType // "": the tensor's own; F16 and BF16 round to nearest, ties to even

	Make  func() (*tensor.Tensor, error) // instead of Tensor; Shape and DType are then needed
	Shape []int                          // of what Make returns
}

// info returns the header's entry of n, without its offset.
func (n Named) info() Info {
	switch {
	case n.Make != nil && (n.Tensor != nil || n.DType == ""):
		panic(fmt.Sprintf("safetensors: Write: tensor %q is both there and to be made, or has no dtype", n.Name))
	case n.Make != nil:
		return Info{Name: n.Name, DType: n.DType, Shape: n.Shape}
	case n.Tensor == nil:
		panic(fmt.Sprintf("safetensors: Write: tensor %q is nil", n.Name))
	}
	d := n.DType
	if d == "" {
		d = own(n.Tensor.DType())
	}
	return Info{Name: n.Name, DType: d, Shape: n.Tensor.Shape()}
}

// Bytes returns how many bytes the tensor takes in a file.
func (n Named) Bytes() int64 {
	_, total := arrange([]Info{n.info()})
	return total
}

// Write writes a whole file to w. The same tensors in any order give the same
// bytes. It panics on what only a caller's mistake can bring: a nil tensor, a
// name given twice or not valid UTF-8, a dtype the tensor cannot become.
func Write(w io.Writer, tensors []Named, metadata map[string]string) error {
	infos := make([]Info, len(tensors))
	byName := make(map[string]Named, len(tensors))
	for i, t := range tensors {
		infos[i], byName[t.Name] = t.info(), t
	}
	fw, err := NewWriter(w, infos, metadata)
	if err != nil {
		return err
	}
	for _, info := range fw.Order() {
		n := byName[info.Name]
		if n.Make != nil {
			if n.Tensor, err = n.Make(); err != nil {
				return fmt.Errorf("safetensors: write: make tensor %q: %w", info.Name, err)
			}
		}
		if err := fw.Put(n.Tensor); err != nil {
			return err
		}
	}
	return fw.Close()
}

// Size returns how many bytes Write would write.
func Size(tensors []Named, metadata map[string]string) int64 {
	infos := make([]Info, len(tensors))
	for i, t := range tensors {
		infos[i] = t.info()
	}
	order, total := arrange(infos)
	return int64(len(encodeHeader(order, metadata))) + total
}

// Writer writes a file one tensor at a time, for weights that are made, or
// read, one by one and never lie in memory together.
type Writer struct {
	w     io.Writer
	order []Info
	next  int
	buf   []byte
	err   error // the first; nothing is written after it
}

// NewWriter writes the header of a file of these tensors. Offsets and sizes in
// infos are not read: the writer decides them. It panics as Write does.
func NewWriter(w io.Writer, infos []Info, metadata map[string]string) (*Writer, error) {
	order, _ := arrange(infos)
	h := encodeHeader(order, metadata)
	if len(h)-8 > maxHeader {
		return nil, fmt.Errorf("safetensors: write: a header of %d bytes, the limit is %d", len(h)-8, maxHeader)
	}
	if _, err := w.Write(h); err != nil {
		return nil, fmt.Errorf("safetensors: write the header: %w", err)
	}
	largest := int64(0)
	for _, t := range order {
		largest = max(largest, t.Bytes)
	}
	return &Writer{w: w, order: order, buf: make([]byte, min(chunk, largest))}, nil
}

// Order returns the tensors in the order in which Put wants them.
func (w *Writer) Order() []Info { return slices.Clone(w.order) }

// Put writes the next tensor of Order. It panics when t has another shape or
// cannot become that tensor's dtype.
func (w *Writer) Put(t *tensor.Tensor) error {
	if w.err != nil {
		return w.err
	}
	if w.next == len(w.order) {
		panic(fmt.Sprintf("safetensors: Put: all %d tensors were written", len(w.order)))
	}
	info := w.order[w.next]
	if !slices.Equal(t.Shape(), info.Shape) || !writable(t.DType(), info.DType) {
		panic(fmt.Sprintf("safetensors: Put: %v for tensor %q, want %s%v", t, info.Name, info.DType, info.Shape))
	}
	w.next++
	width := int64(info.DType.Bits() / 8)
	for at := int64(0); at < info.Bytes; at += chunk {
		b := w.buf[:min(chunk, info.Bytes-at)]
		encode(b, t, int(at/width), info.DType)
		if _, err := w.w.Write(b); err != nil {
			w.err = fmt.Errorf("safetensors: write tensor %q: %w", info.Name, err)
			return w.err
		}
	}
	return nil
}

// Close checks that every tensor was written. It does not close what it writes
// to.
func (w *Writer) Close() error {
	if w.err == nil && w.next < len(w.order) {
		w.err = fmt.Errorf("safetensors: write: %d of %d tensors written, %q is next", w.next, len(w.order), w.order[w.next].Name)
	}
	if w.err != nil {
		return w.err
	}
	w.err = errors.New("safetensors: the writer is closed")
	return nil
}

// arrange gives every tensor its place, wider elements first so that each is
// aligned to its element, and by name among equals. It returns them in that
// order with the bytes they take together.
func arrange(infos []Info) ([]Info, int64) {
	order := slices.Clone(infos)
	slices.SortFunc(order, func(a, b Info) int {
		return cmp.Or(cmp.Compare(b.DType.Bits(), a.DType.Bits()), cmp.Compare(a.Name, b.Name))
	})
	names := make(map[string]bool, len(order))
	end := int64(0)
	for i := range order {
		t := &order[i]
		if _, err := t.DType.memory(); err != nil {
			panic(fmt.Sprintf("safetensors: Write: tensor %q as %s: can be written are %s", t.Name, t.DType, readable))
		}
		if names[t.Name] || t.Name == metaKey || !utf8.ValidString(t.Name) {
			panic(fmt.Sprintf("safetensors: Write: name %q is there twice, reserved or not UTF-8", t.Name))
		}
		if len(t.Shape) > maxRank {
			panic(fmt.Sprintf("safetensors: Write: tensor %q has shape %v, at most %d dimensions can be read back", t.Name, t.Shape, maxRank))
		}
		names[t.Name] = true
		t.Shape = slices.Clone(t.Shape)
		t.Offset, t.Bytes = end, int64(t.DType.Bits()/8)
		for _, n := range t.Shape {
			t.Bytes *= int64(n)
		}
		end += t.Bytes
	}
	return order, end
}

// encodeHeader returns the length and the JSON, keys sorted, padded with spaces
// so that the tensors begin at a multiple of eight.
func encodeHeader(order []Info, metadata map[string]string) []byte {
	b := append(make([]byte, 8, 64+128*len(order)), '{')
	if len(metadata) > 0 {
		b = append(b, `"`+metaKey+`":{`...)
		for _, k := range slices.Sorted(maps.Keys(metadata)) {
			b = append(append(quote(b, k), ':'), quote(nil, metadata[k])...)
			b = append(b, ',')
		}
		b = append(b[:len(b)-1], "},"...)
	}
	byName := slices.Clone(order)
	slices.SortFunc(byName, func(a, b Info) int { return cmp.Compare(a.Name, b.Name) })
	for _, t := range byName {
		b = append(quote(b, t.Name), `:{"dtype":"`...)
		b = append(append(b, t.DType...), `","shape":[`...)
		for i, n := range t.Shape {
			if i > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendInt(b, int64(n), 10)
		}
		b = append(strconv.AppendInt(append(b, `],"data_offsets":[`...), t.Offset, 10), ',')
		b = append(strconv.AppendInt(b, t.Offset+t.Bytes, 10), "]},"...)
	}
	if b[len(b)-1] == ',' {
		b = b[:len(b)-1]
	}
	b = append(b, '}')
	for len(b)%8 != 0 {
		b = append(b, ' ')
	}
	le.PutUint64(b, uint64(len(b)-8))
	return b
}

// quote appends s as a JSON string.
func quote(b []byte, s string) []byte {
	if !utf8.ValidString(s) {
		panic(fmt.Sprintf("safetensors: Write: metadata %q is not UTF-8", s))
	}
	q, err := json.Marshal(s)
	if err != nil { // a string always encodes
		panic(fmt.Sprintf("safetensors: quote %q: %v", s, err))
	}
	return append(b, q...)
}
