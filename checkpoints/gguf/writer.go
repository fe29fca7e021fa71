package gguf

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"stillhouse/checkpoints/internal/floats"
	"stillhouse/layers/tensor"
)

// Named is a tensor to be written under a name, rounded to nearest, ties to
// even, where the type is narrower than F32.
type Named struct {
	Name   string
	Tensor *tensor.Tensor // of floats
	Type   Type           // F32, F16 or BF16
}

// Write writes a whole file to w: the metadata and the tensors in the order
// given. It panics on what only a caller's mistake can bring; see [NewWriter].
func Write(w io.Writer, meta []KV, tensors []Named) error {
	infos := make([]Info, len(tensors))
	for i, t := range tensors {
		if t.Tensor == nil {
			panic(fmt.Sprintf("gguf: Write: tensor %q is nil", t.Name))
		}
		infos[i] = Info{Name: t.Name, Type: t.Type, Shape: t.Tensor.Shape()}
	}
	fw, err := NewWriter(w, meta, infos)
	if err != nil {
		return err
	}
	for _, t := range tensors {
		if err := fw.Put(t.Tensor); err != nil {
			return err
		}
	}
	return fw.Close()
}

// Writer writes a file one tensor at a time, for weights that are made, or
// read, one by one and never lie in memory together.
type Writer struct {
	w     io.Writer
	infos []Info
	next  int
	buf   []byte
	err   error // the first; nothing is written after it
}

// NewWriter writes the header of a file of these tensors. Offsets and sizes in
// infos are not read: the writer decides them. It panics when a key or a name is
// empty, there twice or not UTF-8, a value is no [Value], or a tensor's name,
// rank or type is none that ggml and this package have.
func NewWriter(w io.Writer, meta []KV, infos []Info) (*Writer, error) {
	infos = arrange(infos)
	if _, err := w.Write(encodeHeader(meta, infos)); err != nil {
		return nil, fmt.Errorf("gguf: write the header: %w", err)
	}
	largest := int64(0)
	for _, t := range infos {
		largest = max(largest, t.Bytes)
	}
	return &Writer{w: w, infos: infos, buf: make([]byte, min(chunk, largest))}, nil
}

// Put writes the next tensor. It panics when t has another shape than that
// tensor or is no tensor of floats.
func (w *Writer) Put(t *tensor.Tensor) error {
	if w.err != nil {
		return w.err
	}
	if w.next == len(w.infos) {
		panic(fmt.Sprintf("gguf: Put: all %d tensors were written", len(w.infos)))
	}
	info := w.infos[w.next]
	if !slices.Equal(t.Shape(), info.Shape) || t.DType() == tensor.I32 {
		panic(fmt.Sprintf("gguf: Put: %v for tensor %q, want floats %v", t, info.Name, info.Shape))
	}
	w.next++
	format, _ := info.Type.format() // arrange has checked it
	width := int64(format.Bytes())
	for at := int64(0); at < info.Bytes && w.err == nil; at += chunk {
		b := w.buf[:min(chunk, info.Bytes-at)]
		lo, hi := at/width, (at+int64(len(b)))/width
		if t.DType() == tensor.F32 {
			floats.Encode(b, tensor.Data[float32](t)[lo:hi], format)
		} else {
			floats.Encode(b, tensor.Data[float64](t)[lo:hi], format)
		}
		_, w.err = w.w.Write(b)
	}
	if w.err == nil {
		_, w.err = w.w.Write(make([]byte, padded(info.Bytes)-info.Bytes))
	}
	if w.err != nil {
		w.err = fmt.Errorf("gguf: write tensor %q: %w", info.Name, w.err)
	}
	return w.err
}

// Close checks that every tensor was written. It does not close what it writes
// to.
func (w *Writer) Close() error {
	if w.err == nil && w.next < len(w.infos) {
		w.err = fmt.Errorf("gguf: write: %d of %d tensors written, %q is next", w.next, len(w.infos), w.infos[w.next].Name)
	}
	if w.err != nil {
		return w.err
	}
	w.err = errors.New("gguf: the writer is closed")
	return nil
}

// padded returns n up to the next multiple of the alignment.
func padded(n int64) int64 { return (n + defaultAlignment - 1) &^ (defaultAlignment - 1) }

// arrange gives every tensor its place, in the order given, and checks it.
func arrange(infos []Info) []Info {
	infos = slices.Clone(infos)
	names := map[string]bool{}
	end := int64(0)
	for i := range infos {
		t := &infos[i]
		checkName("tensor", t.Name, names)
		_, err := t.Type.format()
		if err != nil || len(t.Name) > maxName || len(t.Shape) > maxRank {
			panic(fmt.Sprintf("gguf: Write: tensor %q is %v%v: a name has %d bytes at most, a shape %d dimensions, and F32, F16 and BF16 can be written",
				t.Name, t.Type, t.Shape, maxName, maxRank))
		}
		dims := make([]uint64, len(t.Shape))
		for j, n := range t.Shape {
			dims[j] = uint64(n)
		}
		if err := t.size(dims); err != nil {
			panic(fmt.Sprintf("gguf: Write: tensor %q: %v", t.Name, err))
		}
		t.Offset = end
		end += padded(t.Bytes)
	}
	return infos
}

// encodeHeader returns everything in front of the tensors, padding included.
func encodeHeader(meta []KV, infos []Info) []byte {
	b := le.AppendUint32([]byte(magic), version)
	b = le.AppendUint64(le.AppendUint64(b, uint64(len(infos))), uint64(len(meta)))
	keys := map[string]bool{}
	for _, kv := range meta {
		checkName("key", kv.Key, keys)
		b = appendString(b, kv.Key)
		var ok bool
		if b, ok = appendValue(b, kv.Value); !ok {
			panic(fmt.Sprintf("gguf: Write: key %q holds a %T, which no file can hold", kv.Key, kv.Value))
		}
		if kv.Key == alignmentKey && kv.Value != any(uint32(defaultAlignment)) {
			panic(fmt.Sprintf("gguf: Write: %s is the %T %v, the writer aligns to uint32 %d", kv.Key, kv.Value, kv.Value, defaultAlignment))
		}
	}
	for _, t := range infos {
		b = le.AppendUint32(appendString(b, t.Name), uint32(len(t.Shape)))
		for _, n := range slices.Backward(t.Shape) {
			b = le.AppendUint64(b, uint64(n))
		}
		b = le.AppendUint64(le.AppendUint32(b, uint32(t.Type)), uint64(t.Offset))
	}
	return append(b, make([]byte, padded(int64(len(b)))-int64(len(b)))...)
}

func checkName(what, name string, seen map[string]bool) {
	if name == "" || seen[name] || !utf8.ValidString(name) {
		panic(fmt.Sprintf("gguf: Write: %s %q is empty, there twice or not UTF-8", what, name))
	}
	seen[name] = true
}
