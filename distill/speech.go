package distill

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"stillhouse/checkpoints/hub"
	"stillhouse/data"
	"stillhouse/data/chat"
	"stillhouse/data/tokenizer"
	"stillhouse/recipes"
)

// How a model begins and ends a text, and writes a conversation down: what its
// folder says, in the words of package data.

// speaking makes the stream write documents as the model's own tools do.
func (s *stream) speaking(l *Loaded) *stream {
	s.frame = frameOf(l)
	if l.Folder != nil && l.Folder.ChatTemplate != "" {
		s.chat, s.badChat = chatOf(l)
	}
	return s
}

// frameOf returns the tokens around a document; nil for tokenizers trained here,
// which have names for them.
func frameOf(l *Loaded) *data.Frame {
	if l.Folder == nil {
		return nil
	}
	if _, ours := l.Tokenizer.Special(tokenizer.BOS); ours {
		return nil
	}
	f := &data.Frame{BOS: -1, EOS: l.Folder.EOS, Pad: l.Folder.Pad}
	if f.EOS < 0 && l.Model != nil && l.Model.Config.EOS > 0 {
		f.EOS = int32(l.Model.Config.EOS)
	}
	// A text begins with BOS where the model's own tokenizer puts it there.
	if l.Folder.AddBOS || slices.Contains(l.Tokenizer.EncodeDocument(""), l.Folder.BOS) {
		f.BOS = l.Folder.BOS
	}
	return f
}

// chatOf returns the model's chat template.
func chatOf(l *Loaded) (*chat.Template, error) {
	if l.Folder == nil || l.Folder.ChatTemplate == "" {
		return nil, fmt.Errorf("%s has no chat template (hint: one goes into its folder as %s; models made for conversations come with it)", l.Source, tokenizer.ChatTemplateFile)
	}
	name := func(id int32) string {
		if id < 0 {
			return ""
		}
		return l.Tokenizer.Token(id)
	}
	t, err := chat.Parse(l.Folder.ChatTemplate, name(l.Folder.BOS), name(l.Folder.EOS))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.Source, err)
	}
	return t, nil
}

// OpenTokenizer reads a model's tokenizer without its weights, and what the
// folder says of it. The Loaded has no Model.
func OpenTokenizer(source string) (*Loaded, error) {
	path, err := fetched(context.Background(), source, (*hub.Client).Config, Quiet{})
	if err != nil {
		return nil, err
	}
	if model := filepath.Join(path, modelDir); exists(filepath.Join(model, tokenizer.File)) {
		path = model // a complete run
	} else if teacher := filepath.Join(path, teacherDir); exists(filepath.Join(teacher, tokenizer.File)) {
		path = teacher
	}
	dir, err := modelFiles(path)
	if err != nil {
		return nil, err
	}
	f, err := tokenizer.LoadFolder(dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", source, err)
	}
	return &Loaded{Tokenizer: f.Tokenizer, Folder: f, Source: source}, nil
}

// OpenData opens a recipe's data as its runs read it, at the length of its
// sequences. A teacher that is still to be trained gets its tokenizer here.
func OpenData(r *recipes.Recipe) (*data.Loader, error) {
	source := r.Teacher.Path
	if t := r.Teacher.Train; t != nil {
		source = filepath.Join(r.OutputDir, teacherDir)
		if !exists(source) {
			tok, err := (*tokenizer.Tokenizer)(nil), error(nil)
			if t.Tokenizer.Path != "" {
				tok, err = tokenizer.Load(t.Tokenizer.Path)
			} else {
				tok, err = trainTokenizer(r)
			}
			if err != nil {
				return nil, fmt.Errorf("tokenizer: %w", err)
			}
			return newStream(r, tok).loader(r.Data.SequenceLen)
		}
	}
	l, err := OpenTokenizer(source)
	if err != nil {
		return nil, err
	}
	return newStream(r, l.Tokenizer).speaking(l).loader(r.Data.SequenceLen)
}

// promptTokens returns the tokens of a text that goes on: with what begins a text
// and without what ends one. Names of special tokens in it mean these tokens.
func promptTokens(l *Loaded, text string) []int32 {
	ids := l.Tokenizer.EncodeDocument(text)
	for len(ids) > 0 && slices.Contains(endTokens(l), ids[len(ids)-1]) && !strings.HasSuffix(text, l.Tokenizer.Token(ids[len(ids)-1])) {
		ids = ids[:len(ids)-1]
	}
	bos, ok := l.Tokenizer.Special(tokenizer.BOS)
	if f := frameOf(l); f != nil {
		bos, ok = f.BOS, f.BOS >= 0
	}
	if ok && (len(ids) == 0 || ids[0] != bos) {
		ids = slices.Insert(ids, 0, bos) // the file's pipeline may leave it to its users
	}
	if len(ids) == 0 && l.Model != nil && l.Model.Config.BOS > 0 {
		ids = []int32{int32(l.Model.Config.BOS)} // with nothing to go on from, the model's own beginning
	}
	return ids
}

// endTokens returns the tokens that end a text.
func endTokens(l *Loaded) (ids []int32) {
	if id, ok := l.Tokenizer.Special(tokenizer.EOS); ok {
		ids = append(ids, id)
	}
	if l.Folder != nil && l.Folder.EOS >= 0 {
		ids = append(ids, l.Folder.EOS)
	}
	if l.Model != nil && l.Model.Config.EOS > 0 {
		ids = append(ids, int32(l.Model.Config.EOS))
	}
	return ids
}
