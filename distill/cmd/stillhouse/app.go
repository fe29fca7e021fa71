package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"stillhouse/checkpoints"
	"stillhouse/distill"
	"stillhouse/recipes"
)

// app is what all commands share: streams and global flags.
type app struct {
	out, err io.Writer
	json     bool
	threads  int
	progress string
	args     []string
}

func newApp(out, err io.Writer) *app { return &app{out: out, err: err} }

// withArgs notes the command line for reports.
func withArgs(ctx context.Context, a *app, args []string) context.Context {
	a.args = args
	return ctx
}

// command builds the command tree.
func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "stillhouse",
		Short: "Turn a pretrained transformer into an attention–Mamba hybrid",
		Long: `Stillhouse scores the attention layers of a transformer, replaces the least
critical ones by Mamba mixers in stages, and trains every stage against the
teacher with a distillation loss.

  stillhouse run quickstart        the whole loop on a teacher inside the binary
  stillhouse recipes list          recipes to start from
  stillhouse resume runs/NAME      go on where a run stopped`,
		SilenceUsage: true, SilenceErrors: true,
		Version: version(),
	}
	root.SetArgs(a.args)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetVersionTemplate("stillhouse {{.Version}}\n")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError("%v\nhint: %s --help", err, c.CommandPath())
	})
	f := root.PersistentFlags()
	f.BoolVar(&a.json, "json", false, "print the result as one JSON object")
	f.IntVar(&a.threads, "threads", 0, "CPU threads; 0 takes all (results do not depend on it)")
	f.StringVar(&a.progress, "progress", "auto", "auto, bar, plain, json or none")
	root.AddCommand(a.runCommand(), a.resumeCommand(), a.benchCommand())
	root.AddCommand(a.ablateCommand())
	return root
}

// finish reports how a command ended and returns the exit code.
func (a *app) finish(err error, s *signalState) int {
	if err == nil {
		return exitOK
	}
	code := codeOf(err)
	if errors.Is(err, distill.ErrInterrupted) && s.code() != 0 {
		code = s.code()
	}
	if a.json {
		_ = json.NewEncoder(a.err).Encode(map[string]any{"error": map[string]any{"code": code, "message": err.Error()}})
		return code
	}
	fmt.Fprintln(a.err, "stillhouse: "+err.Error())
	return code
}

// codeOf maps an error to its exit code.
func codeOf(err error) int {
	var problems recipes.Problems
	var panicked interface{ Unwrap() error }
	_ = panicked
	switch {
	case errors.As(err, &problems), errors.Is(err, distill.ErrChanged):
		return exitUsage
	case errors.Is(err, distill.ErrGate):
		return exitGate
	case errors.Is(err, checkpoints.ErrDamaged):
		return exitVerify
	case errors.Is(err, distill.ErrLimit):
		return exitLimit
	case errors.Is(err, checkpoints.ErrLocked):
		return exitLocked
	case strings.HasPrefix(err.Error(), "unknown command"), strings.Contains(err.Error(), "arg(s)"):
		return exitUsage
	}
	return exitCode(err)
}

// print writes a result: as JSON, or by text.
func (a *app) print(v any, text func(w io.Writer)) error {
	if !a.json {
		text(a.out)
		return nil
	}
	e := json.NewEncoder(a.out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

func version() string {
	v := "devel"
	if b, ok := debug.ReadBuildInfo(); ok {
		if b.Main.Version != "" && b.Main.Version != "(devel)" {
			v = b.Main.Version
		}
		for _, s := range b.Settings {
			if s.Key == "vcs.revision" {
				v += " " + s.Value[:min(12, len(s.Value))]
			}
		}
	}
	return v + " " + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH
}

// load reads a recipe with the flags that change it.
func (a *app) load(path string, set []string) (*recipes.Recipe, error) {
	if a.threads > 0 {
		set = append(set, fmt.Sprintf("threads=%d", a.threads))
	}
	return recipes.Load(path, set, os.Environ())
}
