package distill

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stillhouse/layers"
	"stillhouse/layers/tensor"
)

// realModel opens a model of the folder that STILLHOUSE_REAL names: trained ones
// are too large, or not ours, to be carried.
func realModel(t *testing.T, name string) (l *Loaded, dir string) {
	t.Helper()
	root := os.Getenv("STILLHOUSE_REAL")
	if root == "" {
		t.Skip("STILLHOUSE_REAL names no folder of trained models")
	}
	dir = filepath.Join(root, name)
	l, err := LoadModel(dir)
	if err != nil {
		t.Fatal(err)
	}
	return l, dir
}

// The text is what llama2.c publishes for its stories260K at temperature 0; the
// logits are from a float64 forward pass of our own over the same tokens.
func TestATrainedModelTellsThePublishedStory(t *testing.T) {
	l, dir := realModel(t, "stories260k")
	want, err := os.ReadFile(filepath.Join(dir, "golden_greedy_200.txt"))
	if err != nil {
		t.Fatal(err)
	}
	g, err := Generate(t.Context(), nil, l, "", 200, Sampling{}, func(string) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if g.Text != string(want) || g.Tokens != 200 {
		t.Errorf("after %d tokens:\n%s\nwant\n%s", g.Tokens, g.Text, want)
	}
	var golden struct {
		IDs    []int32     `json:"ids"`
		Logits [][]float64 `json:"logits_pos0to7"`
	}
	b, err := os.ReadFile(filepath.Join(dir, "golden_logits.json"))
	if err == nil {
		err = json.Unmarshal(b, &golden)
	}
	if err != nil {
		t.Fatal(err)
	}
	d, worst := layers.NewDecoder(nil, l.Model, 1, len(golden.Logits)), 0.0
	for i, w := range golden.Logits {
		for j, v := range tensor.Data[float32](d.Extend(golden.IDs[i : i+1])) {
			worst = math.Max(worst, math.Abs(float64(v)-w[j]))
		}
	}
	t.Logf("logits differ by at most %.2g", worst)
	if !(worst <= 1e-3) || len(golden.Logits) != 8 {
		t.Errorf("logits of %d positions differ by up to %g, want 8 and 1e-3", len(golden.Logits), worst)
	}
}

func TestASpeakerGoesOnWhereItStands(t *testing.T) {
	l, err := LoadModel("embedded:teacher")
	if err != nil {
		t.Fatal(err)
	}
	quiet := func(string) error { return nil }
	s := NewSpeaker(nil, l)
	ids := promptTokens(l, "func main() {\n\tfor i := 0; ")
	first, err := s.Say(t.Context(), ids, 20, Sampling{}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	longer := append(append([]int32(nil), s.read...), l.Tokenizer.Encode("\n\treturn x\n")...)
	before := len(s.read)
	if fresh := s.see(t.Context(), longer, 20); fresh != len(longer)-before {
		t.Errorf("it read %d tokens of a text of which it knew %d of %d", fresh, before, len(longer))
	}
	s = NewSpeaker(nil, l)
	if _, err := s.Say(t.Context(), ids, 20, Sampling{}, quiet); err != nil {
		t.Fatal(err)
	}
	went, err := s.Say(t.Context(), longer, 20, Sampling{}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	anew, err := NewSpeaker(nil, l).Say(t.Context(), longer, 20, Sampling{}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if went.Text != anew.Text || went.PromptTokens != len(longer) {
		t.Errorf("going on gives %q, reading anew %q", went.Text, anew.Text)
	}
	// Another text is another text.
	again, err := s.Say(t.Context(), ids, 20, Sampling{}, quiet)
	if err != nil || again.Text != first.Text {
		t.Errorf("the first text again gives %q, before %q, %v", again.Text, first.Text, err)
	}
	// A stop ends the text before itself, wherever tokens divide it.
	stop := first.Text[3:6]
	g, err := s.Say(t.Context(), ids, 20, Sampling{Stop: []string{stop}}, quiet)
	if want, _, _ := strings.Cut(first.Text, stop); err != nil || g.Text != want || !g.Stopped {
		t.Errorf("stopped at %q: %+v, %v; want %q", stop, g, err, want)
	}
	stopped := errors.New("stop")
	if _, err := s.Say(t.Context(), ids, 20, Sampling{}, func(string) error { return stopped }); !errors.Is(err, stopped) {
		t.Errorf("a reader that fails: %v", err)
	}
}

// The golden's frequencies are stretched beyond MaxPositions tokens: what is said
// must depend on the text, not on how long it might have become.
func TestALimitOnATextNeitherChangesItNorTakesMemory(t *testing.T) {
	l, err := LoadModel("testdata/goldens/llama-bias-dynamic")
	if err != nil {
		t.Fatal(err)
	}
	c := &l.Model.Config
	long := *c
	long.RopeScaling = &layers.RopeScaling{Type: layers.RopeLong, OriginalPositions: 48}
	plain := *c
	plain.RopeScaling = nil
	for _, x := range []struct {
		c       *layers.Config
		n, want int
	}{{c, 1, c.MaxPositions}, {c, c.MaxPositions, c.MaxPositions}, {c, c.MaxPositions + 1, c.MaxPositions + 1 + c.MaxPositions/8}, {&long, 48, 48}, {&long, 49, 0}, {&plain, 1, 0}} {
		if got := reachOf(x.c, x.n); got != x.want {
			t.Errorf("%+v: %d tokens reach %d, want %d", x.c.RopeScaling, x.n, got, x.want)
		}
	}
	// Token by token, the logits are those of reading everything at once.
	ids := make([]int32, c.MaxPositions+c.MaxPositions/8+9)
	for i := range ids {
		ids[i] = int32(i*i%(c.VocabSize-3)) + 3
	}
	s := &Speaker{model: l}
	s.see(t.Context(), ids[:c.MaxPositions-2], 1<<30)
	for n := c.MaxPositions - 2; ; n++ {
		d := layers.NewDecoder(nil, l.Model, 1, s.reach)
		want := tensor.Data[float32](d.Extend(ids[:n]))
		for j, v := range tensor.Data[float32](s.logits) {
			if math.Abs(float64(v-want[j])) > 1e-5 {
				t.Fatalf("after %d tokens logit %d is %v, want %v", n, j, v, want[j])
			}
		}
		if s.reach < n || s.reach > n+c.MaxPositions {
			t.Fatalf("after %d tokens the reach is %d", n, s.reach)
		}
		if n == len(ids) {
			break
		}
		s.next(t.Context(), ids[n])
	}
}

func TestAnInterruptedPromptIsNotContinued(t *testing.T) {
	l, err := LoadModel("embedded:teacher")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	g, err := Generate(ctx, nil, l, "func main() {", 1<<40, Sampling{}, func(string) error { return nil })
	if !errors.Is(err, ErrInterrupted) || g.Tokens != 0 {
		t.Errorf("got %+v, %v", g, err)
	}
}

func TestSamplingSeedsDecideTheText(t *testing.T) {
	l, err := LoadModel("embedded:teacher")
	if err != nil {
		t.Fatal(err)
	}
	text := func(s Sampling) string {
		g, err := Generate(t.Context(), nil, l, "package ", 40, s, func(string) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		return g.Text
	}
	warm := layers.Sampling{Temperature: 1, TopK: 20, TopP: 0.95, RepetitionPenalty: 1.1}
	if a, b := text(Sampling{Sampling: warm, Seed: 1}), text(Sampling{Sampling: warm, Seed: 1}); a != b {
		t.Errorf("one seed gives %q and %q", a, b)
	}
	if a, b := text(Sampling{Sampling: warm, Seed: 1}), text(Sampling{Sampling: warm, Seed: 2}); a == b {
		t.Errorf("two seeds give %q", a)
	}
}

func TestStopsAreFoundAcrossPieces(t *testing.T) {
	for _, c := range []struct {
		stops, pieces []string
		want          string
		stopped       bool
	}{
		{[]string{"END"}, []string{"a", "bE", "N", "Dc"}, "ab", true},
		{[]string{"END"}, []string{"a", "bE", "N", "X"}, "abENX", false},
		{[]string{"aab"}, []string{"a", "a", "a", "b"}, "a", true},
		{[]string{"\n\n", "b"}, []string{"a\n", "b\n\n"}, "a\n", true},
		{[]string{""}, []string{"a", "b"}, "ab", false},
		{nil, []string{"a", "b"}, "ab", false},
		{[]string{"END"}, []string{"EN"}, "EN", false},
	} {
		s, got, stopped := newStopper(c.stops), "", false
		for _, p := range c.pieces {
			show, end := s.pass(p)
			if got += show; end {
				stopped = true
				break
			}
		}
		if !stopped {
			got += s.held
		}
		if got != c.want || stopped != c.stopped {
			t.Errorf("%q in %q: got %q, %v", c.stops, c.pieces, got, stopped)
		}
	}
}
