package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"stillhouse/distill"
	"stillhouse/layers"
)

// chatFlags are the flags of chat.
type chatFlags struct {
	system string
	limit  int
	distill.Sampling
}

func (a *app) chatCommand() *cobra.Command {
	var f chatFlags
	c := &cobra.Command{
		Use:   "chat MODEL",
		Short: "Talk with a model",
		Long: `Chat reads a line, answers it, and remembers both; the model's own chat template
gives the conversation its form. In a pipe every line is a question and the answers
go to stdout.

  /reset   forget the conversation
  /exit    end; so do the end of input and Ctrl-C`,
		Example: `  stillhouse chat hf://HuggingFaceTB/SmolLM2-135M-Instruct
  stillhouse chat runs/my-run --temperature 0 < questions.txt`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeModels,
		RunE:              func(c *cobra.Command, args []string) error { return a.chat(c, args[0], f) },
	}
	s := c.Flags()
	s.StringVar(&f.system, "system", "", "what the model is told before all else")
	s.IntVar(&f.limit, "max-tokens", 512, "tokens of an answer at most")
	samplingFlags(s, &f.Sampling, 0.7, 0.95)
	return c
}

func (a *app) chat(c *cobra.Command, model string, f chatFlags) error {
	if f.limit < 1 {
		return usageError("--max-tokens is %d, want at least 1", f.limit)
	}
	if err := checkSampling(f.Sampling); err != nil {
		return err
	}
	l, err := a.open(c.Context(), model)
	if err != nil {
		return err
	}
	pool := layers.NewPool(a.threads)
	defer pool.Close()
	talk, err := distill.NewConversation(pool, l, f.system)
	if err != nil {
		return err
	}
	in := c.InOrStdin()
	prompt := ""
	if isTerminal(in) {
		prompt = "> "
		if !a.quiet {
			fmt.Fprintf(a.err, "%s. /reset forgets, /exit ends.\n", l.Source)
		}
	}
	fmt.Fprint(a.err, prompt)
	ended := errors.New("ended")
	err = eachLine(in, func(_ int, line string) error {
		switch line = strings.TrimSpace(line); line {
		case "":
		case "/exit", "/quit":
			return ended
		case "/reset":
			talk.Reset()
		default:
			if strings.HasPrefix(line, "/") {
				fmt.Fprintf(a.err, "no command %s (hint: /reset, /exit)\n", line)
			} else if err := a.answer(c.Context(), talk, line, f); err != nil {
				return err
			}
			f.Seed++
		}
		fmt.Fprint(a.err, prompt)
		return nil
	})
	if errors.Is(err, ended) {
		return nil
	}
	return err
}

// answer writes one answer as it comes, or with --json as one object a line.
func (a *app) answer(ctx context.Context, talk *distill.Conversation, question string, f chatFlags) error {
	g, err := talk.Ask(ctx, question, f.limit, f.Sampling, func(text string) error {
		if a.json {
			return nil
		}
		_, err := io.WriteString(a.out, text)
		return err
	})
	if err != nil {
		return err
	}
	if a.json {
		return a.print(g, nil)
	}
	_, err = fmt.Fprintln(a.out)
	return err
}
