package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"stillhouse/distill"
	"stillhouse/layers"
)

// generateFlags are the flags of generate.
type generateFlags struct {
	prompt string
	limit  int
	greedy bool
	dtype  string
	distill.Sampling
}

func (a *app) generateCommand() *cobra.Command {
	var f generateFlags
	c := &cobra.Command{
		Use:   "generate MODEL",
		Short: "Continue a prompt with a model",
		Long: `Generate writes the continuation to stdout as it comes; speed and memory go to
stderr. The prompt itself is not repeated. A MODEL is a model folder,
embedded:teacher, hf://ORG/NAME[@REVISION], a run folder (its newest student) or a
checkpoint's folder.

--prompt - reads the prompt from stdin. Names of special tokens in it mean these
tokens. The same seed gives the same text.`,
		Example: `  stillhouse generate embedded:teacher --prompt "func main() {" --greedy
  stillhouse generate runs/quickstart --prompt "package " --max-tokens 200 --temperature 0.8 --top-p 0.95`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeModels,
		RunE:              func(c *cobra.Command, args []string) error { return a.generate(c, args[0], f) },
	}
	s := c.Flags()
	s.StringVar(&f.prompt, "prompt", "", "text to continue; - reads stdin")
	s.IntVar(&f.limit, "max-tokens", 128, "tokens to write at most")
	s.BoolVar(&f.greedy, "greedy", false, "take the likeliest token each time")
	s.StringVar(&f.dtype, "dtype", "float32", "of the matrices: float32, as they are, or bfloat16, which is read in half the time")
	samplingFlags(s, &f.Sampling, 1, 1)
	return c
}

// samplingFlags adds the flags of how a token is chosen, with the command's own
// defaults.
func samplingFlags(s *pflag.FlagSet, f *distill.Sampling, temperature, topP float64) {
	s.Float64Var(&f.Temperature, "temperature", temperature, "below 1 the likely gets likelier; 0: the likeliest token each time")
	s.IntVar(&f.TopK, "top-k", 0, "choose among so many of the likeliest tokens; 0: all")
	s.Float64Var(&f.TopP, "top-p", topP, "choose among the likeliest tokens that together have this probability")
	s.Float64Var(&f.RepetitionPenalty, "repetition-penalty", 1, "above 1 what was read or written before gets less likely")
	s.StringArrayVar(&f.Stop, "stop", nil, "end before this text (repeatable)")
	s.Uint64Var(&f.Seed, "seed", 42, "of the choices")
}

// checkSampling refuses values that mean nothing.
func checkSampling(f distill.Sampling) error {
	switch {
	case f.Temperature < 0:
		return usageError("--temperature is %g, want 0 or more", f.Temperature)
	case f.TopK < 0:
		return usageError("--top-k is %d, want 0 or more", f.TopK)
	case f.TopP <= 0 || f.TopP > 1:
		return usageError("--top-p is %g, want above 0 and at most 1", f.TopP)
	case f.RepetitionPenalty <= 0:
		return usageError("--repetition-penalty is %g, want above 0", f.RepetitionPenalty)
	}
	return nil
}

// check refuses values that mean nothing.
func (f *generateFlags) check(c *cobra.Command) error {
	switch {
	case !c.Flags().Changed("prompt"):
		return usageError("--prompt is missing (hint: --prompt TEXT, or --prompt - for stdin)")
	case f.greedy && c.Flags().Changed("temperature"):
		return usageError("--greedy and --temperature exclude each other")
	case f.limit < 1:
		return usageError("--max-tokens is %d, want at least 1", f.limit)
	}
	return checkSampling(f.Sampling)
}

func (a *app) generate(c *cobra.Command, model string, f generateFlags) error {
	if err := f.check(c); err != nil {
		return err
	}
	bf16, err := distill.IsBF16(f.dtype)
	if err != nil {
		return usageError("--dtype: %v", err)
	}
	if f.greedy {
		f.Temperature = 0
	}
	if f.prompt == "-" {
		b, err := io.ReadAll(c.InOrStdin())
		if err != nil {
			return fmt.Errorf("--prompt: %w", err)
		}
		f.prompt = string(b)
	}
	l, err := a.open(c.Context(), model)
	if err != nil {
		return err
	}
	l.BF16 = bf16
	pool := layers.NewPool(a.threads)
	defer pool.Close()
	emit := func(text string) error {
		if a.json {
			return nil
		}
		_, err := io.WriteString(a.out, text)
		return err
	}
	g, err := distill.Generate(c.Context(), pool, l, f.prompt, f.limit, f.Sampling, emit)
	if g.Tokens > 0 && isTerminal(a.out) && !strings.HasSuffix(g.Text, "\n") {
		fmt.Fprintln(a.out) // for the shell's prompt; a file gets the text alone
	}
	if err != nil {
		return err
	}
	if a.json {
		return a.print(g, nil)
	}
	if !a.quiet {
		fmt.Fprintf(a.err, "%d tokens read at %.0f/s, %d written at %.1f/s; state %s\n", g.PromptTokens, g.Prefill, g.Tokens, g.Decode, distill.HumanBytes(int64(g.StateBytes)))
	}
	return nil
}
