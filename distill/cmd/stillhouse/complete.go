package main

import (
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"stillhouse/checkpoints"
	"stillhouse/distill"
	"stillhouse/recipes"
)

// What the shell offers for a value. Files come on top where they are taken.

func completeRecipes(_ *cobra.Command, args []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	var out []cobra.Completion
	for _, r := range recipes.List() {
		if strings.HasPrefix(r.Name, prefix) {
			out = append(out, cobra.CompletionWithDesc(r.Name, r.Summary))
		}
	}
	return out, cobra.ShellCompDirectiveDefault
}

func completeRuns(_ *cobra.Command, args []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return runFolders(prefix), cobra.ShellCompDirectiveFilterDirs
}

func completeModels(_ *cobra.Command, _ []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
	out := runFolders(prefix)
	if name := "embedded:teacher"; strings.HasPrefix(name, prefix) {
		out = append(out, cobra.CompletionWithDesc(name, "the model inside the binary"))
	}
	return out, cobra.ShellCompDirectiveDefault
}

// runFolders are the runs in the usual place.
func runFolders(prefix string) (out []cobra.Completion) {
	found, _ := filepath.Glob(filepath.Join(runsDir, "*", checkpoints.RecipeFile)) // the pattern is a good one
	for _, file := range found {
		if dir := filepath.Dir(file); strings.HasPrefix(dir, prefix) {
			out = append(out, dir)
		}
	}
	return out
}

// completeFlags gives the flags with a choice their values, all over the tree.
func completeFlags(c *cobra.Command) {
	for _, sub := range c.Commands() {
		completeFlags(sub)
	}
	choices := map[string]cobra.CompletionFunc{
		"progress": cobra.FixedCompletions([]cobra.Completion{"auto", "bar", "plain", "json", "none"}, cobra.ShellCompDirectiveNoFileComp),
		"method":   cobra.FixedCompletions(methods, cobra.ShellCompDirectiveNoFileComp),
		"geometry": cobra.FixedCompletions(distill.GeometryNames[:], cobra.ShellCompDirectiveNoFileComp),
		"recipe": func(c *cobra.Command, _ []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return completeRecipes(c, nil, prefix)
		},
		"teacher": completeModels,
		"set":     cobra.NoFileCompletions,
	}
	for name, f := range choices {
		if c.Flags().Lookup(name) != nil || c.PersistentFlags().Lookup(name) != nil {
			_ = c.RegisterFlagCompletionFunc(name, f) // fails only for what another file registered
		}
	}
}
