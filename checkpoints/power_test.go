package checkpoints

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"testing"
	"testing/fstest"
)

// record runs five saves, with retention and a named one, and returns every
// change to the disk, and the bytes of each step's checkpoint and of all
// metrics.
func record(t *testing.T) (log []event, files map[int64]map[string]string, metrics []byte) {
	t.Helper()
	rec := &recorder{dir: t.TempDir()}
	r, err := openRun(rec.dir, rec.ops(), (*Run).mustBeNew)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	r.KeepLast = 2
	files = map[int64]map[string]string{}
	for step := int64(1); step <= 5; step++ {
		if err := r.Metrics.Append(fmt.Appendf(nil, `{"step":%d}`, step)); err != nil {
			t.Fatal(err)
		}
		s, w, o := training(step)
		if step == 2 {
			s.Name = "stage-1"
		}
		c, err := Save(r, s, w, o)
		if err != nil {
			t.Fatal(err)
		}
		rec.log = append(rec.log, event{kind: "saved", size: step})
		files[step] = map[string]string{}
		for _, name := range allFiles {
			b, err := r.ReadFile(path.Join(Dir, path.Base(c.Path), name))
			if err != nil {
				t.Fatal(err)
			}
			files[step][name] = string(b)
		}
	}
	metrics, err = r.ReadFile(MetricsFile)
	if err != nil {
		t.Fatal(err)
	}
	return rec.log, files, metrics
}

// explore cuts the power after every event, each time in many ways, and returns
// the number of distinct states and the first one that breaks the promise: the
// last checkpoint that Save reported, or a newer one, loads with its own bytes,
// the metrics it counts are there, and the one before it, if any, is whole too.
func explore(log []event, files map[int64]map[string]string, metrics []byte, samples int) (states int, broken error) {
	r := rand.New(rand.NewPCG(7, 11))
	seen := map[uint64]bool{}
	seed := maphash.MakeSeed()
	disk, saved := folder(), int64(0)
	for i := -1; i < len(log); i++ {
		if i >= 0 {
			disk.apply(log[i])
			if log[i].kind == "saved" {
				saved = log[i].size
			}
		}
		for range samples {
			state := fstest.MapFS{}
			disk.cut(r, ".", state)
			var h maphash.Hash
			h.SetSeed(seed)
			for _, name := range slices.Sorted(maps.Keys(state)) {
				fmt.Fprintf(&h, "%q%q", name, state[name].Data)
			}
			fmt.Fprint(&h, saved)
			if sum := h.Sum64(); seen[sum] {
				continue
			} else {
				seen[sum] = true
			}
			if err := promise(state, saved, files, metrics); err != nil {
				return len(seen), fmt.Errorf("after event %d %+v: %w", i, log[max(i, 0)], err)
			}
		}
	}
	return len(seen), nil
}

func promise(state fstest.MapFS, saved int64, files map[int64]map[string]string, metrics []byte) error {
	run := &Run{dir: "/run", ops: memory("/run", state), verified: map[string]bool{}}
	c, skipped, err := Latest(run)
	switch {
	case err != nil || len(skipped) > 0:
		return fmt.Errorf("%v %v", skipped, err)
	case c == nil && saved > 0:
		return fmt.Errorf("step %d is gone", saved)
	case c == nil:
		return nil
	case c.State.GlobalStep < saved || c.State.GlobalStep > saved+1:
		return fmt.Errorf("step %d after %d was saved", c.State.GlobalStep, saved)
	}
	for _, name := range allFiles {
		b, err := fs.ReadFile(state, path.Join(Dir, path.Base(c.Path), name))
		if err != nil || string(b) != files[c.State.GlobalStep][name] {
			return fmt.Errorf("%s of step %d differs: %v", name, c.State.GlobalStep, err)
		}
	}
	n := c.State.MetricsBytes
	if b, err := fs.ReadFile(state, MetricsFile); err != nil || int64(len(b)) < n || !bytes.Equal(b[:n], metrics[:n]) {
		return fmt.Errorf("%d of %d bytes of metrics: %v", len(b), n, err)
	}
	if cs, _, err := List(run); err != nil || int64(len(cs)) < min(2, saved) {
		return fmt.Errorf("only %s are whole after step %d was saved: %v", names(cs), saved, err)
	}
	if _, err := Find(run, "stage-1"); saved >= 2 && err != nil {
		return err
	}
	return nil
}

func TestAPowerCutAtAnyMomentLeavesTheSavedCheckpointOrANewerOne(t *testing.T) {
	samples := 200
	if testing.Short() {
		samples = 40
	}
	log, files, metrics := record(t)
	states, broken := explore(log, files, metrics, samples)
	if broken != nil {
		t.Fatal(broken)
	}
	t.Logf("%d distinct states of the disk after %d events", states, len(log))
}

// Without any one of the calls that make a checkpoint durable, the exploration
// above must find a state that breaks the promise: the calls are needed, and
// the test would notice that one is gone.
func TestEveryFsyncIsNeeded(t *testing.T) {
	log, files, metrics := record(t)
	without := map[string]func(e event) bool{}
	for _, name := range allFiles {
		without["fsync of "+name] = func(e event) bool { return e.kind == "sync" && path.Base(e.path) == name }
	}
	without["fsync of metrics"] = func(e event) bool { return e.kind == "sync" && e.path == MetricsFile }
	without["fsync of the run folder"] = func(e event) bool { return e.kind == "syncdir" && e.path == "." }
	without["fsync of the checkpoints folder"] = func(e event) bool { return e.kind == "syncdir" && e.path == Dir }
	without["fsync of the new checkpoint's folder"] = func(e event) bool { return e.kind == "syncdir" && path.Dir(e.path) == Dir }
	for what, gone := range without {
		t.Run(what, func(t *testing.T) {
			if !slices.ContainsFunc(log, gone) {
				t.Fatal("there is no such call")
			}
			if _, broken := explore(slices.DeleteFunc(slices.Clone(log), gone), files, metrics, 400); broken == nil {
				t.Error("no state breaks the promise")
			} else {
				t.Log(broken)
			}
		})
	}
}

// The state that Save writes must hold the journal's length at that moment.
func TestTheStateCountsTheMetricsBeforeIt(t *testing.T) {
	_, files, _ := record(t)
	for step, f := range files {
		var s State
		if err := json.Unmarshal([]byte(f[stateFile]), &s); err != nil || s.MetricsBytes != 11*step {
			t.Errorf("step %d: %d bytes, %v", step, s.MetricsBytes, err)
		}
	}
}
