package main

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stillhouse/checkpoints/safetensors"
	"stillhouse/distill"
	"stillhouse/layers/tensor"
)

// turnsTemplate frames each turn by the tokens of the embedded teacher.
const turnsTemplate = `{% for m in messages %}<|bos|>{{ m.role + '\n' + m.content }}<|eos|>{% endfor %}{% if add_generation_prompt %}<|bos|>{{ 'assistant\n' }}{% endif %}`

// chatty writes the embedded teacher with a chat template into a folder.
func chatty(t *testing.T) string {
	t.Helper()
	l, err := distill.LoadModel("embedded:teacher")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "chatty")
	if err := distill.SaveModel(dir, l, safetensors.F32); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "chat_template.jinja"), []byte(turnsTemplate), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// piped runs a command line with text on stdin.
func piped(t *testing.T, in string, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	a := newApp(&o, &e)
	ctx := withArgs(context.Background(), a, append(args, "--progress", "none"))
	c := a.command()
	c.SetIn(strings.NewReader(in))
	code = a.finish(c.ExecuteContext(ctx), &signalState{})
	return code, o.String(), e.String()
}

func TestTokenizeAndBackGivesTheLines(t *testing.T) {
	text := "func main() {\n\tfmt.Println(\"é ☕\")\n}\n<|eos|>\n"
	code, ids, errs := piped(t, text, "tokenize", "embedded:teacher")
	if code != exitOK || strings.Count(ids, "\n") != 4 {
		t.Fatalf("exit %d, %q, %s", code, ids, errs)
	}
	if code, back, errs := piped(t, ids, "tokenize", "embedded:teacher", "--decode"); code != exitOK || back != text {
		t.Errorf("exit %d, %q, %s", code, back, errs)
	}
	if _, special, _ := piped(t, "<|eos|>\n", "tokenize", "embedded:teacher", "--special"); special != "1\n" {
		t.Errorf("<|eos|> as a special token is %q, want 1", special)
	}
	for in, want := range map[string]string{"1 x\n": `line 1: "x" is no token id`, "1\n99999\n": "line 2: there is no token 99999"} {
		if code, _, errs := piped(t, in, "tokenize", "embedded:teacher", "--decode"); code != exitUsage || !strings.Contains(errs, want) {
			t.Errorf("%q: exit %d, %s", in, code, errs)
		}
	}
}

