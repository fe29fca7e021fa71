package checkpoints

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"stillhouse/checkpoints/internal/durable"
	"stillhouse/checkpoints/safetensors"
	"stillhouse/layers/tensor"
)

// unsynced are the operating system's operations without fsync: the tests that
// need no power cut run a hundred times as fast.
func unsynced() durable.Ops {
	ops := durable.OS()
	create, add := ops.Create, ops.Append
	ops.SyncDir = func(string) error { return nil }
	ops.Create = func(path string, perm fs.FileMode) (durable.File, error) {
		f, err := create(path, perm)
		if err != nil {
			return nil, err
		}
		return noSync{f}, nil
	}
	ops.Append = func(path string, perm fs.FileMode) (durable.File, error) {
		f, err := add(path, perm)
		if err != nil {
			return nil, err
		}
		return noSync{f}, nil
	}
	return ops
}

type noSync struct{ durable.File }

func (noSync) Sync() error { return nil }

// memory are operations that read the folders of fsys, whose root stands for
// dir, and cannot write.
func memory(dir string, fsys fs.FS) durable.Ops {
	inside := func(path string) string {
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			panic(err)
		}
		return filepath.ToSlash(rel)
	}
	return durable.Ops{
		Open:    func(path string) (io.ReadCloser, error) { return fsys.Open(inside(path)) },
		ReadDir: func(path string) ([]fs.DirEntry, error) { return fs.ReadDir(fsys, inside(path)) },
	}
}

// newRun makes a run in a folder of the test's own.
func newRun(t testing.TB) *Run {
	t.Helper()
	r, err := openRun(t.TempDir(), unsynced(), (*Run).mustBeNew)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// reopen opens a run folder with other operations on the disk.
func reopen(dir string, ops durable.Ops) (*Run, error) {
	return openRun(dir, ops, func(*Run) error { return nil })
}

// training is a tiny run: its weights and moments at a step are a function of
// the step, so that a mix of two checkpoints cannot look like either.
func training(step int64) (State, []safetensors.Named, []safetensors.Named) {
	value := func(k int) *tensor.Tensor {
		x := tensor.New(tensor.F32, 2, 3)
		for i, d := 0, tensor.Data[float32](x); i < len(d); i++ {
			d[i] = float32(step) + float32(k)/8 + float32(i)/64
		}
		return x
	}
	s := State{
		Stage: 1, Phase: 2, Step: step, GlobalStep: step, Tokens: 100 * step, LossScale: 1, ISA: "avx512",
		Data: json.RawMessage(fmt.Sprintf(`{"batch":%d}`, step)), RNG: json.RawMessage(`"seed"`), Skip: []int64{3, step},
	}
	return s, []safetensors.Named{{Name: "a", Tensor: value(0)}, {Name: "b", Tensor: value(1)}},
		[]safetensors.Named{{Name: "m.a", Tensor: value(2)}, {Name: "v.a", Tensor: value(3)}}
}

// saveStep appends a line and saves.
func saveStep(r *Run, step int64) (*Checkpoint, error) {
	if err := r.Metrics.Append([]byte(fmt.Sprintf(`{"step":%d}`, step))); err != nil {
		return nil, err
	}
	s, w, o := training(step)
	return Save(r, s, w, o)
}

func mustSave(t testing.TB, r *Run, step int64) *Checkpoint {
	t.Helper()
	c, err := saveStep(r, step)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// wrong says in what the checkpoint differs from training at its step; "" if in
// nothing.
func wrong(c *Checkpoint) string {
	s, weights, optimizer := training(c.State.GlobalStep)
	s.Name, s.FormatVersion, s.MetricsBytes = c.State.Name, FormatVersion, c.State.MetricsBytes
	want, err1 := encodeState(s)
	got, err2 := encodeState(c.State)
	if err1 != nil || err2 != nil || string(want) != string(got) {
		return fmt.Sprintf("state\n%s\nwant\n%s", got, want)
	}
	for _, part := range []struct {
		open func() (*safetensors.File, error)
		want []safetensors.Named
	}{{c.Weights, weights}, {c.Optimizer, optimizer}} {
		f, err := part.open()
		if err != nil {
			return err.Error()
		}
		defer f.Close()
		if len(f.Names()) != len(part.want) {
			return fmt.Sprintf("tensors %q", f.Names())
		}
		for _, n := range part.want {
			x, err := f.Read(n.Name)
			if err != nil {
				return err.Error()
			}
			if fmt.Sprint(tensor.Data[float32](x)) != fmt.Sprint(tensor.Data[float32](n.Tensor)) {
				return fmt.Sprintf("%s is %v, want %v", n.Name, tensor.Data[float32](x), tensor.Data[float32](n.Tensor))
			}
		}
	}
	return ""
}

// names returns the base names of checkpoints.
func names(cs []*Checkpoint) string {
	var s []string
	for _, c := range cs {
		s = append(s, filepath.Base(c.Path))
	}
	return strings.Join(s, " ")
}
