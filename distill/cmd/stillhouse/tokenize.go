package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"stillhouse/distill"
)

// tokenizeFlags are the flags of tokenize.
type tokenizeFlags struct {
	decode, special, document bool
}

func (a *app) tokenizeCommand() *cobra.Command {
	var f tokenizeFlags
	c := &cobra.Command{
		Use:   "tokenize MODEL",
		Short: "Turn lines of stdin into token ids, or back",
		Long: `Tokenize reads lines and writes the ids of each on a line, the line break not
among them. With --decode it reads ids, divided by spaces or commas, and writes text.
Only the model's tokenizer is read.`,
		Example: `  echo "Hello there" | stillhouse tokenize hf://HuggingFaceTB/SmolLM2-135M
  stillhouse tokenize embedded:teacher < a.txt | stillhouse tokenize embedded:teacher --decode`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return a.tokenize(c.InOrStdin(), args[0], f) },
	}
	s := c.Flags()
	s.BoolVar(&f.decode, "decode", false, "read ids and write text")
	s.BoolVar(&f.special, "special", false, "names of special tokens in the text mean these tokens")
	s.BoolVar(&f.document, "document", false, "with the tokens that the model's own tools put around a text")
	c.MarkFlagsMutuallyExclusive("decode", "special")
	c.MarkFlagsMutuallyExclusive("decode", "document")
	return c
}

func (a *app) tokenize(in io.Reader, model string, f tokenizeFlags) error {
	l, err := distill.OpenTokenizer(model)
	if err != nil {
		return err
	}
	tok := l.Tokenizer
	out := bufio.NewWriter(a.out)
	defer out.Flush()
	return eachLine(in, func(n int, line string) error {
		if f.decode {
			ids, err := parseIDs(line)
			if err != nil {
				return usageError("line %d: %v", n, err)
			}
			for _, id := range ids {
				if int(id) >= tok.Size() {
					return usageError("line %d: there is no token %d: %s has %d", n, id, l.Source, tok.Size())
				}
			}
			fmt.Fprintln(out, tok.Decode(ids))
			return out.Flush() // a pipe is answered line by line
		}
		var ids []int32
		switch {
		case f.document:
			ids = tok.EncodeDocument(line)
		case f.special:
			ids = tok.EncodeSpecial(line)
		default:
			ids = tok.Encode(line)
		}
		for i, id := range ids {
			if i > 0 {
				out.WriteByte(' ')
			}
			out.WriteString(strconv.Itoa(int(id)))
		}
		out.WriteByte('\n')
		return out.Flush()
	})
}

// eachLine gives every line of a stream, of any length, without its end.
func eachLine(in io.Reader, yield func(n int, line string) error) error {
	r := bufio.NewReader(in)
	for n := 1; ; n++ {
		line, err := r.ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("stdin: %w", err)
		}
		if line != "" {
			if err := yield(n, strings.TrimSuffix(line, "\n")); err != nil {
				return err
			}
		}
		if err != nil {
			return nil
		}
	}
}

// parseIDs reads token ids divided by spaces or commas.
func parseIDs(text string) (ids []int32, err error) {
	for _, s := range strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' || r == '\r' }) {
		id, err := strconv.ParseInt(s, 10, 32)
		if err != nil || id < 0 {
			return nil, fmt.Errorf("%q is no token id", s)
		}
		ids = append(ids, int32(id))
	}
	return ids, nil
}
