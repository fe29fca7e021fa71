package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"stillhouse/checkpoints"
	"stillhouse/layers"
)

// build says which program this is.
type build struct {
	Version          string `json:"version"`
	Commit           string `json:"commit,omitempty"`
	Modified         bool   `json:"modified,omitempty"` // the commit and something more
	Go               string `json:"go"`
	Platform         string `json:"platform"`
	ISA              string `json:"isa"` // of the kernels on this machine
	CheckpointFormat int    `json:"checkpoint_format"`
	RecipeFormat     int    `json:"recipe_format"`
}

func thisBuild() build {
	b := build{Version: "devel", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		ISA: layers.ISA(), CheckpointFormat: checkpoints.FormatVersion, RecipeFormat: 1}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		b.Version = v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value[:min(12, len(s.Value))]
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

// String is the build in one line.
func (b build) String() string {
	s := b.Version
	if b.Commit != "" {
		s += " " + b.Commit
	}
	if b.Modified {
		s += " modified"
	}
	return fmt.Sprintf("%s %s %s", s, b.Go, b.Platform)
}

func version() string { return thisBuild().String() }

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			b := thisBuild()
			return a.print(b, func(w io.Writer) { fmt.Fprintln(w, "stillhouse "+b.String()+" "+b.ISA) })
		},
	}
}
