package distill

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stillhouse/layers"
	"stillhouse/recipes"
)

func TestStateGrowsWithTheContextByAttentionLayersOnly(t *testing.T) {
	contexts := []int{8, 40}
	r, err := BenchGenerate(t.Context(), nil, "embedded:teacher", contexts, 2, Quiet{})
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"teacher", "2 of 8 Mamba", "4 of 8 Mamba", "6 of 8 Mamba", "8 of 8 Mamba"}
	if len(r.Speeds) != len(names)*len(contexts) {
		t.Fatalf("got %d measurements, want %d models at %d contexts", len(r.Speeds), len(names), len(contexts))
	}
	l, err := LoadModel("embedded:teacher")
	if err != nil {
		t.Fatal(err)
	}
	c := l.Model.Config
	for i, name := range names {
		short, long := r.Speeds[2*i], r.Speeds[2*i+1]
		if short.Name != name || short.Context != 8 || long.Context != 40 {
			t.Errorf("measurement %d is of %s at %d and %d, want %s at 8 and 40", i, short.Name, short.Context, long.Context, name)
		}
		if short.Prefill <= 0 || short.Decode <= 0 || long.Prefill <= 0 || long.Decode <= 0 {
			t.Errorf("%s: a speed is missing: %+v %+v", name, short, long)
		}
		attention := strings.Count(r.Strips[name], "A")
		if want := 8 - 2*i; attention != want {
			t.Errorf("%s is %s: %d attention layers, want %d", name, r.Strips[name], attention, want)
		}
		// Keys and values of a token in float32.
		if got, want := long.StateBytes-short.StateBytes, attention*(40-8)*2*c.KVHeads*c.HeadDim*4; got != want {
			t.Errorf("%s: 32 more tokens take %d bytes, want %d", name, got, want)
		}
	}
}

func TestSpeedIsMeasuredBeyondTheContextAModelWasTrainedFor(t *testing.T) {
	g := tiny(t)
	g.Model.Mixers = g.Model.Mixers[:1]
	g.Model.MaxPositions = 16
	m, err := layers.New(g.Model, 0)
	if err != nil {
		t.Fatal(err)
	}
	m.Init(1)
	n := prefillTokens + 5 // also more than is read at a time
	s := MeasureSpeed(nil, "long", m, []int{n}, 3)[0]
	if want := n * 2 * g.Model.KVHeads * g.Model.HeadDim * 4; s.StateBytes != want {
		t.Errorf("state of %d tokens is %d bytes, want %d", n, s.StateBytes, want)
	}
}

func TestARunFolderIsMeasuredByItsTeacherAndTheStudentsOfItsStages(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	r, err := recipes.Load("quickstart", []string{"output_dir=" + dir}, nil)
	if err != nil {
		t.Fatal(err)
	}
	x, err := begin(r, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer x.close()
	if _, err := BenchGenerate(t.Context(), nil, dir, []int{8}, 1, Quiet{}); err == nil || !strings.Contains(err.Error(), "hint:") {
		t.Errorf("before the first stage's end: got %v, want an error with a hint", err)
	}
	if x.teacher, err = LoadModel(r.Teacher.Path); err != nil {
		t.Fatal(err)
	}
	x.student = x.teacher.Model.Share()
	for stage, l := range []int{7, 3} {
		if _, err := Swap(nil, x.student, l, MixerSpec{Kind: layers.KindMamba2, Init: InitRandom}, 1, nil); err != nil {
			t.Fatal(err)
		}
		x.at.Stage = stage + 1
		if err := x.save(fmt.Sprintf("stage-%d", stage+1), nil); err != nil {
			t.Fatal(err)
		}
	}
	got, err := BenchGenerate(t.Context(), nil, dir, []int{8}, 1, Quiet{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"teacher": "AAAAAAAA", "stage-1": "AAAAAAAM", "stage-2": "AAAMAAAM"}
	if diff := cmp.Diff(want, got.Strips); diff != "" {
		t.Errorf("models (-want +got):\n%s", diff)
	}
	if len(got.Speeds) != 3 || got.Speeds[1].Name != "stage-1" || got.Speeds[2].Name != "stage-2" {
		t.Errorf("stages are out of order: %+v", got.Speeds)
	}
}

func TestAModelOfTwoLayersHasEachHybridOnce(t *testing.T) {
	g := tiny(t)
	g.Model.Mixers = g.Model.Mixers[:2]
	m, err := layers.New(g.Model, 0)
	if err != nil {
		t.Fatal(err)
	}
	hs, err := hybridsOf(nil, m)
	if err != nil {
		t.Fatal(err)
	}
	var strips []string
	for _, h := range hs {
		strips = append(strips, h.model.Config.Strip())
	}
	if got := strings.Join(strips, " "); got != "AA AM MM" {
		t.Errorf("hybrids are %s, want AA AM MM", got)
	}
}

func TestTheFigureOfABenchIsAnSVGWithAllModels(t *testing.T) {
	r := &GenerateReport{Speeds: []Speed{
		{Name: "teacher", Context: 256, Decode: 100, StateBytes: 1 << 20}, {Name: "teacher", Context: 1024, Decode: 50, StateBytes: 1 << 22},
		{Name: "8 of 8 Mamba", Context: 256, Decode: 200, StateBytes: 1 << 16}, {Name: "8 of 8 Mamba", Context: 1024, Decode: 200, StateBytes: 1 << 16},
	}}
	file := filepath.Join(t.TempDir(), "speed.svg")
	if err := r.WriteSVG(file); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	d := xml.NewDecoder(strings.NewReader(string(b)))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("not well-formed: %v", err)
		}
	}
	for _, want := range []string{"teacher", "8 of 8 Mamba", "Decoding speed", "Memory of one sequence"} {
		if !strings.Contains(string(b), want) {
			t.Errorf("the figure does not say %q", want)
		}
	}
	if err := r.WriteSVG(filepath.Join(t.TempDir(), "none", "speed.svg")); err == nil || !strings.Contains(err.Error(), "hint:") {
		t.Errorf("a folder that is not there: got %v, want an error with a hint", err)
	}
}

func TestACancelledBenchStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := BenchGenerate(ctx, nil, "embedded:teacher", []int{8}, 1, Quiet{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}
