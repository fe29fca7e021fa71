package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"stillhouse/recipes"
)

// app is what all commands share: streams and global flags.
type app struct {
	out, err io.Writer
	json     bool
	quiet    bool
	verbose  int
	threads  int
	progress string
	args     []string
	signals  *signalState // nil in tests
}

func newApp(out, err io.Writer) *app { return &app{out: out, err: err} }

// withArgs notes the command line, to run it and for reports.
func withArgs(ctx context.Context, a *app, args []string) context.Context {
	a.args = args
	return ctx
}

// The groups of commands, in the order of the help.
const (
	groupMethod = "method"
	groupSteps  = "steps"
	groupModels = "models"
	groupOthers = "others"
)

// command builds the command tree.
func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "stillhouse",
		Short: "Turn a pretrained transformer into an attention–Mamba hybrid",
		Long: `Stillhouse scores the attention layers of a transformer, replaces the least
critical ones by Mamba mixers in stages, and trains every stage against the
teacher with a distillation loss.`,
		Example: `  stillhouse run quickstart            the whole loop on a teacher inside the binary
  stillhouse recipes copy quickstart my.yaml
  stillhouse plan my.yaml              what it will do, take and need
  stillhouse resume runs/quickstart    go on where a run stopped`,
		SilenceUsage: true, SilenceErrors: true,
		Version: version(),
	}
	root.SetArgs(a.args)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetVersionTemplate("stillhouse {{.Version}}\n")
	f := root.PersistentFlags()
	f.BoolVar(&a.json, "json", false, "print the result as one JSON object")
	f.IntVar(&a.threads, "threads", 0, "CPU threads; 0 takes all (results do not depend on it)")
	f.StringVar(&a.progress, "progress", "auto", "auto, bar, plain, json or none")
	f.BoolVarP(&a.quiet, "quiet", "q", false, "print errors and results only")
	f.CountVarP(&a.verbose, "verbose", "v", "print decisions; -vv prints every step")
	// Groups of commands take no flags of their own to speak of.
	root.SetUsageTemplate(strings.Replace(root.UsageTemplate(), "{{if .Runnable}}", "{{if not .HasAvailableSubCommands}}", 1))
	root.AddGroup(
		&cobra.Group{ID: groupMethod, Title: "The method:"},
		&cobra.Group{ID: groupSteps, Title: "One step at a time:"},
		&cobra.Group{ID: groupModels, Title: "Models:"},
		&cobra.Group{ID: groupOthers, Title: "Recipes, runs and this machine:"},
	)
	add := func(group string, cs ...*cobra.Command) {
		for _, c := range cs {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	root.PersistentPreRun = func(c *cobra.Command, _ []string) {
		if a.signals != nil && c.Annotations[stopsGently] != "" {
			a.signals.gentle.Store(true)
		}
	}
	add(groupMethod, a.runCommand(), a.resumeCommand(), a.ablateCommand())
	add(groupSteps, a.planCommand(), a.scoreCommand(), a.evalCommand(), a.reportCommand())
	add(groupModels, a.generateCommand(), a.chatCommand(), a.tokenizeCommand(), a.logitsCommand(), a.exportCommand())
	add(groupOthers, a.recipesCommand(), a.dataCommand(), a.runsCommand(), a.benchCommand(), a.doctorCommand(), a.versionCommand())
	root.AddCommand(exitCodesTopic())
	for _, c := range root.Commands() {
		switch c.Name() {
		case "run", "resume", "ablate", "generate":
			c.Annotations = map[string]string{stopsGently: "yes"}
		}
	}
	root.SetHelpCommandGroupID(groupOthers)
	root.SetCompletionCommandGroupID(groupOthers)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd(a.args...)
	completeFlags(root)
	strict(root)
	return root
}

// stopsGently marks commands that look out for an interrupt and end in order.
// The others lose nothing and end at once.
const stopsGently = "stops-gently"

// strict makes every kind of wrong usage an error with exit code 2, all over
// the tree. Left alone, a group of commands takes any word and shows its help.
func strict(c *cobra.Command) {
	for _, sub := range c.Commands() {
		strict(sub)
	}
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError("%v\nhint: %s --help", err, c.CommandPath())
	})
	if !c.Runnable() && c.HasSubCommands() {
		c.Args = cobra.ArbitraryArgs
		c.RunE = func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(c, args[0])
			}
			if !c.HasParent() {
				return c.Help() // who types the name alone asks what there is
			}
			c.SetOut(c.ErrOrStderr())
			if err := c.Help(); err != nil {
				return err
			}
			return &codedError{exitUsage, errSaid}
		}
	}
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				if exitCode(err) == exitUsage {
					return err
				}
				return usageError("%v\nusage: %s\nhint: %s --help", err, c.UseLine(), c.CommandPath())
			}
			return nil
		}
	}
}

