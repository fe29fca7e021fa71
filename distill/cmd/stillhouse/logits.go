package main

import (
	"context"
	"fmt"
	"io"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"stillhouse/checkpoints/safetensors"
	"stillhouse/distill"
	"stillhouse/layers"
	"stillhouse/layers/tensor"
)

// logitsFlags are the flags of logits.
type logitsFlags struct {
	tokens, out string
	grad        bool
}

func (a *app) logitsCommand() *cobra.Command {
	var f logitsFlags
	c := &cobra.Command{
		Use:   "logits MODEL",
		Short: "Write a model's logits of a sequence, to compare with other implementations",
		Long: `Logits writes a safetensors file with input_ids [T] and logits [T,V] in float32.
With --grad also loss, the mean cross entropy of each position against the next
token, and grad.NAME for every weight under its name in the model's own file.`,
		Example: `  stillhouse logits models/llama --tokens 1,15043,29892 --out x.safetensors --grad`,
		Args:    cobra.ExactArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return a.logits(c.Context(), args[0], f) },
	}
	s := c.Flags()
	s.StringVar(&f.tokens, "tokens", "", "the sequence's token ids, divided by commas")
	s.StringVar(&f.out, "out", "", "file to write")
	s.BoolVar(&f.grad, "grad", false, "write the loss and every gradient too")
	return c
}

// logitsResult is what logits prints with --json.
type logitsResult struct {
	File    string   `json:"file"`
	Tokens  int      `json:"tokens"`
	Loss    *float32 `json:"loss,omitempty"`
	Tensors int      `json:"tensors"`
}

func (a *app) logits(ctx context.Context, model string, f logitsFlags) error {
	ids, err := parseIDs(f.tokens)
	switch {
	case err != nil:
		return usageError("--tokens: %v", err)
	case len(ids) == 0:
		return usageError("--tokens is missing (hint: --tokens 1,2,3; stillhouse tokenize gives them)")
	case f.out == "":
		return usageError("--out is missing (hint: --out x.safetensors)")
	}
	l, err := a.open(ctx, model)
	if err != nil {
		return err
	}
	p := layers.NewPool(a.threads)
	defer p.Close()
	tensors, err := distill.Logits(p, l, ids, f.grad)
	if err != nil {
		return err
	}
	if err := writeTensors(f.out, tensors); err != nil {
		return fmt.Errorf("write %s: %w", f.out, err)
	}
	r := logitsResult{File: f.out, Tokens: len(ids), Tensors: len(tensors)}
	for _, t := range tensors {
		if t.Name == "loss" {
			r.Loss = &tensor.Data[float32](t.Tensor)[0]
		}
	}
	return a.print(r, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %d tensors of %d tokens\n", r.File, r.Tensors, r.Tokens)
		if r.Loss != nil {
			fmt.Fprintf(w, "loss %v\n", *r.Loss)
		}
	})
}

// writeTensors puts a safetensors file in place, all of it or nothing.
func writeTensors(path string, tensors []safetensors.Named) error {
	f, err := renameio.NewPendingFile(path, renameio.WithPermissions(0o644))
	if err != nil {
		return err
	}
	defer f.Cleanup() // nothing is left to clean up after the replacement
	if err := safetensors.Write(f, tensors, nil); err != nil {
		return err
	}
	return f.CloseAtomicallyReplace()
}