func TestLogitsWritesWhatTheGoldenHolds(t *testing.T) {
	dir := filepath.Join("..", "..", "testdata", "goldens", "llama-gqa")
	want, err := safetensors.Open(filepath.Join(dir, "expected.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	defer want.Close()
	ids, err := want.Read("input_ids")
	if err != nil {
		t.Fatal(err)
	}
	var tokens []string
	for _, id := range tensor.Data[int32](ids)[:ids.Dim(1)] {
		tokens = append(tokens, fmt.Sprint(id))
	}
	out := filepath.Join(t.TempDir(), "x.safetensors")
	if code, _, errs := typed(t, "logits", dir, "--tokens", strings.Join(tokens, ","), "--out", out, "--grad"); code != exitOK {
		t.Fatalf("exit %d: %s", code, errs)
	}
	got, err := safetensors.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	a, err := got.Read("logits")
	if err != nil {
		t.Fatal(err)
	}
	b, err := want.Read("logits")
	if err != nil {
		t.Fatal(err)
	}
	x, y := tensor.Data[float32](a), tensor.Data[float32](b)
	for i := range x {
		if d := math.Abs(float64(x[i] - y[i])); d > 1e-4 {
			t.Fatalf("logit %d is off by %g", i, d)
		}
	}
	for _, n := range want.Names() {
		if _, ok := got.Info(n); !ok {
			t.Errorf("%s is missing", n)
		}
	}
	for _, args := range [][]string{{"logits", dir, "--out", out}, {"logits", dir, "--tokens", "1"}, {"logits", dir, "--tokens", "1,b", "--out", out}} {
		if code, _, errs := typed(t, args...); code != exitUsage {
			t.Errorf("%v: exit %d, %s", args, code, errs)
		}
	}
}

func TestChatAnswersLineByLineAndForgetsOnRequest(t *testing.T) {
	dir := chatty(t)
	ask := func(in string) []string {
		t.Helper()
		code, out, errs := piped(t, in, "chat", dir, "--temperature", "0", "--max-tokens", "12", "--stop", "\n", "-q")
		if code != exitOK {
			t.Fatalf("exit %d: %s", code, errs)
		}
		return strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	}
	one := ask("package main\n")
	all := ask("package main\n\nfunc main\n/reset\npackage main\n/exit\nnever\n")
	if len(one) != 1 || len(all) != 3 {
		t.Fatalf("answers %q and %q, want 1 and 3", one, all)
	}
	if all[0] != one[0] || all[2] != one[0] {
		t.Errorf("the first answer is %q, in a longer talk %q, after /reset %q", one[0], all[0], all[2])
	}
	// The second answer is what the model says to the whole conversation.
	prompt := "<|bos|>user\npackage main<|eos|><|bos|>assistant\n" + one[0] + "<|eos|><|bos|>user\nfunc main<|eos|><|bos|>assistant\n"
	code, out, errs := typed(t, "generate", dir, "--prompt", prompt, "--greedy", "--max-tokens", "12", "--stop", "\n", "-q")
	if code != exitOK || strings.TrimSpace(out) != all[1] {
		t.Errorf("exit %d %s: chat says %q, generate %q", code, errs, all[1], out)
	}
	if code, _, errs := piped(t, "x\n", "chat", "embedded:teacher"); code != exitFailed || !strings.Contains(errs, "chat_template.jinja") {
		t.Errorf("a model without a template: exit %d, %s", code, errs)
	}
	if code, out, errs := piped(t, "/help\n", "chat", dir); code != exitOK || out != "" || !strings.Contains(errs, "no command /help") {
		t.Errorf("an unknown command: exit %d, %q, %s", code, out, errs)
	}
}

// conversations writes n of them as JSON lines, one of them broken.
func conversations(n int) string {
	var w strings.Builder
	for i := range n {
		fmt.Fprintf(&w, `{"messages":[{"role":"user","content":"say %d"},{"role":"assistant","content":"it is %d"}]}`+"\n", i, i)
	}
	return w.String() + `{"messages":[{"role":"user","content":"no answer"}]}` + "\n"
}

const onConversations = `version: 1
name: talk
teacher: {path: "%s"}
data: {train: [{path: "%s", format: messages}], sequence_len: 64, loss_on: assistant, on_error: skip, validation: {fraction: 0.1, batches: 1}}
importance: {method: uniform}
plan: {mamba_layers: [1]}
student: {mixer: {init: mil}}
train: {per_device_train_batch_size: 2}
phases: [{name: mixers, trainable: new_mixers, max_steps: 2}]
checkpoint: {every_steps: 1}
`

func recipeFile(t *testing.T, teacher, data string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "talk.yaml")
	if err := os.WriteFile(path, fmt.Appendf(nil, onConversations, teacher, data), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPreviewShowsWhatTheAssistantSaysAndCountsWhatIsLeftOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "talk.jsonl")
	if err := os.WriteFile(path, []byte(conversations(40)), 0o600); err != nil {
		t.Fatal(err)
	}
	file := recipeFile(t, chatty(t), path)
	code, out, errs := typed(t, "data", "preview", file, "-n", "1", "--set", "data.packing=false")
	if code != exitOK || !strings.Contains(out, "<|bos|>user\nsay ") || !strings.Contains(out, "<|eos|><|bos|>assistant\n[[it is ") || !strings.Contains(out, "<|eos|>]]") {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	code, out, errs = typed(t, "data", "preview", file, "--stats")
	if code != exitOK || !strings.Contains(out, "1 records left out, the first: line 41: no message of role assistant") {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	var stats struct {
		Tokens, Counted int
		Sources         []struct{ Bad, Documents int }
	}
	code, out, errs = typed(t, "data", "preview", file, "--stats", "--json")
	if err := json.Unmarshal([]byte(out), &stats); err != nil || code != exitOK || stats.Sources[0].Bad != 1 || stats.Sources[0].Documents != 40 || stats.Counted == 0 || stats.Counted >= stats.Tokens {
		t.Errorf("exit %d: %v %s%s", code, err, out, errs)
	}
	code, _, errs = typed(t, "data", "preview", file, "--set", "data.on_error=fail")
	if code != exitFailed || !strings.Contains(errs, "talk.jsonl): line 41: ") {
		t.Errorf("on_error fail: exit %d: %s", code, errs)
	}
	if code, _, errs = typed(t, "data", "preview", "tiny", "-n", "1"); code != exitOK {
		t.Errorf("a teacher that is still to be trained: exit %d: %s", code, errs)
	}
}

func TestARunSaysWhichRecordsItLeavesOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "talk.jsonl")
	if err := os.WriteFile(path, []byte(conversations(40)), 0o600); err != nil {
		t.Fatal(err)
	}
	var o, e bytes.Buffer
	a := newApp(&o, &e)
	ctx := withArgs(t.Context(), a, []string{"run", recipeFile(t, chatty(t), path), "--set", "output_dir=" + filepath.Join(t.TempDir(), "run"), "--progress", "plain"})
	if code := a.finish(a.command().ExecuteContext(ctx), &signalState{}); code != exitOK {
		t.Fatalf("exit %d: %s", code, e.String())
	}
	if n := strings.Count(e.String(), "talk.jsonl: 1 records left out, the first: line 41: no message of role assistant"); n != 1 {
		t.Errorf("it says so %d times:\n%s", n, e.String())
	}
}

// serveHub serves repositories by their path, models and datasets/…, with the files in a
// folder each.
func serveHub(t *testing.T, repos map[string]string) *httptest.Server {
	t.Helper()
	const commit = "0123456789abcdef0123456789abcdef01234567"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		for repo, dir := range repos {
			kind := "models"
			if strings.HasPrefix(repo, "datasets/") {
				kind = "datasets"
			}
			if q.URL.Path == "/api/"+kind+"/"+strings.TrimPrefix(repo, "datasets/")+"/revision/main" {
				entries, err := os.ReadDir(dir)
				if err != nil {
					t.Error(err)
				}
				var siblings []map[string]any
				for _, e := range entries {
					b, err := os.ReadFile(filepath.Join(dir, e.Name()))
					if err != nil {
						t.Error(err)
					}
					git := sha1.Sum(fmt.Appendf(nil, "blob %d\x00%s", len(b), b))
					x := map[string]any{"rfilename": e.Name(), "size": len(b), "blobId": hex.EncodeToString(git[:])}
					if strings.HasSuffix(e.Name(), ".safetensors") {
						sum := sha256.Sum256(b)
						x["lfs"] = map[string]any{"sha256": hex.EncodeToString(sum[:]), "size": len(b)}
					}
					siblings = append(siblings, x)
				}
				_ = json.NewEncoder(w).Encode(map[string]any{"sha": commit, "siblings": siblings})
				return
			}
			if name, ok := strings.CutPrefix(q.URL.Path, "/"+repo+"/resolve/"+commit+"/"); ok {
				f, err := os.Open(filepath.Join(dir, name))
				if err != nil {
					http.NotFound(w, q)
					return
				}
				defer f.Close()
				http.ServeContent(w, q, "", time.Time{}, f)
				return
			}
		}
		http.NotFound(w, q)
	}))
	t.Cleanup(s.Close)
	return s
}

