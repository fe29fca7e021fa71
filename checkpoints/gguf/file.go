package gguf

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"stillhouse/checkpoints/internal/floats"
	"stillhouse/layers/tensor"
)

// chunk is how many bytes are converted at a time: they stay in the cache, and
// it is a multiple of every element's width.
const chunk = 256 << 10

// File is an open file. Its header was read and checked; tensors are read when
// asked for. Its methods may be used by several goroutines at once.
type File struct {
	name   string
	r      io.ReaderAt
	header *header
	close  func() error
}

// Open opens the file at path and checks its header. The error wraps ErrFormat
// when the file is there but is not what it should be.
func Open(path string) (*File, error) {
	// Looking first keeps a pipe from blocking the open.
	if info, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("gguf: %w", err)
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("gguf: %s is no regular file (%v): %w", path, info.Mode(), ErrFormat)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("gguf: %w", err)
	}
	info, err := f.Stat()
	var g *File
	if err == nil {
		g, err = New(path, f, info.Size())
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	g.close = f.Close
	return g, nil
}

// Parse opens a file that lies in memory; name stands in errors. The File keeps
// data, which must not change.
func Parse(name string, data []byte) (*File, error) {
	return New(name, bytes.NewReader(data), int64(len(data)))
}

// New opens the size bytes of r; name stands in errors. Closing the File does
// not close r.
func New(name string, r io.ReaderAt, size int64) (*File, error) {
	h, err := parseHeader(newScanner(r, size))
	if err != nil {
		if !errors.Is(err, errRead) {
			err = fmt.Errorf("%w: %w", ErrFormat, err)
		}
		return nil, fmt.Errorf("gguf: %s: %w", name, err)
	}
	return &File{name: name, r: r, header: h, close: func() error { return nil }}, nil
}

// Close closes the file; tensors that were read stay valid.
func (f *File) Close() error { return f.close() }

// Metadata returns the entries in the file's order. The values share memory with
// the File and must not be changed.
func (f *File) Metadata() []KV { return slices.Clone(f.header.meta) }

// Infos returns what the header says about every tensor, in the file's order.
func (f *File) Infos() []Info {
	infos := slices.Clone(f.header.infos)
	for i := range infos {
		infos[i].Shape = slices.Clone(infos[i].Shape)
	}
	return infos
}

// Info returns what the header says about the tensor of that name.
func (f *File) Info(name string) (Info, bool) {
	i, ok := f.header.tensors[name]
	if !ok {
		return Info{}, false
	}
	t := f.header.infos[i]
	t.Shape = slices.Clone(t.Shape)
	return t, true
}

// Read returns the tensor of that name as F32 in memory of its own.
func (f *File) Read(name string) (*tensor.Tensor, error) {
	info, ok := f.Info(name)
	if !ok {
		return nil, fmt.Errorf("gguf: %s: no tensor %q among %d: %w", f.name, name, len(f.header.infos), os.ErrNotExist)
	}
	fail := func(err error) (*tensor.Tensor, error) {
		return nil, fmt.Errorf("gguf: %s: tensor %q: %w", f.name, name, err)
	}
	format, err := info.Type.format()
	if err != nil {
		return fail(err)
	}
	t := tensor.New(tensor.F32, info.Shape...)
	dst, width := tensor.Data[float32](t), int64(format.Bytes())
	buf := make([]byte, min(chunk, info.Bytes))
	for at := int64(0); at < info.Bytes; at += int64(len(buf)) {
		buf = buf[:min(int64(len(buf)), info.Bytes-at)]
		// ReadAt may report the end of the file together with the last bytes.
		if n, err := f.r.ReadAt(buf, f.header.body+info.Offset+at); n < len(buf) {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return fail(err)
		}
		floats.Decode(dst[at/width:(at+int64(len(buf)))/width], buf, format)
	}
	return t, nil
}
