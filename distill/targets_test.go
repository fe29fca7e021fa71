package distill

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stillhouse/layers"
	"stillhouse/layers/tensor"
	"stillhouse/recipes"
)

// facts returns the line that says what the cache was good for.
func (l *listener) facts() string {
	for _, n := range l.notes {
		if strings.HasPrefix(n, "teacher's targets:") {
			return n
		}
	}
	return ""
}

// TestKeptHiddenStatesChangeNoBitOfARun, neither when they are computed nor when
// they come from the disk, all of them, nor when it is stopped in between.
func TestKeptHiddenStatesChangeNoBitOfARun(t *testing.T) {
	cache := "teacher.cache.path=" + t.TempDir()
	r, l := tinyRecipe(t, cache), &listener{}
	mustEqual(t, r, runAll(t, r, Options{Progress: l}))
	if !l.says("teacher's targets", " came from ") || l.says(" 0 of 0 ") {
		t.Errorf("nothing was kept: %q", l.facts())
	}

	r, l = tinyRecipe(t, cache), &listener{}
	mustEqual(t, r, runAll(t, r, Options{Progress: l}))
	var found, all int
	if _, err := fmt.Sscanf(l.facts(), "teacher's targets: %d of %d", &found, &all); err != nil || found != all || all == 0 {
		t.Errorf("the second run: %q, %v", l.facts(), err)
	}

	r = tinyRecipe(t, "teacher.cache.path="+t.TempDir())
	for _, stop := range []string{"stage 1/2 · all", "stage 2/2 · mixers"} {
		if _, err := runUntil(t, r, func(what string, done int) bool { return what == stop && done >= 3 }); !errors.Is(err, ErrInterrupted) {
			t.Fatal(err)
		}
	}
	mustEqual(t, r, runAll(t, r, Options{}))
}

// cacheFiles returns the files of a cache.
func cacheFiles(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	return files
}