// errSaid is an error that needs no more words.
var errSaid = errors.New("wrong usage")

func unknownCommand(c *cobra.Command, name string) error {
	if c.SuggestionsMinimumDistance <= 0 {
		c.SuggestionsMinimumDistance = 2
	}
	hint := c.CommandPath() + " --help"
	if near := c.SuggestionsFor(name); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return usageError("unknown command %q for %q\nhint: %s", name, c.CommandPath(), hint)
}

// errorObject is how an error is printed under --json.
type errorObject struct {
	Code     int              `json:"code"`
	Message  string           `json:"message"`
	Hint     string           `json:"hint,omitempty"`
	File     string           `json:"file,omitempty"` // of the first problem
	Line     int              `json:"line,omitempty"`
	Problems recipes.Problems `json:"problems,omitempty"` // of a recipe, all of them
}

// finish reports how a command ended and returns the exit code.
func (a *app) finish(err error, s *signalState) int {
	if err == nil {
		return exitOK
	}
	code := codeOf(err)
	if isInterrupted(err) && s.code() != 0 {
		code = s.code()
	}
	var problems recipes.Problems
	errors.As(err, &problems)
	switch {
	case errors.Is(err, errSaid) && !a.wantsJSON():
	case a.wantsJSON():
		o := errorObject{Code: code, Message: err.Error(), Problems: problems}
		o.Message, o.Hint = splitHint(o.Message)
		if len(problems) > 0 {
			p := problems[0]
			o.Message, o.Hint, o.File, o.Line = p.Message, p.Hint, p.File, p.Line
		}
		_ = json.NewEncoder(a.err).Encode(map[string]errorObject{"error": o})
	case len(problems) > 0:
		fmt.Fprintln(a.err, err) // begins with file:line:column, as editors read it
	default:
		fmt.Fprintln(a.err, "stillhouse: "+err.Error())
	}
	return code
}

// wantsJSON holds even when the command line could not be read to its end.
func (a *app) wantsJSON() bool { return a.json || slices.Contains(a.args, "--json") }

// splitHint takes the hint out of a message: (hint: …) or a line hint: ….
func splitHint(s string) (message, hint string) {
	if head, tail, ok := strings.Cut(s, " (hint: "); ok {
		if end := strings.LastIndexByte(tail, ')'); end >= 0 {
			return head + tail[end+1:], tail[:end]
		}
	}
	if i := strings.LastIndex(s, "hint: "); i > 0 {
		return strings.TrimRight(s[:i], " \n"), s[i+len("hint: "):]
	}
	return s, ""
}

// crashed reports a panic: a bug of ours.
func (a *app) crashed(value any) int {
	if a.wantsJSON() {
		_ = json.NewEncoder(a.err).Encode(map[string]errorObject{"error": {Code: exitInternal, Message: fmt.Sprintf("internal error: %v\n\n%s", value, debug.Stack()), Hint: "this is a bug: please report it"}})
	} else {
		fmt.Fprintf(a.err, "stillhouse: internal error: %v\n\n%s\nThis is a bug: please report it with the text above.\n", value, debug.Stack())
	}
	return exitInternal
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

// load reads a recipe with the flags that change it.
func (a *app) load(path string, set []string) (*recipes.Recipe, error) {
	if a.threads > 0 {
		set = append(slices.Clone(set), fmt.Sprintf("threads=%d", a.threads))
	}
	r, err := recipes.Load(path, set, os.Environ())
	var problems recipes.Problems
	if err != nil && !errors.As(err, &problems) {
		err = &codedError{exitUsage, err} // it names no recipe that can be read
	}
	return r, err
}
