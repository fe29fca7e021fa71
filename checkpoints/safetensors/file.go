package safetensors

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

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
	mapped []byte // all of the file, where the system maps files; else nil
	body   int64  // where the tensors begin
	header header
	close  func() error
}

// Open opens the file at path and checks its header. The error wraps ErrFormat
// when the file is there but is not what it should be.
func Open(path string) (*File, error) {
	// Looking first keeps a pipe from blocking the open.
	if info, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("safetensors: %s is a %s, not a file: %w", path, kind(info), ErrFormat)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("safetensors: %s is a %s, not a file: %w", path, kind(info), ErrFormat)
	}
	var s *File
	if err == nil {
		s, err = New(path, f, info.Size())
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	s.close = func() error { return errors.Join(s.unmap(), f.Close()) }
	return s, nil
}

func kind(info os.FileInfo) string {
	if info.IsDir() {
		return "folder"
	}
	return "special file (" + info.Mode().String() + ")"
}

// Parse opens a file that lies in memory, such as an embedded one; name stands
// in errors. The File keeps data, which must not change.
func Parse(name string, data []byte) (*File, error) {
	return New(name, bytes.NewReader(data), int64(len(data)))
}

// New opens the size bytes of r; name stands in errors. An *os.File is mapped into
// memory, where the system can. Closing the File does not close r.
func New(name string, r io.ReaderAt, size int64) (*File, error) {
	f := &File{name: name, r: r}
	f.close = f.unmap
	bad := func(err error) (*File, error) {
		return nil, fmt.Errorf("safetensors: %s: %w: %w", name, ErrFormat, err)
	}
	var length [8]byte
	if size < int64(len(length)) {
		return bad(fmt.Errorf("%d bytes, too short for the header's length: cut short", size))
	}
	if err := readFull(r, length[:], 0); err != nil {
		return nil, fmt.Errorf("safetensors: %s: read the header's length: %w", name, err)
	}
	n := le.Uint64(length[:])
	switch left := uint64(size) - 8; {
	case n > maxHeader:
		return bad(fmt.Errorf("a header of %d bytes, the limit is %d", n, maxHeader))
	case n > left:
		return bad(fmt.Errorf("a header of %d bytes in a file of %d: cut short", n, size))
	}
	b := make([]byte, n)
	if err := readFull(r, b, 8); err != nil {
		return nil, fmt.Errorf("safetensors: %s: read the header: %w", name, err)
	}
	f.body = 8 + int64(n)
	var err error
	if f.header, err = parseHeader(b, size-f.body); err != nil {
		return bad(err)
	}
	if file, ok := r.(*os.File); ok {
		f.mapped = mapFile(file, size)
	}
	return f, nil
}

func (f *File) unmap() (err error) {
	if f.mapped != nil {
		err, f.mapped = unmap(f.mapped), nil
	}
	return err
}

// readFull fills p from offset at; ReadAt may report the end of the file
// together with the last bytes.
func readFull(r io.ReaderAt, p []byte, at int64) error {
	n, err := r.ReadAt(p, at)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Close closes the file, which must not be read any more; tensors that were read
// stay valid.
func (f *File) Close() error { return f.close() }

// Names returns the names of the tensors, sorted.
func (f *File) Names() []string {
	names := make([]string, len(f.header.infos))
	for i, t := range f.header.infos {
		names[i] = t.Name
	}
	return names
}

// Infos returns what the header says about every tensor, sorted by name.
func (f *File) Infos() []Info {
	infos := slices.Clone(f.header.infos)
	for i := range infos {
		infos[i].Shape = slices.Clone(infos[i].Shape)
	}
	return infos
}

// Info returns what the header says about the tensor of that name.
func (f *File) Info(name string) (Info, bool) {
	i, ok := slices.BinarySearchFunc(f.header.infos, name, func(t Info, n string) int { return strings.Compare(t.Name, n) })
	if !ok {
		return Info{}, false
	}
	t := f.header.infos[i]
	t.Shape = slices.Clone(t.Shape)
	return t, true
}

// Metadata returns a copy of the header's free text.
func (f *File) Metadata() map[string]string { return maps.Clone(f.header.meta) }

// Read returns the tensor of that name in memory of its own: F16 and BF16
// widened to F32, I64 narrowed to I32 when every element fits.
func (f *File) Read(name string) (*tensor.Tensor, error) {
	info, ok := f.Info(name)
	if !ok {
		return nil, f.missing(name)
	}
	d, err := info.DType.memory()
	if err != nil {
		return nil, fmt.Errorf("safetensors: %s: tensor %q: %w", f.name, name, err)
	}
	dst := tensor.New(d, info.Shape...)
	return dst, f.read(info, dst)
}

// ReadInto reads the tensor of that name into dst, which must have its shape;
// floating types convert into one another (F64 into F32 rounds). On an error
// the elements of dst are undefined.
func (f *File) ReadInto(name string, dst *tensor.Tensor) error {
	info, ok := f.Info(name)
	if !ok {
		return f.missing(name)
	}
	d, err := info.DType.memory()
	switch {
	case err != nil:
	case !slices.Equal(info.Shape, dst.Shape()):
		err = fmt.Errorf("has shape %v, want %v", info.Shape, dst.Shape())
	case (d == tensor.I32) != (dst.DType() == tensor.I32):
		err = fmt.Errorf("is %s and cannot become %v: %w", info.DType, dst.DType(), ErrDType)
	}
	if err != nil {
		return fmt.Errorf("safetensors: %s: tensor %q: %w", f.name, name, err)
	}
	return f.read(info, dst)
}

func (f *File) missing(name string) error {
	return fmt.Errorf("safetensors: %s: no tensor %q among %d: %w", f.name, name, len(f.header.infos), os.ErrNotExist)
}

func (f *File) read(info Info, dst *tensor.Tensor) error {
	if f.mapped != nil {
		if err := f.readMapped(info, dst); err != nil {
			return fmt.Errorf("safetensors: %s: tensor %q: %w", f.name, info.Name, err)
		}
		return nil
	}
	buf := make([]byte, min(chunk, info.Bytes))
	width := int64(info.DType.Bits() / 8)
	for at := int64(0); at < info.Bytes; at += int64(len(buf)) {
		buf = buf[:min(int64(len(buf)), info.Bytes-at)]
		err := readFull(f.r, buf, f.body+info.Offset+at)
		if err == nil {
			err = decode(dst, int(at/width), buf, info.DType)
		}
		if err != nil {
			return fmt.Errorf("safetensors: %s: tensor %q: %w", f.name, info.Name, err)
		}
	}
	return nil
}
