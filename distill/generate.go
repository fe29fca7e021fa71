package distill

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"stillhouse/layers"
	"stillhouse/layers/tensor"
)

// Sampling says how the next token is chosen and where a text ends. The zero
// value takes the likeliest until the model ends the text.
type Sampling struct {
	layers.Sampling
	Seed uint64
	Stop []string // a text ends before the first of these
}

// Generation is one continuation of a prompt.
type Generation struct {
	Text         string  `json:"text"`
	PromptTokens int     `json:"prompt_tokens"` // all of it, what was read before included
	Tokens       int     `json:"tokens"`
	Stopped      bool    `json:"stopped"` // at the end of text or a stop string, before the limit
	Prefill      float64 `json:"prefill_tokens_per_s"`
	Decode       float64 `json:"decode_tokens_per_s"`
	StateBytes   int     `json:"state_bytes"` // at the end
}

// Generate continues a prompt by up to limit tokens and hands every piece of
// text to emit as it comes. It stops at the end of text, and when ctx is done.
func Generate(ctx context.Context, p *layers.Pool, l *Loaded, prompt string, limit int, s Sampling, emit func(text string) error) (g Generation, err error) {
	if l.Tokenizer == nil {
		return g, fmt.Errorf("%s has no tokenizer: text cannot be read without it", l.Source)
	}
	return NewSpeaker(p, l).Say(ctx, promptTokens(l, prompt), limit, s, emit)
}

// A Speaker continues texts, one after the other, and remembers what it has read:
// of a text that begins with all of it, only the rest is read.
type Speaker struct {
	pool   *layers.Pool
	model  *Loaded
	ends   []int32 // tokens that end a text
	run    *layers.Decoder
	reach  int     // tokens up to which run's positions are right; 0: any number
	read   []int32 // by run
	logits *tensor.Tensor
}

// NewSpeaker returns a Speaker that has read nothing.
func NewSpeaker(p *layers.Pool, l *Loaded) *Speaker {
	return &Speaker{pool: p, model: l, ends: endTokens(l)}
}

// Say continues the text of ids; see [Generate].
func (s *Speaker) Say(ctx context.Context, ids []int32, limit int, how Sampling, emit func(text string) error) (g Generation, err error) {
	if len(ids) == 0 {
		return g, fmt.Errorf("the prompt has no token (hint: --prompt TEXT; this model begins no text by itself)")
	}
	if most := slices.Max(ids); int(most) >= s.model.Model.Config.VocabSize {
		return g, fmt.Errorf("%s: the tokenizer gives token %d, the model has %d (hint: is tokenizer.json the model's own?)", s.model.Source, most, s.model.Model.Config.VocabSize)
	}
	began, fresh := time.Now(), s.see(ctx, ids, limit)
	g.PromptTokens, g.Prefill = len(ids), float64(fresh)/time.Since(began).Seconds()
	if ctx.Err() != nil { // ids may not have been read to their end
		return g, ErrInterrupted
	}
	r := rand.New(rand.NewPCG(how.Seed, 0x9e3779b97f4a7c15))
	text, stop := s.model.Tokenizer.NewStream(), newStopper(how.Stop)
	// A decoder may treat the first token of a text apart, as Llama's does: the
	// continuation of a prompt is not the beginning of a text.
	for _, id := range ids {
		text.Next(id)
	}
	text.Flush()
	say := func(t string) error {
		t, g.Stopped = stop.pass(t)
		if g.Text += t; t == "" {
			return nil
		}
		return emit(t)
	}
	began = time.Now()
	for g.Tokens < limit && ctx.Err() == nil {
		id := how.Choose(s.logits, 0, s.read, r)
		if slices.Contains(s.ends, id) {
			g.Stopped = true
			break
		}
		g.Tokens++
		if err := say(text.Next(id)); err != nil || g.Stopped {
			g.Decode, g.StateBytes = float64(g.Tokens)/time.Since(began).Seconds(), s.run.StateBytes()
			return g, err
		}
		if g.Tokens < limit {
			s.next(ctx, id)
		}
	}
	g.Decode, g.StateBytes = float64(g.Tokens)/time.Since(began).Seconds(), s.run.StateBytes()
	ended := g.Stopped
	if err := say(text.Flush()); err != nil {
		return g, err
	}
	if rest := stop.held; rest != "" && !g.Stopped {
		g.Text += rest
		if err := emit(rest); err != nil {
			return g, err
		}
	}
	g.Stopped = g.Stopped || ended
	if ctx.Err() != nil {
		return g, ErrInterrupted
	}
	return g, nil
}

// decodeAhead is how many tokens beyond the prompt a cache has room for at first;
// it grows with the text. A limit on the text may be far beyond what comes.
const decodeAhead = 1024

// see brings the model to the end of ids, with room for some of limit tokens more,
// and returns how many tokens it had to read. It stops early when ctx is done.
func (s *Speaker) see(ctx context.Context, ids []int32, limit int) (fresh int) {
	known := len(s.read)
	narrow := s.run == nil || s.reach > 0 && len(ids) > s.reach
	if narrow || known >= len(ids) || !slices.Equal(s.read, ids[:known]) {
		known = 0
		if narrow {
			capacity := len(ids) + min(limit, decodeAhead)
			if s.reach = reachOf(&s.model.Model.Config, len(ids)); s.reach > 0 {
				capacity = s.reach
			}
			s.run = decoderOf(s.pool, s.model.Model, 1, capacity, s.model.BF16)
		}
		s.run.Reset()
		s.read = s.read[:0]
	}
	for at := known; at < len(ids) && ctx.Err() == nil; at += prefillTokens {
		s.extend(ids[at:min(len(ids), at+prefillTokens)])
	}
	return len(ids) - known
}

// next reads one token more; all of the text anew where it outgrows its positions.
func (s *Speaker) next(ctx context.Context, id int32) {
	if s.reach > 0 && len(s.read) == s.reach {
		s.see(ctx, append(slices.Clone(s.read), id), 0)
		return
	}
	s.extend([]int32{id})
}

// reachOf returns up to which length a text of n tokens can grow on the rotary
// positions it begins with, 0 for any. Where they depend on the length at hand they
// are those of the reach: of the trained length as long as the text is within it.
// Thus no limit on a text changes the text.
func reachOf(c *layers.Config, n int) int {
	switch r := c.RopeScaling; {
	case r == nil:
	case r.Type == layers.RopeDynamic && n <= c.MaxPositions:
		return c.MaxPositions
	case r.Type == layers.RopeDynamic: // to read anew at every token would be exact
		return n + max(1, c.MaxPositions/8)
	case r.Type == layers.RopeLong && n <= r.OriginalPositions:
		return r.OriginalPositions
	}
	return 0
}

func (s *Speaker) extend(ids []int32) {
	s.logits = s.run.Extend(ids)
	s.read = append(s.read, ids...)
}
