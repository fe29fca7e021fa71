package data

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var equal = []cmp.Option{cmpopts.EquateComparable(place{}), cmp.AllowUnexported(Span{})}

func TestABatchIsTheSameWhateverWasReadBefore(t *testing.T) {
	tok := proseTokenizer(t, 400)
	dir := write(t, map[string]string{"a.txt": strings.Repeat("some text\n", 400), "b/c.txt": strings.Repeat("other words\n", 900)})
	cfg := mixed()
	cfg.Sources = append(cfg.Sources, SourceConfig{Path: dir, Weight: 2})
	cfg.CacheBytes = 6000 // smaller than a file: what is cached must not show
	l := open(t, cfg, tok)
	var inOrder []*Batch
	for step := range 12 {
		b, err := l.Batch(Train, step, 4)
		if err != nil {
			t.Fatal(err)
		}
		inOrder = append(inOrder, b)
	}
	cfg.CacheBytes = 0
	again := open(t, cfg, tok)
	for step := 11; step >= 0; step -= 3 {
		b, err := again.Batch(Train, step, 4)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(inOrder[step], b, equal...); diff != "" {
			t.Fatalf("batch %d differs when read alone: %s", step, diff)
		}
	}
	if l.Fingerprint() != again.Fingerprint() {
		t.Error("the fingerprints differ")
	}
	// Batch 1 of 4 rows is rows 4 to 7, however they are asked for.
	two := rows(t, l, Train, 6, 2)
	if diff := cmp.Diff(two, inOrder[1].Slice(2, 4), equal...); diff != "" {
		t.Errorf("rows 6 and 7 differ from half of batch 1: %s", diff)
	}
}

func TestTheSeedChangesTrainingRowsAndNoOthers(t *testing.T) {
	tok := proseTokenizer(t, 400)
	cfg := mixed()
	a := open(t, cfg, tok)
	cfg.Seed = 2
	b := open(t, cfg, tok)
	if cmp.Equal(rows(t, a, Train, 0, 8), rows(t, b, Train, 0, 8), equal...) {
		t.Error("two seeds give the same training rows")
	}
	for _, s := range []Split{Validation, Test} {
		if diff := cmp.Diff(rows(t, a, s, 0, 8), rows(t, b, s, 0, 8), equal...); diff != "" {
			t.Errorf("%v rows depend on the seed: %s", s, diff)
		}
	}
	if a.Fingerprint() == b.Fingerprint() {
		t.Error("the fingerprint does not know the seed")
	}
}

func TestSourcesHaveTheirShareOfRowsAndOfTokens(t *testing.T) {
	cfg := mixed() // weights 2, 1, 1
	l := open(t, cfg, byteTokenizer(t))
	const n = 8000
	b := rows(t, l, Train, 0, n)
	var tokens [3]float64
	for _, s := range b.Spans {
		tokens[s.Source] += float64(s.To - s.From)
	}
	for i, want := range []float64{0.5, 0.25, 0.25} {
		got := tokens[i] / float64(n*b.T)
		if sd := math.Sqrt(want * (1 - want) / n); math.Abs(got-want) > 4*sd {
			t.Errorf("source %d has %.4f of the tokens, want %.2f ± %.4f", i, got, want, 4*sd)
		}
	}
}

// Two sources whose documents have very different lengths still share by rows.
func TestLongDocumentsAreDrawnInProportionToTheirLength(t *testing.T) {
	dir := write(t, map[string]string{
		"long.txt":  strings.Repeat("aaaaaaa\n", 3000),
		"short.txt": strings.Repeat("bbbbbbb\n", 1000),
	})
	l := open(t, Config{Sources: []SourceConfig{{Path: dir, Weight: 1}}, SequenceLen: 64, Packing: true, LossOn: All}, byteTokenizer(t))
	b := rows(t, l, Train, 0, 4000)
	var long, all float64
	for _, s := range b.Spans {
		n := float64(s.To - s.From)
		all += n
		if strings.HasPrefix(l.DocumentName(s), "long.txt") {
			long += n
		}
	}
	if got := long / all; got < 0.72 || got > 0.78 {
		t.Errorf("the file with 3/4 of the bytes has %.3f of the tokens", got)
	}
}

func TestNoHeldOutStoryIsTrainedOn(t *testing.T) {
	seen := map[string]bool{}
	for i := range uint64(20_000) {
		d, err := prose{}.read(Train, 3, place{index: i})
		if err != nil {
			t.Fatal(err)
		}
		seen[d.Parts[0].Text] = true
	}
	for _, s := range []Split{Validation, Test} {
		for i := range uint64(5_000) {
			d, err := prose{}.read(s, 0, place{index: i})
			if err != nil {
				t.Fatal(err)
			}
			if seen[d.Parts[0].Text] {
				t.Fatalf("%v story %d is trained on: %q", s, i, d.Parts[0].Text)
			}
		}
	}
}

func TestPositionIsWrittenAsJSON(t *testing.T) {
	b, err := json.Marshal(Position{Validation, 4096})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(b), `{"split":"validation","row":4096}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	var p Position
	if err := json.Unmarshal(b, &p); err != nil || p != (Position{Validation, 4096}) {
		t.Errorf("read back %+v, %v", p, err)
	}
	if err := json.Unmarshal([]byte(`{"split":"dev"}`), &p); err == nil || !strings.Contains(err.Error(), `no split "dev"`) {
		t.Errorf("an unknown split gives %v", err)
	}
}

func TestSampleIsDeterministicAndAboutTheSizeAskedFor(t *testing.T) {
	a, err := Sample(mixed(), 20_000)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Sample(mixed(), 20_000)
	if err != nil {
		t.Fatal(err)
	}
	joined := strings.Join(a, "")
	if joined != strings.Join(b, "") {
		t.Error("two samples differ")
	}
	if len(joined) < 20_000 || len(joined) > 21_000 {
		t.Errorf("%d bytes", len(joined))
	}
}

func BenchmarkBatch(b *testing.B) {
	tok := proseTokenizer(b, 512)
	for _, source := range []string{"task:recall", "task:arithmetic", "prose", "go"} {
		cfg := Config{Sources: []SourceConfig{{Source: source, Weight: 1}}, SequenceLen: 256, Packing: true, LossOn: All, ValidationFraction: 0.02}
		b.Run(source, func(b *testing.B) {
			l, err := Open(cfg, tok)
			if err != nil {
				b.Skip(err)
			}
			step := 0
			for b.Loop() {
				if _, err := l.Batch(Train, step, 8); err != nil {
					b.Fatal(err)
				}
				step++
			}
			b.ReportMetric(float64(8*256*step)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}

func BenchmarkOpenGo(b *testing.B) {
	tok := byteTokenizer(b)
	for b.Loop() {
		l, err := Open(Config{Sources: []SourceConfig{{Source: "go", Weight: 1}}, SequenceLen: 256, LossOn: All, ValidationFraction: 0.02}, tok)
		if err != nil {
			b.Skip(err)
		}
		i := l.Sources()[0]
		b.ReportMetric(float64(i.Bytes)/1e6, "MB")
		b.ReportMetric(float64(i.Documents), "documents")
		b.ReportMetric(float64(i.Skipped), "skipped")
	}
}
