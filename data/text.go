package data

// Text files: a file is a document. Large ones are cut into blocks at line ends,
// so that a single file, too, has something to hold out.

import (
	"bytes"
	"fmt"
	"io"
	"os"
)

const (
	largestBlock  = 64 << 10
	smallestBlock = 1 << 10
	blocksPerFile = 64 // where the path is one file
)

// readTexts reads every file once: it cuts it into documents of at most block
// bytes and leaves out the files whose first block unwanted, if not nil, names.
func (c *corpus) readTexts(block int, unwanted func([]byte) bool, cfg *Config) error {
	c.decode = func(raw []byte) (Document, error) { return textDocument(string(raw)), nil }
	var all []entry
	var hashes []uint64
	buf := make([]byte, block)
	for i, name := range c.files {
		docs, err := c.cut(int32(i), buf, unwanted)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if docs == nil {
			c.skipped++
		}
		for n, e := range docs {
			all, hashes = append(all, e), append(hashes, pathHash(name, n))
		}
	}
	if len(all) == 0 {
		return fmt.Errorf("no text in it; hint: empty files, binary files and folders called testdata are left out")
	}
	c.divide(all, hashes, cfg.ValidationFraction)
	return nil
}

// cut returns the documents of one file, nil if it is unwanted or empty.
func (c *corpus) cut(file int32, buf []byte, unwanted func([]byte) bool) ([]entry, error) {
	f, err := os.Open(c.path(file))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var docs []entry
	e := entry{file: file, line: 1}
	for {
		n, err := f.ReadAt(buf, e.offset)
		if err != nil && err != io.EOF {
			return nil, err
		}
		raw := buf[:n]
		if n == 0 || e.offset == 0 && unwanted != nil && unwanted(raw) {
			return docs, nil
		}
		if n == len(buf) { // there may be more
			if i := bytes.LastIndexByte(raw, '\n'); i >= 0 {
				raw = raw[:i+1]
			}
		}
		docs = append(docs, c.add(e, raw, textDocument(string(raw))))
		e.offset += int64(len(raw))
		e.line += int32(bytes.Count(raw, []byte{'\n'}))
	}
}

// isBinary reports whether a file is no text, by what its beginning holds.
func isBinary(head []byte) bool { return bytes.IndexByte(head[:min(len(head), 8<<10)], 0) >= 0 }
