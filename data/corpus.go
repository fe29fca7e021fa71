package data

// A corpus is documents in files: their places are known, their contents are
// read when a row wants them.

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"stillhouse/data/tasks"
)

// entry is one document in a file. There is one of 32 bytes in memory for every
// document, and eight bytes more in part: what a corpus of any size takes.
type entry struct {
	offset  int64  // in the file
	file    int32  // of corpus.files
	line    int32  // of its first byte, from 1
	size    int32  // bytes in the file
	text    int32  // bytes of the document in it
	windows int32  // how many rows it is worth, at least 1
	sum     uint32 // CRC-32C of those bytes: a file that changes under a run is noticed
}

type corpus struct {
	label  string
	root   string   // files are relative to it
	files  []string // slash-separated, sorted
	decode func(raw []byte) (Document, error)
	cache  *cache
	// unpacked says where the bytes of files are that were not readable as they were.
	unpacked map[int32]string
	skipped  int
	bad      int    // records left out
	badAt    string // the first of them: place and reason
	bytes    int64
	sha      hash.Hash
	rowLen   int
	parts    [2]part // train, validation
}

// part is the documents of one split, with the sum of windows up to each.
type part struct {
	entries []entry
	upTo    []int64
}

// bytesPerToken is roughly what one token covers in text with a vocabulary of
// some hundreds. It only decides how much likelier a long document is drawn.
const bytesPerToken = 2

func newCorpus(label, root string, cfg *Config, cache *cache) *corpus {
	return &corpus{label: label, root: root, cache: cache, sha: sha256.New(), rowLen: cfg.SequenceLen + 1, unpacked: map[int32]string{}}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// add completes the entry of a document and puts its bytes into the fingerprint.
func (c *corpus) add(e entry, raw []byte, doc Document) entry {
	e.size, e.text, e.sum = int32(len(raw)), int32(doc.bytes()), crc32.Checksum(raw, castagnoli)
	e.windows = 1
	if !doc.Whole {
		e.windows = max(1, int32(doc.bytes()/(bytesPerToken*c.rowLen)))
	}
	fmt.Fprintf(c.sha, "%s\x00%d\x00%d\x00", c.files[e.file], e.offset, len(raw))
	c.sha.Write(raw)
	c.bytes += int64(len(raw))
	return e
}

// divide fills the splits from all documents and the hash of each: a document is
// held out if its hash is in the lowest fraction of all hashes there could be, so
// that it stays where it is when others come or go. Small corpora bend that rule, or
// a split would be empty. It takes over the memory of all.
func (c *corpus) divide(all []entry, hashes []uint64, fraction float64) {
	sorted := slices.Clone(hashes)
	slices.Sort(sorted)
	sorted = slices.Compact(sorted) // equal documents stay together
	held, _ := slices.BinarySearchFunc(sorted, fraction, func(h uint64, f float64) int {
		return cmp.Compare(float64(h>>11)/(1<<53), f)
	})
	if fraction > 0 {
		held = min(max(held, 1), len(sorted)-1)
	}
	var out []entry
	train := all[:0] // never ahead of what is read
	for i, e := range all {
		if held > 0 && hashes[i] <= sorted[held-1] {
			out = append(out, e)
		} else {
			train = append(train, e)
		}
	}
	c.parts[Train], c.parts[Validation] = newPart(train), newPart(out)
}

func newPart(entries []entry) part {
	p, sum := part{entries: entries, upTo: make([]int64, len(entries))}, int64(0)
	for i, e := range entries {
		sum += int64(e.windows)
		p.upTo[i] = sum
	}
	return p
}

func (c *corpus) info() SourceInfo {
	return SourceInfo{
		Name:        c.label,
		Documents:   len(c.parts[0].entries) + len(c.parts[1].entries),
		Held:        len(c.parts[1].entries),
		Bytes:       c.bytes,
		Skipped:     c.skipped,
		Bad:         c.bad,
		FirstBad:    c.badAt,
		Fingerprint: hex.EncodeToString(c.sha.Sum(nil)),
	}
}

func (c *corpus) pick(r *rand.Rand, s Split) (place, bool) {
	if int(s) >= len(c.parts) || len(c.parts[s].entries) == 0 {
		return place{}, false
	}
	p := &c.parts[s]
	n := r.Int64N(p.upTo[len(p.upTo)-1])
	i := sort.Search(len(p.upTo), func(i int) bool { return p.upTo[i] > n })
	at := place{index: uint64(i)}
	if e := &p.entries[i]; e.windows > 1 {
		at.offset = r.Int64N(int64(e.text))
	}
	return at, true
}

func (c *corpus) read(s Split, _ uint64, p place) (Document, error) {
	e := &c.parts[s].entries[p.index]
	key := cacheKey{c, e}
	doc, ok := c.cache.get(key)
	if !ok {
		var err error
		if doc, err = c.load(e); err != nil {
			return Document{}, err
		}
		c.cache.put(key, doc)
	}
	if p.offset == 0 {
		return doc, nil
	}
	text := doc.Parts[0].Text // only texts have offsets
	from := lineStart(text, int(p.offset))
	part := textDocument(text[from:])
	part.Head = from == 0
	return part, nil
}

func (c *corpus) name(s Split, p place) string {
	e := &c.parts[s].entries[p.index]
	if e.line > 1 {
		return fmt.Sprintf("%s:%d", c.files[e.file], e.line)
	}
	return c.files[e.file]
}

// load reads one document from its file.
func (c *corpus) load(e *entry) (Document, error) {
	path := c.path(e.file)
	f, err := os.Open(path)
	if err != nil {
		return Document{}, fmt.Errorf("data: %s: %w", c.label, err)
	}
	defer f.Close()
	raw := make([]byte, e.size)
	_, err = f.ReadAt(raw, e.offset)
	if err != nil && err != io.EOF {
		return Document{}, fmt.Errorf("data: %s: %w", c.label, err)
	}
	if crc32.Checksum(raw, castagnoli) != e.sum {
		return Document{}, fmt.Errorf("data: %s changed since the run began; hint: train on a copy that stays as it is", path)
	}
	return c.decode(raw)
}

// longestLine in bytes that a window moves back over to begin at a line.
const longestLine = 1024

// lineStart returns the beginning of the line that text[at] is in or, where that
// is far, of the rune.
func lineStart(text string, at int) int {
	if at <= 0 {
		return 0
	}
	low := max(0, at-longestLine)
	if i := strings.LastIndexByte(text[low:at], '\n'); i >= 0 {
		return low + i + 1
	}
	if low == 0 {
		return 0
	}
	for at > low && !utf8.RuneStart(text[at]) {
		at--
	}
	return at
}

// pathHash decides the split of a document by where it stands.
func pathHash(name string, block int) uint64 { return tasks.Hash(name, fmt.Sprint(block)) }
