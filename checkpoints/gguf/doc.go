// Package gguf reads and writes the files of llama.cpp: metadata of typed keys,
// then tensors, little-endian, in one file.
//
// There are five types here: [File], an open file whose header has been checked
// in full; [Info], what the header says about one tensor; [KV], one entry of the
// metadata; [Named], a tensor to be written; and [Writer], which writes a file
// one tensor at a time.
//
//	f, err := gguf.Open("model.gguf")                         // header only
//	layers, ok, err := gguf.Get[uint32](f, "llama.block_count")
//	w, err := f.Read("token_embd.weight")                     // F16, BF16 → F32
//	err = gguf.Write(out, []gguf.KV{{"general.architecture", "llama"}}, tensors)
//
// The file is, in this order (ggml/src/gguf.cpp of llama.cpp is the authority):
//
//	"GGUF" | u32 version | u64 tensors | u64 keys
//	keys     string key | u32 type | value            string = u64 length | bytes
//	tensors  string name | u32 rank | u64 × rank dims | u32 type | u64 offset
//	padding to the alignment, then every tensor, each padded likewise
//
// Dims stand in the file with the fastest first; shapes here have it last, as
// everywhere in the project. What a key or a tensor means is not known here.
//
// The reader trusts nothing. Refused are: another magic, version or byte order;
// counts, lengths and shapes that the file's size does not back; unknown types;
// arrays of arrays; a key or a name that is empty, there twice or not UTF-8;
// tensors that do not follow one another, padded, from the first byte to the
// last. Every such error wraps [ErrFormat] and names the file, the entry and the
// value. Nothing is allocated on the word of a size that the file does not back.
//
// F32, F16 and BF16 can be read and written. Quantised types are known, so that a
// file which holds one opens, and reading one is an error that wraps [ErrType]
// and names it.
//
// The writer is deterministic and keeps the caller's order of keys and tensors,
// of which it holds one chunk at a time. It writes version 3, aligned to 32.
package gguf
