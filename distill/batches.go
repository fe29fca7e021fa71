package distill

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"stillhouse/data"
	"stillhouse/data/chat"
	"stillhouse/data/tasks"
	"stillhouse/data/tokenizer"
	"stillhouse/layers"
	"stillhouse/layers/tensor"
	"stillhouse/recipes"
)

// Places in the training stream that no run's own training reaches, so that
// probes and calibration never use up its rows.
const (
	probeRows       = int64(1) << 40
	calibrationRows = int64(1) << 41
)

// stream hands out batches of the recipe's data at any sequence length.
type stream struct {
	recipe  *recipes.Recipe
	tok     *tokenizer.Tokenizer
	frame   *data.Frame          // nil: that of tokenizers trained here
	chat    *chat.Template       // nil: the model has none
	badChat error                // why, if it has one that cannot be read
	loaders map[int]*data.Loader // by sequence length
	note    func(line string)    // hears which records were left out; nil: nobody does
}

func newStream(r *recipes.Recipe, tok *tokenizer.Tokenizer) *stream {
	return &stream{recipe: r, tok: tok, loaders: map[int]*data.Loader{}}
}

func (s *stream) loader(t int) (*data.Loader, error) {
	if l := s.loaders[t]; l != nil {
		return l, nil
	}
	c := dataConfig(s.recipe, t)
	c.Frame, c.Template = s.frame, s.chat
	if err := fetchedSources(&c); err != nil {
		return nil, err
	}
	l, err := data.Open(c, s.tok)
	if err != nil {
		return nil, errors.Join(err, s.badChat)
	}
	if s.note != nil && len(s.loaders) == 0 { // the same at every length
		for _, i := range l.Sources() {
			if left := data.LeftOut(i.Name, i.Bad, i.FirstBad); left != "" {
				s.note(left)
			}
		}
	}
	s.loaders[t] = l
	return l, nil
}

// fill puts rows of a split, from row on, into b.
func (s *stream) fill(split data.Split, row int64, b *layers.Batch) error {
	l, err := s.loader(b.T)
	if err != nil {
		return err
	}
	d, err := l.Rows(split, row, b.B)
	if err != nil {
		return err
	}
	copy(tensor.Data[int32](b.IDs), d.Tokens)
	copy(tensor.Data[int32](b.Labels), d.Labels)
	copy(tensor.Data[int32](b.Start), d.Start)
	b.Weight.CopyFrom(tensor.From(d.Mask, len(d.Mask)))
	return nil
}

// train is the Fill of training, from an offset into the stream.
func (s *stream) train(offset int64) Fill {
	return func(row int64, b *layers.Batch) error { return s.fill(data.Train, offset+row, b) }
}

// batches is a fixed set: batch i holds rows offset+i·B on.
func (s *stream) batches(split data.Split, offset int64) func(i int, b *layers.Batch) error {
	return func(i int, b *layers.Batch) error { return s.fill(split, offset+int64(i*b.B), b) }
}

// questions makes the held-out items of a task ready to be asked.
func (s *stream) questions(t recipes.Task) ([]Question, error) {
	task, err := tasks.New(t.Name, t.Parameters())
	if err != nil {
		return nil, err
	}
	var begin []int32
	if bos, ok := s.tok.Special(tokenizer.BOS); s.frame == nil && !ok {
		return nil, fmt.Errorf("the tokenizer has no token %s", tokenizer.BOS)
	} else if s.frame == nil {
		begin = []int32{bos}
	} else if s.frame.BOS >= 0 {
		begin = []int32{s.frame.BOS}
	}
	var qs []Question
	for _, item := range tasks.Items(task, tasks.Test, 0, t.Items) {
		q := Question{Prompt: slices.Clone(begin), Grade: item.Grade}
		read := 0
		for _, p := range item.Parts { // encoded apart, as in training
			ids := s.tok.Encode(p.Text)
			if read += len(p.Text); read <= len(item.Prompt) {
				q.Prompt = append(q.Prompt, ids...)
			} else {
				q.Completion = append(q.Completion, ids...)
			}
		}
		q.Answer = answerTokens(s.tok, q.Completion, item.Completion, item.Answer)
		qs = append(qs, q)
	}
	return qs, nil
}

// answerTokens marks the tokens of a completion that overlap the answer's last
// occurrence in it.
func answerTokens(tok *tokenizer.Tokenizer, ids []int32, completion, answer string) []bool {
	from := strings.LastIndex(completion, answer)
	marks, at := make([]bool, len(ids)), 0
	for i, id := range ids {
		end := at + len(tok.Token(id))
		marks[i] = at < from+len(answer) && end > from
		at = end
	}
	return marks
}

// lineEnds returns the tokens that end an answer: the end of text and all that
// hold a line break.
func lineEnds(tok *tokenizer.Tokenizer) (ids []int32) {
	if eos, ok := tok.Special(tokenizer.EOS); ok {
		ids = append(ids, eos)
	}
	for id := range int32(tok.Size()) {
		if strings.Contains(tok.Token(id), "\n") {
			ids = append(ids, id)
		}
	}
	return ids
}
