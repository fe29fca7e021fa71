package data

// Text files: a file is a document. Large ones are cut into blocks at line ends,
// so that a single file, too, has something to hold out.

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	largestBlock  = 64 << 10
	smallestBlock = 1 << 10
	blocksPerFile = 64 // where the path is one file
)

// openPath opens a file or folder by its format.
func openPath(path, format string, cfg *Config, cache *cache) (source, error) {
	stat, err := os.Stat(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("no such file or folder; hint: paths are relative to where stillhouse is started")
		}
		return nil, err
	}
	if format == "" {
		format = formatOf(path)
	}
	switch format {
	case "text":
	case "jsonl":
		return openJSONL(path, cfg, cache)
	case "messages", "parquet", "json":
		return nil, fmt.Errorf("format %s is not read; hint: convert it to JSON lines with a text, or a prompt and a completion, on each", format)
	default:
		return nil, fmt.Errorf("no format %q; hint: there are text and jsonl", format)
	}
	if !stat.IsDir() {
		c := newCorpus(path, filepath.Dir(path), cfg, cache)
		c.files = []string{filepath.Base(path)}
		block := min(max(int(stat.Size())/blocksPerFile, smallestBlock), largestBlock)
		return c, c.readTexts(block, nil, cfg)
	}
	c := newCorpus(path, path, cfg, cache)
	if err := c.list("", nil); err != nil {
		return nil, err
	}
	return c, c.readTexts(largestBlock, isBinary, cfg)
}

func formatOf(path string) string {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".jsonl", ".ndjson":
		return "jsonl"
	case ".parquet":
		return "parquet"
	case ".json":
		return "json"
	}
	return "text"
}

// list adds the regular files under folder, for which keep, if not nil, says
// yes. Folders called testdata and hidden ones are left out.
func (c *corpus) list(folder string, keep func(name string, size int64) bool) error {
	// A distribution may keep the folder elsewhere; WalkDir enters no link.
	top, err := filepath.EvalSymlinks(filepath.Join(c.root, folder))
	if err != nil {
		return err
	}
	err = filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if path != top && d.IsDir() && (name == "testdata" || name[0] == '.' || name[0] == '_') {
			return fs.SkipDir
		}
		if !d.Type().IsRegular() || name[0] == '.' {
			return nil
		}
		stat, err := d.Info()
		if err != nil {
			return err
		}
		if keep != nil && !keep(name, stat.Size()) {
			return nil
		}
		rel, err := filepath.Rel(top, path)
		if err != nil {
			return err
		}
		c.files = append(c.files, filepath.ToSlash(filepath.Join(folder, rel)))
		return nil
	})
	slices.Sort(c.files)
	return err
}

// readTexts reads every file once: it cuts it into documents of at most block
// bytes and leaves out the files whose first block unwanted, if not nil, names.
func (c *corpus) readTexts(block int, unwanted func([]byte) bool, cfg *Config) error {
	c.decode = func(raw []byte) (Document, error) { return textDocument(string(raw)), nil }
	var all []keyed
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
			all = append(all, keyed{e, pathHash(name, n)})
		}
	}
	if len(all) == 0 {
		return fmt.Errorf("no text in it; hint: empty files, binary files and folders called testdata are left out")
	}
	c.divide(all, cfg.ValidationFraction)
	return nil
}

// cut returns the documents of one file, nil if it is unwanted or empty.
func (c *corpus) cut(file int32, buf []byte, unwanted func([]byte) bool) ([]entry, error) {
	f, err := os.Open(filepath.Join(c.root, filepath.FromSlash(c.files[file])))
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
