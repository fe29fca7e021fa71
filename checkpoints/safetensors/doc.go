// Package safetensors reads and writes the file format that weights travel in:
// eight bytes of header length, a JSON header, then raw little-endian tensors.
//
// There are four types here: [File], an open file whose header has been checked
// in full; [Info], what the header says about one tensor; [Named], a tensor to
// be written; and [Writer], which writes a file one tensor at a time.
//
//	f, err := safetensors.Open("model.safetensors")  // header only
//	w, err := f.Read("model.norm.weight")            // F16, BF16 → F32, I64 → I32
//	err = f.ReadInto("lm_head.weight", dst)          // into memory that exists
//	err = safetensors.Write(out, []safetensors.Named{{Name: "w", Tensor: w}}, nil)
//
// The reader trusts nothing. A header is refused when it is longer than 100 MB
// or than the file, is not JSON in UTF-8, names a tensor or a key twice, holds a
// dtype the format does not define, a number that is not a plain integer, a
// shape whose size is not that of its bytes, or when the tensors leave a hole,
// overlap, or end elsewhere than the file does. Every such error wraps
// [ErrFormat] and names the file, the tensor and the value. Nothing is allocated
// on the word of a size that the file's length does not back.
//
// The dtypes F64, F32, F16, BF16, I64 and I32 can be read; the others of the
// format are known, so that a file which holds one opens and the rest of it can
// be used, and reading one is an error that wraps [ErrDType] and names it.
//
// The writer is deterministic: the same tensors and metadata give the same
// bytes. Keys are sorted, the header is padded to eight bytes, and wider
// elements come first, so that every tensor is aligned to its element. It
// converts 256 KiB at a time, and a tensor that is given as a function is made when
// its turn comes: a model is written without a second copy of it.
//
// A file is mapped into memory where the system can, and a tensor is decoded
// where it lies, page by page, into memory of its own; the pages are let go again,
// so that a file of any size costs no more than the tensors that were read. A
// tensor never shares the mapping: a file that is cut short beneath it would kill
// the process in the middle of a matrix product, and here it is an error.
//
// There is no checksum: the format has no room for one, and package checkpoints
// keeps it beside the file.
package safetensors
