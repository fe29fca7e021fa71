package data

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"

	"stillhouse/data/tasks"
	"stillhouse/data/tokenizer"
)

// Loader makes rows. It holds no position: any number of goroutines may ask for
// any rows in any order and get the same.
type Loader struct {
	cfg           Config
	tok           *tokenizer.Tokenizer
	bos, eos, pad int32
	mix           mixture
}

// Open opens every source, reads files once to check and fingerprint them, and
// returns the loader.
func Open(cfg Config, tok *tokenizer.Tokenizer) (*Loader, error) {
	mix, err := openMixture(&cfg)
	if err != nil {
		return nil, err
	}
	l := &Loader{cfg: cfg, tok: tok, mix: mix}
	if err := l.frame(); err != nil {
		return nil, err
	}
	return l, nil
}

// frame finds the tokens around a document.
func (l *Loader) frame() error {
	if f := l.cfg.Frame; f != nil {
		if f.EOS < 0 {
			return fmt.Errorf("data: the tokenizer names no token that ends a text; hint: eos_token in its tokenizer_config.json")
		}
		l.bos, l.eos, l.pad = f.BOS, f.EOS, f.Pad
		if l.pad < 0 {
			l.pad = l.eos // padding is never seen: it is no label and in no document
		}
		return nil
	}
	for _, s := range []struct {
		name string
		id   *int32
	}{{tokenizer.BOS, &l.bos}, {tokenizer.EOS, &l.eos}, {tokenizer.Pad, &l.pad}} {
		id, ok := l.tok.Special(s.name)
		if !ok {
			return fmt.Errorf("data: the tokenizer has no token %s; hint: documents are framed by %s and %s and padded by %s",
				s.name, tokenizer.BOS, tokenizer.EOS, tokenizer.Pad)
		}
		*s.id = id
	}
	return nil
}

// Batch returns batch number step of size rows: rows step·size to step·size+size.
func (l *Loader) Batch(s Split, step, size int) (*Batch, error) {
	return l.Rows(s, int64(step)*int64(size), size)
}

// Rows returns n rows from row first on. Training rows depend on the seed, held-out
// rows do not: runs with different seeds are measured on the same rows.
func (l *Loader) Rows(s Split, first int64, n int) (*Batch, error) {
	if first < 0 || n < 1 {
		panic(fmt.Sprintf("data: Loader.Rows: %d rows from row %d", n, first))
	}
	t := l.cfg.SequenceLen
	b := &Batch{B: n, T: t, Tokens: make([]int32, n*t), Labels: make([]int32, n*t), Start: make([]int32, n*t), Mask: make([]float32, n*t)}
	var row row
	for i := range n {
		if err := row.fill(l, s, first+int64(i)); err != nil {
			return nil, err
		}
		row.write(b, i, l.pad)
	}
	return b, nil
}

// Sources describes what is read, in the order of Config.Sources.
func (l *Loader) Sources() []SourceInfo {
	infos := make([]SourceInfo, len(l.mix.sources))
	for i, s := range l.mix.sources {
		infos[i] = s.info()
	}
	return infos
}

// Fingerprint identifies everything that decides a row, for manifests: the
// sources' contents, the tokenizer and the configuration. Two loaders of one
// fingerprint give the same rows.
func (l *Loader) Fingerprint() string {
	h := sha256.New()
	c := l.cfg
	fmt.Fprintln(h, l.tok.Fingerprint(), c.SequenceLen, c.Packing, c.LossOn, c.Seed, c.ValidationFraction)
	if c.Frame != nil {
		fmt.Fprintln(h, "frame", *c.Frame)
	}
	if c.Template != nil {
		fmt.Fprintf(h, "template %q\n", c.Template.Source())
	}
	for i, s := range l.mix.sources {
		info := s.info()
		fmt.Fprintf(h, "%s %g\n", info.Fingerprint, c.Sources[i].Weight)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// DocumentName says where the document of a span comes from, for people.
func (l *Loader) DocumentName(s Span) string {
	return l.mix.sources[s.Source].name(s.split, s.place)
}

// mixture draws sources by weight.
type mixture struct {
	configs []SourceConfig
	sources []source
	total   float64
}

func openMixture(cfg *Config) (mixture, error) {
	if err := cfg.check(); err != nil {
		return mixture{}, err
	}
	if cfg.CacheBytes == 0 {
		cfg.CacheBytes = defaultCacheBytes
	}
	cache := newCache(cfg.CacheBytes)
	m := mixture{configs: cfg.Sources}
	for i, c := range cfg.Sources {
		s, err := c.open(cfg, cache)
		if err != nil {
			return mixture{}, fmt.Errorf("data: source %d (%s): %w", i, c.name(), err)
		}
		m.sources = append(m.sources, s)
		m.total += c.Weight
	}
	return m, nil
}

// choose returns the index of a source; each has its weight's share of draws.
func (m *mixture) choose(r *rand.Rand) int {
	u := r.Float64() * m.total
	for i, c := range m.configs {
		if u < c.Weight || i == len(m.configs)-1 {
			return i
		}
		u -= c.Weight
	}
	panic("data: a mixture without sources")
}

// keyed64 returns the generator that belongs to two numbers.
func keyed64(seed, n uint64) *rand.Rand {
	return rand.New(rand.NewPCG(tasks.Mix(seed), tasks.Mix(n)))
}

// rowRand returns the generator of a row and the seed of its endless sources.
func (c *Config) rowRand(s Split, row int64) (*rand.Rand, uint64) {
	seed := uint64(0)
	if s == Train {
		seed = c.Seed
	}
	return keyed64(seed^tasks.Hash("row", s.String()), uint64(row)), seed
}
