package data

// Where a path becomes a source. A file's name says how it is written:
//
//	anything.txt                text, a document or blocks of one
//	rows.jsonl, rows.ndjson     a record a line
//	rows.parquet                a record a row, unpacked into JSON lines first
//	any of the first two .zst   unpacked first
//
// A folder is all its text files or, where the format is one of records, all its
// files of records.

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// openPath opens a file or folder by its format.
func openPath(path, format string, cfg *Config, cache *cache) (source, error) {
	switch format {
	case "", FormatText, FormatCompletion, FormatMessages, FormatRecords:
	default:
		return nil, fmt.Errorf("no format %q; hint: there are text, completion and messages", format)
	}
	stat, err := os.Stat(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("no such file or folder; hint: paths are relative to where stillhouse is started")
		}
		return nil, err
	}
	records := format != "" && format != FormatText
	if !stat.IsDir() {
		c := newCorpus(path, filepath.Dir(path), cfg, cache)
		c.files = []string{filepath.Base(path)}
		kind, err := kindOf(path)
		if err != nil {
			return nil, err
		}
		if records || kind != textFile {
			return c, c.readRecords(format, cfg)
		}
		if err := c.unpack(cfg); err != nil {
			return nil, err
		}
		if stat, err = os.Stat(c.path(0)); err != nil {
			return nil, err
		}
		block := min(max(int(stat.Size())/blocksPerFile, smallestBlock), largestBlock)
		return c, c.readTexts(block, nil, cfg)
	}
	c := newCorpus(path, path, cfg, cache)
	if records {
		if err := c.list("", func(name string, _ int64) bool { return holdsRecords(name) }); err != nil {
			return nil, err
		}
		if len(c.files) == 0 {
			return nil, fmt.Errorf("no .jsonl, .ndjson or .parquet file in it; hint: format %s reads records, format text reads files of text", format)
		}
		return c, c.readRecords(format, cfg)
	}
	if err := c.list("", nil); err != nil {
		return nil, err
	}
	if err := c.unpack(cfg); err != nil {
		return nil, err
	}
	return c, c.readTexts(largestBlock, isBinary, cfg)
}

// fileKind is how a file is written.
type fileKind int

const (
	textFile fileKind = iota
	linesFile
	parquetFile
)

// compressed ends the name of a file in Zstandard's format.
const compressed = ".zst"

// kindOf reads a file's kind off its name.
func kindOf(path string) (fileKind, error) {
	name := strings.ToLower(path)
	plain := strings.TrimSuffix(name, compressed)
	switch filepath.Ext(plain) {
	case ".jsonl", ".ndjson":
		return linesFile, nil
	case ".parquet":
		if plain != name {
			return 0, fmt.Errorf("a Parquet file within Zstandard; hint: Parquet compresses its pages itself, unpack the outer layer")
		}
		return parquetFile, nil
	case ".json":
		return 0, fmt.Errorf("a .json file is one value, not a record a line; hint: write it as JSON lines (.jsonl)")
	case ".gz", ".xz", ".bz2", ".zip":
		return 0, fmt.Errorf("this compression is not read; hint: .zst is, or unpack the file")
	}
	return textFile, nil
}

func holdsRecords(name string) bool {
	kind, err := kindOf(name)
	return err == nil && kind != textFile
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
		if d.IsDir() || name[0] == '.' {
			return nil
		}
		stat, err := os.Stat(path) // through links: the Hub's cache is made of them
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a link to nothing
		}
		if err != nil {
			return err
		}
		if !stat.Mode().IsRegular() {
			return nil
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

// path returns where the bytes of a file are: the file itself, or what it was
// unpacked into.
func (c *corpus) path(file int32) string {
	if p := c.unpacked[file]; p != "" {
		return p
	}
	return filepath.Join(c.root, filepath.FromSlash(c.files[file]))
}
