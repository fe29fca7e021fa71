package distill

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash"
	"os"
	"path/filepath"

	"stillhouse/checkpoints"
	"stillhouse/layers"
	"stillhouse/layers/tensor"
	"stillhouse/recipes"
)

// TargetCache keeps on disk what the losses look at of the teacher, sequence by
// sequence, so that whoever reads a sequence again does not run the teacher: the
// probes of every scoring, evaluations, a run that goes on, and the arms of an
// ablation, which read the same rows. A sequence's targets depend on it alone
// (layers.Targets), so they serve batches of any size.
//
// A key is the hash of all that decides the bits: the teacher's sizes and weights,
// the tokens and where their documents start, the floating type and instruction
// set, what is kept, and what the teacher makes of a fixed sequence of that length
// here and now. So another version of the kernels finds nothing of this one.
type TargetCache struct {
	files   *checkpoints.Cache
	top     int // logits kept of each token; 0: the last hidden state
	teacher *layers.Model
	weights []byte         // SHA-256 of the teacher's sizes and weights
	probes  map[int][]byte // by length: SHA-256 of what it makes of a fixed sequence
	note    func(string)   // hears of what had to be computed again, and why

	Found, Computed int64 // sequences, so far
	failing         bool  // the folder cannot be written: nothing more is kept
}

// targetsVersion changes with what a file holds.
const targetsVersion = "stillhouse targets 1"

// OpenTargets opens the cache of a recipe for its teacher, nil if it has none.
func OpenTargets(c *recipes.TeacherCache, teacher *layers.Model, note func(string)) (*TargetCache, error) {
	if c == nil {
		return nil, nil
	}
	dir, err := targetsDir(c)
	if err != nil {
		return nil, err
	}
	t := &TargetCache{teacher: teacher, note: note, probes: map[int][]byte{}, top: topOf(c, &teacher.Config)}
	if t.files, err = checkpoints.OpenCache(dir, int64(c.MaxSize)); err != nil {
		return nil, fmt.Errorf("teacher.cache: %w", err)
	}
	t.weights, err = hashModel(teacher)
	return t, err
}

// targetsOnPaper is the cache of a teacher on paper, which finds nothing and keeps
// nothing; nil if the recipe has none.
func targetsOnPaper(c *recipes.TeacherCache, teacher *layers.Model) *TargetCache {
	if c == nil {
		return nil
	}
	return &TargetCache{teacher: teacher, top: topOf(c, &teacher.Config)}
}

// topOf returns how many of each token's logits a cache keeps; 0: all there is.
func topOf(c *recipes.TeacherCache, teacher *layers.Config) int {
	if c.Targets != "topk" {
		return 0
	}
	return min(c.K, teacher.VocabSize)
}

// targetsDir is the folder of a cache: the recipe's, or one in the user's.
func targetsDir(c *recipes.TeacherCache) (string, error) {
	if c.Path != "" {
		return c.Path, nil
	}
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("teacher.cache: %w (hint: give teacher.cache.path)", err)
	}
	return filepath.Join(base, "stillhouse", "targets"), nil
}

// hashModel is the SHA-256 of a model's sizes and of the names, shapes and bytes
// of its weights.
func hashModel(m *layers.Model) ([]byte, error) {
	h := sha256.New()
	b, err := json.Marshal(m.Config)
	if err != nil {
		return nil, fmt.Errorf("teacher.cache: %w", err)
	}
	h.Write(b)
	for _, p := range m.Params() {
		fmt.Fprintf(h, "%s %v %v\n", p.Name, p.Value.DType(), p.Value.Shape())
		hashTensor(h, p.Value)
	}
	return h.Sum(nil), nil
}

// hashTensor writes t's bytes to h, some at a time.
func hashTensor(h hash.Hash, t *tensor.Tensor) {
	flat := t.Reshape(t.Size())
	const some = 1 << 16
	var buf []byte
	for lo := 0; lo < t.Size(); lo += some {
		buf = appendTensor(buf[:0], flat.Rows(lo, min(lo+some, t.Size())))
		h.Write(buf)
	}
}

// appendTensor appends t's elements in little endian.
func appendTensor(b []byte, t *tensor.Tensor) []byte {
	var data any
	switch t.DType() {
	case tensor.F64:
		data = tensor.Data[float64](t)
	case tensor.I32:
		data = tensor.Data[int32](t)
	default:
		data = tensor.Data[float32](t)
	}
	b, err := binary.Append(b, binary.LittleEndian, data)
	if err != nil {
		panic(fmt.Sprintf("distill: appendTensor: %v", err)) // slices of numbers only
	}
	return b
}

// setTensor is the way back; it returns what is left of b.
func setTensor(t *tensor.Tensor, b []byte) []byte {
	var data any
	switch t.DType() {
	case tensor.F64:
		data = tensor.Data[float64](t)
	case tensor.I32:
		data = tensor.Data[int32](t)
	default:
		data = tensor.Data[float32](t)
	}
	n, err := binary.Decode(b, binary.LittleEndian, data)
	if err != nil {
		panic(fmt.Sprintf("distill: setTensor: %v of %d bytes: %v", t, len(b), err)) // the size was checked
	}
	return b[n:]
}

// serves reports whether the targets are all that an objective needs.
func (c *TargetCache) serves(o layers.Objective) bool {
	return c != nil && o.NeedsTeacher() && o.LogitsOnly()
}

// forExams returns the cache if it can serve an evaluation, which looks at all
// logits; nil if not.
func (c *TargetCache) forExams() *TargetCache {
	if c == nil || c.top > 0 {
		return nil
	}
	return c
}

// Facts is a line on what the cache was good for.
func (c *TargetCache) Facts() string {
	return fmt.Sprintf("teacher's targets: %d of %d sequences came from %s", c.Found, c.Found+c.Computed, c.files.Dir())
}
