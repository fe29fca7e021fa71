package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stillhouse/distill"
)

func TestAnExportIsALoadableModel(t *testing.T) {
	for _, c := range []struct {
		args []string
		file string // in the folder, which can be opened again; "": the folder itself
	}{
		{[]string{"--dtype", "bf16", "--max-shard", "1MB"}, ""},
		{[]string{"--format", "gguf"}, "out-F32.gguf"},
		{[]string{"--format", "apriel_hybrid_ssm"}, ""},
	} {
		dir := filepath.Join(t.TempDir(), "out")
		code, out, errs := typed(t, append([]string{"export", "embedded:teacher", "--out", dir, "--json"}, c.args...)...)
		if code != exitOK {
			t.Fatalf("%v: exit %d: %s", c.args, code, errs)
		}
		var x distill.Exported
		if err := json.Unmarshal([]byte(out), &x); err != nil {
			t.Fatal(err)
		}
		if x.Verification == nil || x.Verification.KL > x.Verification.Bound || x.Layers != "AAAAAAAA" || x.File != c.file {
			t.Errorf("%v: got %+v, %+v", c.args, x, x.Verification)
		}
		l, err := distill.LoadModel(filepath.Join(dir, c.file))
		if err != nil {
			t.Errorf("%v: %v", c.args, err)
		} else if got := l.Model.Config.Strip(); got != x.Layers {
			t.Errorf("%v: %s comes back as %s", c.args, x.Layers, got)
		}
		if card, err := os.ReadFile(filepath.Join(dir, "README.md")); err != nil || !strings.Contains(string(card), "AAAAAAAA") {
			t.Errorf("%v: the card is %q, %v", c.args, card, err)
		}
	}
}

func TestAnExportThatCannotBeSaysWhatToChange(t *testing.T) {
	there := t.TempDir()
	if err := os.WriteFile(filepath.Join(there, "mine"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "out")
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"export", "embedded:teacher"}, exitUsage, "--out is missing"},
		{[]string{"export", "embedded:teacher", "--out", out, "--format", "onnx"}, exitUsage, `--format "onnx" is unknown`},
		{[]string{"export", "embedded:teacher", "--out", out, "--dtype", "int4"}, exitUsage, `--dtype "int4" is unknown`},
		{[]string{"export", "embedded:teacher", "--out", out, "--for", "mlx"}, exitUsage, `--for "mlx" is unknown`},
		{[]string{"export", "embedded:teacher", "--out", out, "--max-shard", "big"}, exitUsage, `--max-shard "big"`},
		{[]string{"export", "embedded:teacher", "--out", out, "--context", "-1"}, exitUsage, "--context is -1"},
		{[]string{"export", "embedded:teacher", "--out", there}, exitFailed, "is not empty (hint: name another folder"},
		{[]string{"export", "../../testdata/goldens/granitehybrid", "--format", "gguf", "--out", out}, exitFailed, "hint: student.mixer.norm: grouped, or groups: 1"},
		{[]string{"export", "embedded:teacher", "--format", "gguf", "--for", "vllm", "--out", out}, exitFailed, "hint: --format granitemoehybrid"},
	} {
		code, _, errs := typed(t, c.args...)
		if code != c.code || !strings.Contains(errs, c.says) {
			t.Errorf("%v: exit %d, %s", c.args, code, errs)
		}
		if _, err := os.Stat(out); err == nil {
			t.Fatalf("%v: left something", c.args)
		}
	}
}