func TestDamagedTargetsAreComputedAgainAndReported(t *testing.T) {
	dir := t.TempDir()
	r := tinyRecipe(t, "teacher.cache.path="+dir)
	mustEqual(t, r, runAll(t, r, Options{}))
	files := cacheFiles(t, dir)
	for i, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		switch i % 4 {
		case 0:
			b[len(b)-1-i%100] ^= 1
		case 1:
			b = b[:len(b)/2]
		case 2:
			b, err = os.ReadFile(files[(i+1)%len(files)]) // another's
		}
		if err := errors.Join(err, os.WriteFile(f, b, 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	l := &listener{}
	r = tinyRecipe(t, "teacher.cache.path="+dir)
	mustEqual(t, r, runAll(t, r, Options{Progress: l}))
	for _, why := range []string{"the checksum differs", "not ", "the value of another key"} {
		if !l.says("warning: teacher's targets: ", why, "computed again") {
			t.Errorf("no note on %q", why)
		}
	}
	l = &listener{}
	r = tinyRecipe(t, "teacher.cache.path="+dir)
	mustEqual(t, r, runAll(t, r, Options{Progress: l}))
	if l.says("warning") {
		t.Errorf("they were not written again: %q", l.notes)
	}
}

func TestACacheThatCannotBeWrittenCostsNoRun(t *testing.T) {
	dir := t.TempDir()
	for i := range 256 { // where its folders would be
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%02x", i)), nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	l := &listener{}
	r := tinyRecipe(t, "teacher.cache.path="+dir)
	mustEqual(t, r, runAll(t, r, Options{Progress: l}))
	if !l.says("warning: teacher's targets are no longer kept") {
		t.Errorf("nothing was said: %q", l.notes)
	}
}

// TestTargetsOfTheLargestLogitsTrain: a run on them is the same from the disk and
// when it goes on after a stop, and with all logits comes to what the teacher itself
// would have made of it.
func TestTargetsOfTheLargestLogitsTrain(t *testing.T) {
	run := func(dir, cache string, stops int) *outcome {
		t.Helper()
		r := tinyRecipe(t, "teacher.cache="+cache, "teacher.cache.path="+dir)
		if stops > 0 {
			if _, err := runUntil(t, r, func(what string, done int) bool { return what == "stage 1/2 · all" && done >= 3 }); !errors.Is(err, ErrInterrupted) {
				t.Fatal(err)
			}
		}
		o, err := collect(r.OutputDir, runAll(t, r, Options{}))
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	dir := t.TempDir()
	first := run(dir, "{targets: topk, k: 8}", 0)
	again, resumed := run(dir, "{targets: topk, k: 8}", 0), run(t.TempDir(), "{targets: topk, k: 8}", 1)
	if string(first.metrics) != string(again.metrics) || string(first.metrics) != string(resumed.metrics) {
		t.Error("from the disk, or after a stop, the run is another one")
	}
	if string(first.metrics) == string(reference(t).metrics) {
		t.Error("eight logits train as all do: they were not used")
	}
	all := run(t.TempDir(), "{targets: topk, k: 1000}", 0) // more than there are: all
	got, want := all.result.Evaluations, reference(t).result.Evaluations
	for i := range want {
		if d := math.Abs(got[i].KL - want[i].KL); d > 0.02*want[i].KL+1e-6 {
			t.Errorf("%s: KL %v, with the teacher itself %v", want[i].Name, got[i].KL, want[i].KL)
		}
	}
}

// TestTargetsAreFoundByAllThatTheyDependOnAndNothingElse, one thing changed at a time.
func TestTargetsAreFoundByAllThatTheyDependOnAndNothingElse(t *testing.T) {
	dir := t.TempDir()
	l, err := LoadModel("embedded:teacher")
	if err != nil {
		t.Fatal(err)
	}
	kl := layers.Objective{{Type: layers.ReverseKL, Weight: 1}}
	found := func(m *layers.Model, c recipes.TeacherCache, o layers.Objective, size, at int, change func(b *layers.Batch)) int64 {
		t.Helper()
		c.Path = dir
		cache, err := OpenTargets(&c, m, func(line string) { t.Error(line) })
		if err != nil {
			t.Fatal(err)
		}
		b := layers.NewBatch(size, 24, tensor.F32)
		for i, ids := 0, tensor.Data[int32](b.IDs); i < len(ids); i++ {
			ids[i] = int32((7*(i/24) + i) % 100)
		}
		one := layers.NewBatch(1, 24, tensor.F32) // sequence 0 of any batch is at its place
		b.IDs.Rows(at*24, (at+1)*24).CopyFrom(one.IDs)
		change(b)
		s, err := cache.source(nil, b, o)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := s.fill(nil); err != nil {
			t.Fatal(err)
		}
		return cache.Found
	}
	hidden, top := recipes.TeacherCache{Targets: "hidden"}, recipes.TeacherCache{Targets: "topk", K: 5}
	same := func(*layers.Batch) {}
	other := l.Model.Share()
	other.Own(func(p *layers.Param) bool { return p == other.Norm })
	tensor.Data[float32](other.Norm.Value)[3] += 1e-6
	for _, c := range []struct {
		what  string
		found bool
		m     *layers.Model
		cache recipes.TeacherCache
		o     layers.Objective
		b     func(b *layers.Batch)
	}{
		{"nothing", false, l.Model, hidden, kl, same},
		{"nothing new", true, l.Model, hidden, kl, same},
		{"labels and weights", true, l.Model, hidden, kl, func(b *layers.Batch) {
			tensor.Data[int32](b.Labels)[1] = 3
			tensor.Data[float32](b.Weight)[1] = 3
		}},
		{"the objective", true, l.Model, hidden, layers.Objective{{Type: layers.JSD, Weight: 1, Beta: 0.5, Temperature: 2}}, same},
		{"a weight", false, other, hidden, kl, same},
		{"a token", false, l.Model, hidden, kl, func(b *layers.Batch) { tensor.Data[int32](b.IDs)[23] = 5 }},
		{"where a document starts", false, l.Model, hidden, kl, func(b *layers.Batch) { tensor.Data[int32](b.Start)[23] = 5 }},
		{"what is kept", false, l.Model, top, kl, same},
		{"what is kept, again", true, l.Model, top, kl, same},
		{"another term at the temperature", true, l.Model, top, layers.Objective{{Type: layers.ForwardKL, Weight: 2}}, same},
		{"the temperature", false, l.Model, top, layers.Objective{{Type: layers.ReverseKL, Weight: 1, Temperature: 2}}, same},
		{"how much is kept", false, l.Model, recipes.TeacherCache{Targets: "topk", K: 6}, kl, same},
	} {
		if got := found(c.m, c.cache, c.o, 1, 0, c.b) == 1; got != c.found {
			t.Errorf("with another %s: found %v, want %v", c.what, got, c.found)
		}
	}
	if n := found(l.Model, hidden, kl, 3, 2, same); n != 1 {
		t.Errorf("at another place in a larger batch: %d found, want the one that was kept", n)
	}
	if n := len(cacheFiles(t, dir)); n != 9 { // the seven not found above, and two of the larger batch
		t.Errorf("%d files, want 9", n)
	}
}
