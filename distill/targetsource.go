package distill

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"stillhouse/checkpoints"
	"stillhouse/layers"
	"stillhouse/layers/tensor"
)

// targetSource fills the targets of one batch, again and again.
type targetSource struct {
	*layers.Targets
	cache *TargetCache
	pool  *layers.Pool
	batch *layers.Batch
	pass  *layers.Pass // nil until the teacher has to run
	key   []byte       // what all keys here begin with
	buf   []byte       // one sequence's targets
	last  []checkpoints.CacheKey
}

// source returns the targets of what b will hold, for an objective.
func (c *TargetCache) source(p *layers.Pool, b *layers.Batch, o layers.Objective) (*targetSource, error) {
	s := &targetSource{cache: c, pool: p, batch: b, Targets: layers.NewTargets(p, c.teacher, b, o, c.top), last: make([]checkpoints.CacheKey, b.B)}
	if b.IDs.Outlined() { // on paper: no key, but the pass that the first miss brings
		var err error
		s.pass, err = layers.NewPass(p, c.teacher, b)
		return s, err
	}
	probe, err := c.probe(p, b.T)
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	fmt.Fprintln(h, targetsVersion, c.teacher.Embed.Value.DType(), layers.ISA(), b.T, s.Top, s.Temperatures)
	h.Write(c.weights)
	h.Write(probe)
	s.key = h.Sum(nil)
	for _, t := range s.Tensors() {
		s.buf = append(s.buf, make([]byte, t.Bytes()/b.B)...)
	}
	return s, nil
}

// bytes is the size of the targets, and of one sequence's as a file has them.
func (s *targetSource) bytes() (n int) {
	if s == nil {
		return 0
	}
	for _, t := range s.Tensors() {
		n += t.Bytes() + t.Bytes()/s.batch.B
	}
	return n
}

// probe is the hash of what the teacher makes of a fixed sequence of t tokens.
func (c *TargetCache) probe(p *layers.Pool, t int) ([]byte, error) {
	if sum := c.probes[t]; sum != nil {
		return sum, nil
	}
	b := layers.NewBatch(1, t, c.teacher.Embed.Value.DType())
	for i, ids := 0, tensor.Data[int32](b.IDs); i < t; i++ {
		ids[i] = int32(i * 7919 % c.teacher.Config.VocabSize) // a prime: no short period
	}
	pass, err := layers.NewPass(p, c.teacher, b)
	if err != nil {
		return nil, err
	}
	defer pass.Close()
	if err := pass.Run(); err != nil {
		return nil, err
	}
	h := sha256.New()
	hashTensor(h, pass.Final())
	c.probes[t] = h.Sum(nil)
	return c.probes[t], nil
}

// fill makes the targets those of the batch: from the disk or, if one of its
// sequences is not there, by a pass of the teacher, which keeps them. final, if
// not nil, is the last hidden state of a pass that the caller has run anyway.
func (s *targetSource) fill(final *tensor.Tensor) error {
	missing := s.find()
	s.cache.Found += int64(s.batch.B - len(missing))
	s.cache.Computed += int64(len(missing))
	if len(missing) == 0 {
		return nil
	}
	if final == nil {
		if s.pass == nil {
			var err error
			if s.pass, err = layers.NewPass(s.pool, s.cache.teacher, s.batch); err != nil {
				return fmt.Errorf("teacher: %w", err)
			}
		}
		if err := s.pass.Run(); err != nil {
			return fmt.Errorf("teacher: %w", err)
		}
		final = s.pass.Final()
	}
	s.Set(s.cache.teacher, final)
	for _, i := range missing {
		s.keep(i)
	}
	return nil
}

// find reads what is on the disk and returns the sequences that are not.
func (s *targetSource) find() (missing []int) {
	for i := range s.batch.B {
		h := sha256.New()
		h.Write(s.key)
		h.Write(appendTensor(s.buf[:0], s.batch.IDs.Rows(i*s.batch.T, (i+1)*s.batch.T)))
		h.Write(appendTensor(s.buf[:0], s.batch.Start.Rows(i, i+1)))
		h.Sum(s.last[i][:0])
		ok, err := s.cache.files.Get(s.last[i], s.buf)
		if err != nil {
			again := ""
			if errors.Is(err, checkpoints.ErrDamaged) {
				again = ": computed again"
			}
			s.cache.note(fmt.Sprintf("warning: teacher's targets: %v%s", err, again))
		}
		if !ok {
			missing = append(missing, i)
			continue
		}
		rest := s.buf
		for _, t := range s.Tensors() {
			rest = setTensor(s.rows(t, i), rest)
		}
	}
	return missing
}

// keep writes the targets of sequence i. A folder that cannot be written costs
// time, not the run.
func (s *targetSource) keep(i int) {
	if s.cache.failing {
		return
	}
	b := s.buf[:0]
	for _, t := range s.Tensors() {
		b = appendTensor(b, s.rows(t, i))
	}
	if _, err := s.cache.files.Put(s.last[i], b); err != nil {
		s.cache.failing = true
		s.cache.note(fmt.Sprintf("warning: teacher's targets are no longer kept: %v", err))
	}
}

// rows returns what sequence i has of t.
func (s *targetSource) rows(t *tensor.Tensor, i int) *tensor.Tensor {
	return t.Rows(i*s.batch.T, (i+1)*s.batch.T)
}

// Close lets go of the teacher's graph.
func (s *targetSource) Close() {
	if s != nil && s.pass != nil {
		s.pass.Close()
	}
}
