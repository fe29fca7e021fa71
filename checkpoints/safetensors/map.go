package safetensors

import (
	"fmt"
	"io"
	"runtime/debug"

	"stillhouse/layers/tensor"
)

// readMapped decodes a tensor where it lies in the mapped file. A page that the
// disk cannot deliver, or that was cut off since the file was opened, is a fault
// of the processor where a read would have been an error; it becomes one here.
func (f *File) readMapped(info Info, dst *tensor.Tensor) (err error) {
	begin := f.body + info.Offset
	defer release(f.mapped, begin, begin+info.Bytes)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch fault := recover().(type) {
		case nil:
		case interface{ Addr() uintptr }:
			err = fmt.Errorf("the file was cut short or the disk failed while it was read: %w", io.ErrUnexpectedEOF)
		default:
			panic(fault)
		}
	}()
	src, width := f.mapped[begin:begin+info.Bytes], int64(info.DType.Bits()/8)
	for at := int64(0); at < info.Bytes; at += chunk {
		if err := decode(dst, int(at/width), src[at:min(at+chunk, info.Bytes)], info.DType); err != nil {
			return err
		}
	}
	return nil
}
