package checkpoints

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"stillhouse/checkpoints/internal/durable"
)

var allFiles = []string{manifestFile, optimizerFile, stateFile, weightsFile}

// inMemory is the checkpoint folder in memory, so that ten thousand damages
// cost no disk.
func inMemory(t *testing.T, path string) (durable.Ops, fstest.MapFS) {
	t.Helper()
	files := fstest.MapFS{}
	for _, name := range allFiles {
		b, err := os.ReadFile(filepath.Join(path, name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = &fstest.MapFile{Data: b}
	}
	return memory(path, files), files
}

func TestEveryFlippedBitIsNoticed(t *testing.T) {
	c := mustSave(t, newRun(t), 7)
	ops, files := inMemory(t, c.Path)
	if _, problems := verify(ops, c.Path); problems != nil {
		t.Fatal(problems)
	}
	flips := 0
	for _, name := range allFiles {
		b := files[name].Data
		for i := range b {
			for bit := range 8 {
				b[i] ^= 1 << bit
				_, problems := verify(ops, c.Path)
				if len(problems) != 1 || problems[0].File != name {
					t.Fatalf("%s byte %d bit %d: got %v", name, i, bit, problems)
				}
				b[i] ^= 1 << bit
				flips++
			}
		}
	}
	t.Logf("%d flips, all noticed", flips)
}

func TestEveryTruncationIsNoticedAndTheOlderCheckpointUsed(t *testing.T) {
	r := newRun(t)
	mustSave(t, r, 1)
	c := mustSave(t, r, 2)
	for _, name := range allFiles {
		path := filepath.Join(c.Path, name)
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for n := range len(whole) + 1 {
			b := whole[:n]
			if n == len(whole) {
				b = append(slices.Clone(whole), 0) // and one byte too many
			}
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			got, skipped, err := Latest(r)
			if err != nil || got.State.GlobalStep != 1 || len(skipped) != 1 || skipped[0].File != name {
				t.Fatalf("%s cut to %d: got %v %v %v", name, n, got, skipped, err)
			}
		}
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, skipped, err := Latest(r); err != nil || got.State.GlobalStep != 2 || skipped != nil {
		t.Errorf("mended: got %v %v %v", got, skipped, err)
	}
}

func TestFilesThatAreMissingExchangedOrExtraAreNamed(t *testing.T) {
	move := func(from, to string) func(a, b string) error {
		return func(a, b string) error { return os.Rename(filepath.Join(b, from), filepath.Join(b, to)) }
	}
	other := func(name string) func(a, b string) error {
		return func(a, b string) error {
			bytes, err := os.ReadFile(filepath.Join(a, name))
			return errors.Join(err, os.WriteFile(filepath.Join(b, name), bytes, 0o600))
		}
	}
	for what, c := range map[string]struct {
		damage func(older, newer string) error
		file   string
		want   string
	}{
		"weights gone":        {move(weightsFile, "../gone"), weightsFile, "missing"},
		"manifest gone":       {move(manifestFile, "../gone"), manifestFile, "missing"},
		"weights of step 1":   {other(weightsFile), weightsFile, "SHA-256"},
		"optimizer of step 1": {other(optimizerFile), optimizerFile, "SHA-256"},
		"state of step 1":     {other(stateFile), stateFile, "SHA-256"},
		"manifest of step 1":  {other(manifestFile), "", "step-00000001 under another name"},
		"renamed weights":     {move(weightsFile, "w.safetensors"), "w.safetensors", "not in the manifest"},
		"an extra file":       {func(a, b string) error { return os.WriteFile(filepath.Join(b, "x"), nil, 0o600) }, "x", "not in the manifest"},
		"a folder for a file": {func(a, b string) error {
			p := filepath.Join(b, stateFile)
			return errors.Join(os.Remove(p), os.Mkdir(p, 0o700))
		}, stateFile, "not a file"},
		"a link for a file": {func(a, b string) error {
			p := filepath.Join(b, stateFile)
			return errors.Join(os.Rename(p, a+".s"), os.Symlink(a+".s", p))
		}, stateFile, "not a file"},
		"a link for the index": {func(a, b string) error {
			p := filepath.Join(b, manifestFile)
			return errors.Join(os.Rename(p, a+".s"), os.Symlink(a+".s", p))
		}, manifestFile, "not a file"},
		"all of step 1": {func(a, b string) error {
			return errors.Join(os.RemoveAll(b), os.CopyFS(b, os.DirFS(a)))
		}, "", "step-00000001 under another name"},
	} {
		t.Run(what, func(t *testing.T) {
			r := newRun(t)
			older, newer := mustSave(t, r, 1), mustSave(t, r, 2)
			if err := c.damage(older.Path, newer.Path); err != nil {
				t.Fatal(err)
			}
			_, problems := Verify(newer.Path)
			if !slices.ContainsFunc(problems, func(p Problem) bool { return p.File == c.file && strings.Contains(p.What, c.want) }) {
				t.Errorf("got %v, want %s: %s", problems, c.file, c.want)
			}
			if got, _, err := Latest(r); err != nil || got.State.GlobalStep != 1 {
				t.Errorf("latest is %v %v", got, err)
			}
			if _, err := os.Stat(newer.Path); err != nil {
				t.Errorf("the damaged checkpoint is gone: %v", err)
			}
		})
	}
}

func TestTheNewestWholeOneWinsHoweverManyAreDamaged(t *testing.T) {
	r := newRun(t)
	r.KeepLast = 0
	var cs []*Checkpoint
	for step := int64(1); step <= 4; step++ {
		cs = append(cs, mustSave(t, r, step))
	}
	for k := 3; k >= 0; k-- {
		if c, skipped, err := Latest(r); err != nil || c.State.GlobalStep != int64(k+1) || len(skipped) != 3-k {
			t.Fatalf("with %d damaged: got %v %v %v", 3-k, c, skipped, err)
		}
		if err := os.WriteFile(filepath.Join(cs[k].Path, weightsFile), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, skipped, err := Latest(r)
	if c != nil || len(skipped) != 4 || !errors.Is(err, ErrDamaged) || !strings.Contains(fmt.Sprint(err), "step-00000004") {
		t.Errorf("all damaged: got %v %v %v", c, skipped, err)
	}
}

func TestACheckpointCopiedAwayCanStillBeVerified(t *testing.T) {
	c := mustSave(t, newRun(t), 7)
	to := filepath.Join(t.TempDir(), "backup")
	if err := os.CopyFS(to, os.DirFS(c.Path)); err != nil {
		t.Fatal(err)
	}
	if _, problems := Verify(to); problems != nil {
		t.Error(problems)
	}
	if _, problems := Verify(filepath.Join(to, "nowhere")); len(problems) != 1 {
		t.Errorf("got %v", problems)
	}
}

func TestAnotherFormatVersionIsNamed(t *testing.T) {
	m := Manifest{FormatVersion: 2, Checkpoint: "step-00000001"}
	if _, err := decodeManifest(m.encode()); err == nil || !strings.Contains(err.Error(), "format version 2") {
		t.Errorf("got %v", err)
	}
}

func FuzzManifest(f *testing.F) {
	m := Manifest{FormatVersion: 1, CreatedBy: "x", Checkpoint: "step-00000001"}
	m.add(stateFile, durable.Digest{Size: 3})
	m.add(weightsFile, durable.Digest{Size: 4})
	f.Add(m.encode())
	m.Files[1].Name = "../" + weightsFile
	f.Add(m.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeManifest(b)
		if err != nil {
			return
		}
		if string(m.encode()) != string(b) {
			t.Fatalf("accepted %q, which it does not write", b)
		}
		for _, file := range m.Files {
			if !slices.Contains(allFiles, file.Name) {
				t.Fatalf("accepted a file %q", file.Name)
			}
		}
	})
}
