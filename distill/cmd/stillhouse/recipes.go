package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"stillhouse/distill"
	"stillhouse/recipes"
)

func (a *app) recipesCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "recipes",
		Short: "List, show, copy and check recipes",
	}
	c.AddCommand(a.recipesListCommand(), a.recipesShowCommand(), a.recipesCopyCommand(), a.recipesCheckCommand(), a.recipesSchemaCommand())
	return c
}

func (a *app) recipesListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the recipes inside the binary",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			list := recipes.List()
			return a.print(map[string]any{"recipes": list}, func(w io.Writer) {
				wide := 0
				for _, r := range list {
					wide = max(wide, len(r.Name))
				}
				for _, r := range list {
					fmt.Fprintf(w, "%-*s  %s\n", wide, r.Name, r.Summary)
				}
			})
		},
	}
}

func (a *app) recipesShowCommand() *cobra.Command {
	var resolved bool
	var set []string
	c := &cobra.Command{
		Use:   "show RECIPE",
		Short: "Print a recipe, as it was written or with every default in it",
		Example: `  stillhouse recipes show quickstart
  stillhouse recipes show my.yaml --resolved --set seed=7`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeRecipes,
		RunE: func(_ *cobra.Command, args []string) error {
			if !resolved && !a.json && len(set) == 0 {
				text, err := os.ReadFile(args[0])
				if errors.Is(err, fs.ErrNotExist) {
					if text, err = recipes.Show(args[0]); err != nil {
						_, err = a.load(args[0], nil) // which knows what was meant
					}
				}
				if err != nil {
					return err
				}
				_, err = a.out.Write(text)
				return err
			}
			r, err := a.load(args[0], set)
			if err != nil {
				return err
			}
			text, err := r.MarshalYAML()
			if err != nil {
				return err
			}
			return a.print(r, func(w io.Writer) { w.Write(text) })
		},
	}
	c.Flags().BoolVar(&resolved, "resolved", false, "with every default, as a run keeps it")
	c.Flags().StringArrayVar(&set, "set", nil, "set a key first (repeatable); implies --resolved")
	return c
}

func (a *app) recipesCopyCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "copy NAME FILE",
		Short:             "Copy an embedded recipe to a file to start from",
		Long:              "Copy writes a recipe of the binary to a file, comments included. It never overwrites.",
		Example:           "  stillhouse recipes copy quickstart my.yaml",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: completeRecipes,
		RunE: func(_ *cobra.Command, args []string) error {
			if _, err := recipes.Show(args[0]); err != nil {
				return usageError("%w", err)
			}
			if err := recipes.Copy(args[0], args[1]); errors.Is(err, fs.ErrExist) {
				return usageError("%s is there already, and is not overwritten (hint: another name)", args[1])
			} else if err != nil {
				return err
			}
			return a.print(map[string]string{"file": args[1]}, func(w io.Writer) { fmt.Fprintln(w, args[1]) })
		},
	}
}

// checked is what recipes check finds in one file.
type checked struct {
	Recipe   string           `json:"recipe"`
	OK       bool             `json:"ok"`
	Stages   int              `json:"stages,omitempty"` // 0 while it depends on the teacher
	Tokens   int64            `json:"tokens,omitempty"`
	Problems recipes.Problems `json:"problems,omitempty"`
	Error    string           `json:"error,omitempty"` // when it could not be read at all
}

func (a *app) recipesCheckCommand() *cobra.Command {
	var set []string
	c := &cobra.Command{
		Use:   "check RECIPE...",
		Short: "Report everything that is wrong with recipes, by line and column",
		Example: `  stillhouse recipes check my.yaml
  stillhouse recipes check recipes/*.yaml --json`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: completeRecipes,
		RunE: func(_ *cobra.Command, args []string) error {
			var all []checked
			bad := false
			for _, path := range args {
				c := checked{Recipe: path}
				r, err := a.load(path, set)
				switch {
				case err == nil:
					c.OK = true
					c.Stages, _ = r.Plan.StageCount()
					c.Tokens, _ = r.Tokens()
				case !errors.As(err, &c.Problems):
					c.Error = err.Error()
				}
				bad = bad || !c.OK
				all = append(all, c)
			}
			err := a.print(map[string]any{"recipes": all}, func(w io.Writer) {
				for _, c := range all {
					switch {
					case c.OK && c.Stages > 0:
						fmt.Fprintf(w, "%s: ok, %d stages, %s tokens\n", c.Recipe, c.Stages, distill.HumanCount(c.Tokens))
					case c.OK:
						fmt.Fprintf(w, "%s: ok\n", c.Recipe)
					case c.Error != "":
						fmt.Fprintln(a.err, c.Error)
					default:
						fmt.Fprintln(a.err, c.Problems)
					}
				}
			})
			if err == nil && bad {
				err = &codedError{exitUsage, errSaid}
			}
			return err
		},
	}
	c.Flags().StringArrayVar(&set, "set", nil, "set a key first (repeatable)")
	return c
}

func (a *app) recipesSchemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of recipes, for editors",
		Long: `Schema prints the JSON Schema of a recipe. Editors then complete keys and show what
they mean: put this at the top of a recipe, beside recipe.schema.json:

  # yaml-language-server: $schema=recipe.schema.json`,
		Example: "  stillhouse recipes schema > recipe.schema.json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := a.out.Write(recipes.Schema())
			return err
		},
	}
}