func TestARunTakesItsTeacherAndDataFromTheHub(t *testing.T) {
	set := t.TempDir()
	if err := os.WriteFile(filepath.Join(set, "talk.jsonl"), []byte(conversations(40)), 0o600); err != nil {
		t.Fatal(err)
	}
	hub := serveHub(t, map[string]string{"org/chatty": chatty(t), "datasets/org/talks": set})
	t.Setenv("HF_ENDPOINT", hub.URL)
	t.Setenv("HF_HOME", t.TempDir())
	t.Setenv("HF_TOKEN", "hf_secret")
	file := recipeFile(t, "hf://org/chatty", "hf://datasets/org/talks/talk.jsonl")
	out := filepath.Join(t.TempDir(), "run")
	code, text, errs := typed(t, "run", file, "--set", "output_dir="+out)
	if code != exitOK {
		t.Fatalf("exit %d\n%s\n%s", code, text, errs)
	}
	if strings.Contains(text+errs, "hf_secret") {
		t.Error("the token is in the output")
	}
	err := filepath.WalkDir(out, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte("hf_secret")) {
			t.Errorf("the token is in %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	// Without the network the cache does.
	hub.Close()
	t.Setenv("HF_HUB_OFFLINE", "1")
	if code, ids, errs := piped(t, "ab\n", "tokenize", "hf://org/chatty"); code != exitOK || ids == "" {
		t.Errorf("offline: exit %d, %s", code, errs)
	}
	if code, _, errs := piped(t, "ab\n", "tokenize", "hf://org/other"); code != exitFailed || !strings.Contains(errs, "offline and not in the cache") {
		t.Errorf("offline, another model: exit %d, %s", code, errs)
	}
}

func TestAPlanNeedsNoWeightsAndWithAGeometryNoNetwork(t *testing.T) {
	t.Setenv("HF_HUB_OFFLINE", "1")
	t.Setenv("HF_HOME", t.TempDir())
	code, text, errs := typed(t, "plan", "apriel-h1", "--no-time")
	// 12: it does not fit into this machine.
	if code != exitOK && code != exitLimit || !strings.Contains(text, "14.97B parameters") || !strings.Contains(text, "stage 6     40 Mamba layers; mmr will score") {
		t.Errorf("exit %d\n%s\n%s", code, text, errs)
	}
}

func TestAFetchShowsHowFarItIsAndAModelInTheCacheShowsNothing(t *testing.T) {
	hub := serveHub(t, map[string]string{"org/chatty": chatty(t)})
	t.Setenv("HF_ENDPOINT", hub.URL)
	t.Setenv("HF_HOME", t.TempDir())
	generate := func() string {
		var o, e bytes.Buffer
		a := newApp(&o, &e)
		ctx := withArgs(t.Context(), a, []string{"generate", "hf://org/chatty", "--prompt", "x", "--greedy", "--max-tokens", "2", "--progress", "json"})
		if code := a.finish(a.command().ExecuteContext(ctx), &signalState{}); code != exitOK {
			t.Fatalf("exit %d: %s", code, e.String())
		}
		return e.String()
	}
	first := generate()
	for _, want := range []string{`{"type":"begin","what":"fetch hf://org/chatty, MB","total":7}`, `,"done":7,"total":7,"facts":"`, `{"type":"end","what":"fetch hf://org/chatty, MB"}`, "fetched hf://org/chatty, 5.8 MiB in "} {
		if !strings.Contains(first, want) {
			t.Errorf("no %s in %s", want, first)
		}
	}
	if again := generate(); strings.Contains(again, "fetch") {
		t.Errorf("again: %s", again)
	}
}
