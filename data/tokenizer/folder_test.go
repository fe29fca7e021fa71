package tokenizer

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func folderOf(t testing.TB, config string) fstest.MapFS {
	t.Helper()
	dir := fstest.MapFS{File: &fstest.MapFile{Data: trained(t, 300).JSON()}}
	if config != "" {
		dir[ConfigFile] = &fstest.MapFile{Data: []byte(config)}
	}
	return dir
}

func TestAFolderSaysWhatItsSpecialTokensAreFor(t *testing.T) {
	ignore := cmpopts.IgnoreFields(Folder{}, "Tokenizer")
	for _, c := range []struct {
		config string
		want   Folder
	}{
		{"", Folder{BOS: -1, EOS: -1, Pad: -1, Unk: -1}},
		{`{"bos_token": "<|bos|>", "eos_token": {"content": "<|eos|>", "lstrip": false}, "pad_token": null, "add_bos_token": true,
		   "chat_template": "{{ x }}", "model_max_length": 1000000000000000019884624838656}`,
			Folder{BOS: 0, EOS: 1, Pad: -1, Unk: -1, AddBOS: true, ChatTemplate: "{{ x }}"}},
		{`{"pad_token": "<|pad|>", "unk_token": "a", "model_max_length": 512, "add_eos_token": true,
		   "chat_template": [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}]}`,
			Folder{BOS: -1, EOS: -1, Pad: 2, Unk: 100, AddEOS: true, ChatTemplate: "d", MaxLength: 512}},
	} {
		got, err := LoadFolder(folderOf(t, c.config))
		if err != nil {
			t.Errorf("%s: %v", c.config, err)
			continue
		}
		if d := cmp.Diff(c.want, *got, ignore); d != "" {
			t.Errorf("%s: (-want +got)\n%s", c.config, d)
		}
	}
}

func TestTheTemplateInItsOwnFileGoesFirst(t *testing.T) {
	dir := folderOf(t, `{"chat_template": "old"}`)
	dir[ChatTemplateFile] = &fstest.MapFile{Data: []byte("new")}
	f, err := LoadFolder(dir)
	if err != nil || f.ChatTemplate != "new" {
		t.Errorf("got %+v, %v", f, err)
	}
}

func TestADamagedFolderIsAnErrorThatNamesTheFile(t *testing.T) {
	for _, c := range []struct {
		dir  fstest.MapFS
		want string
	}{
		{fstest.MapFS{}, File},
		{fstest.MapFS{File: &fstest.MapFile{Data: []byte("{")}}, File + ": not a tokenizer.json"},
		{folderOf(t, `{`), ConfigFile},
		{folderOf(t, `{"bos_token": "<s>"}`), `bos_token is "<s>", which tokenizer.json lacks; hint:`},
		{folderOf(t, `{"bos_token": 7}`), ConfigFile},
		{folderOf(t, `{"chat_template": 7}`), "chat_template is neither"},
	} {
		if _, err := LoadFolder(c.dir); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}

// A trained teacher and a published test asset, which are not ours to carry.
func TestRealFoldersAreRead(t *testing.T) {
	dir := os.Getenv("STILLHOUSE_REAL")
	if dir == "" {
		t.Skip("STILLHOUSE_REAL is not set: no folder with stories260k and tokenizers")
	}
	f, err := LoadFolder(os.DirFS(filepath.Join(dir, "stories260k")))
	if err != nil {
		t.Fatal(err)
	}
	if f.BOS != 1 || f.EOS != 2 || f.Unk != 0 || !f.AddBOS || f.MaxLength != 512 {
		t.Errorf("stories260k: %+v", f)
	}
	text, err := os.ReadFile(filepath.Join(dir, "stories260k/golden_greedy_200.txt"))
	if err != nil {
		t.Fatal(err)
	}
	ids := f.Tokenizer.EncodeDocument(string(text))
	if ids[0] != f.BOS || f.Tokenizer.DecodeText(ids) != string(text) {
		t.Errorf("stories260k: %q", f.Tokenizer.DecodeText(ids))
	}
	// The ids are those of Hugging Face tokenizers 0.23.3.
	want := []int32{1, 403, 407, 261, 378, 432, 410, 280, 412, 431, 485, 410, 233, 154, 168, 1, 410, 444}
	if got := f.Tokenizer.EncodeDocument("Once upon a time,  café 日<s>x"); !slices.Equal(got, want) {
		t.Errorf("stories260k: %v, want %v", got, want)
	}
	f, err = LoadFolder(os.DirFS(filepath.Join(dir, "tokenizers/torchtitan-small")))
	if err != nil {
		t.Fatal(err)
	}
	// Its vocabulary has no space and no é at the byte level: they are dropped.
	if got := f.Tokenizer.Encode("Hi 2 é"); !slices.Equal(got, []int32{72, 105, 50}) {
		t.Errorf("torchtitan-small: %v", got)
	}
}
