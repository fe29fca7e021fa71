package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"stillhouse/distill"
	"stillhouse/distill/export"
	"stillhouse/layers"
	"stillhouse/recipes"
)

// exportFlags are the flags of export.
type exportFlags struct {
	format, runtime, dtype, out, shard string
	context                            int
	verify                             bool
}

// runtimes are the words of --for.
var runtimes = map[string]export.Runtime{"": "", "transformers": export.Transformers, "vllm": export.VLLM, "llama.cpp": export.LlamaCPP}

func (a *app) exportCommand() *cobra.Command {
	var f exportFlags
	c := &cobra.Command{
		Use:   "export MODEL --out DIR",
		Short: "Write a model as transformers, vLLM or llama.cpp load it",
		Long: `Export writes a model's weights, configuration, tokenizer and a model card into
a new folder, in a format that stock programs load without code of ours:

  granitemoehybrid    transformers and vLLM; hybrids of attention and Mamba-2
  gguf                llama.cpp; the same
  apriel_hybrid_ssm   Apriel-H1's own code; hybrids with Mamba-1

A MODEL is a run folder (its newest student), a checkpoint's folder, a model
folder or embedded:teacher. What the format cannot hold is refused, with the
setting that would make it exportable. Mamba-2's norm decides who computes what
was trained: norm: full is for transformers, norm: grouped for vLLM and
llama.cpp, groups: 1 for all of them.

With --verify (the default) the files are read back by code that shares nothing
with the writer and compared with the model before they take their name.`,
		Example: `  stillhouse export runs/quickstart --out quickstart-hybrid
  stillhouse export runs/mine/checkpoints/stage-2 --format gguf --dtype bf16 --out hybrid-gguf`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeModels,
		RunE:              func(_ *cobra.Command, args []string) error { return a.export(args[0], f) },
	}
	s := c.Flags()
	s.StringVar(&f.format, "format", "", "granitemoehybrid, gguf or apriel_hybrid_ssm; what fits the mixers if not given")
	s.StringVar(&f.out, "out", "", "folder to write, which must not exist")
	s.StringVar(&f.dtype, "dtype", "float32", "of the matrices: float32, float16 or bfloat16 (f32, f16, bf16)")
	s.StringVar(&f.runtime, "for", "", "refuse what this program would not compute right: transformers, vllm or llama.cpp")
	s.IntVar(&f.context, "context", 0, "tokens of context that the configuration promises; 0: the model's own")
	s.StringVar(&f.shard, "max-shard", "5GB", "bytes of weights in one file at most")
	s.BoolVar(&f.verify, "verify", true, "read the files back and compare logits")
	return c
}

// options turns the flags into what they mean.
func (f exportFlags) options() (o distill.ExportOptions, err error) {
	formats := []export.Format{"", export.Granite, export.GGUF, export.Apriel}
	long := map[string]string{"f32": "float32", "f16": "float16", "bf16": "bfloat16"}
	dtype := f.dtype
	if l, ok := long[dtype]; ok {
		dtype = l
	}
	runtime, known := runtimes[f.runtime]
	shard, shardErr := recipes.ParseBytes(f.shard)
	switch {
	case f.out == "":
		return o, usageError("--out is missing (hint: --out DIR, a folder that is not there yet)")
	case !slices.Contains(formats, export.Format(f.format)):
		return o, usageError("--format %q is unknown: granitemoehybrid, gguf or apriel_hybrid_ssm", f.format)
	case !slices.Contains(export.DTypes(), dtype):
		return o, usageError("--dtype %q is unknown: float32, float16 or bfloat16", f.dtype)
	case !known:
		return o, usageError("--for %q is unknown: transformers, vllm or llama.cpp", f.runtime)
	case f.context < 0:
		return o, usageError("--context is %d, want 0 or more", f.context)
	case shardErr != nil || shard <= 0:
		return o, usageError("--max-shard %q is no size (hint: 5GB)", f.shard)
	}
	o.Options = export.Options{Format: export.Format(f.format), Runtime: runtime, Context: f.context, DType: dtype}
	o.Verify, o.MaxShard = f.verify, int64(shard)
	return o, nil
}

func (a *app) export(model string, f exportFlags) error {
	o, err := f.options()
	if err != nil {
		return err
	}
	o.Version = version()
	if o.Progress, err = a.newProgress(); err != nil {
		return err
	}
	l, err := distill.OpenModel(model)
	if err != nil {
		return err
	}
	p := layers.NewPool(a.threads)
	defer p.Close()
	x, err := distill.Export(p, l, f.out, o)
	if err != nil {
		return err
	}
	return a.print(x, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %s, %s, %s of weights, layers %s\nloaded by %s\n", x.Dir, x.Format, x.DType, distill.HumanBytes(x.Bytes), x.Layers, export.Names(x.Runtimes))
		if x.Verification != nil {
			fmt.Fprintf(w, "read back: %v\n", x.Verification)
		}
		for _, n := range x.Notes {
			fmt.Fprintf(w, "note: %s\n", n)
		}
	})
}
