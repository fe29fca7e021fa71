package export

import (
	"errors"
	"fmt"
	"strings"

	"stillhouse/layers"
)

// Format is what a model is written as.
type Format string

// The formats.
const (
	Granite Format = "granitemoehybrid"  // transformers and vLLM
	GGUF    Format = "gguf"              // llama.cpp
	Apriel  Format = "apriel_hybrid_ssm" // Apriel-H1's own code
)

// Runtime is a program that loads what is written.
type Runtime string

// The runtimes.
const (
	Transformers Runtime = "transformers"
	VLLM         Runtime = "vLLM"
	LlamaCPP     Runtime = "llama.cpp"
	AprielCode   Runtime = "Apriel-H1's modeling code"
)

// Names lists runtimes for people.
func Names(rs []Runtime) string {
	var s []string
	for _, r := range rs {
		s = append(s, string(r))
	}
	return strings.Join(s, ", ")
}

// FormatFor returns the format that fits a model's mixers.
func FormatFor(c *layers.Config) Format {
	for _, m := range c.Mixers {
		if m.Kind == layers.KindMamba1 || m.Kind == layers.KindIdentity {
			return Apriel
		}
	}
	return Granite
}

// Options say how a model is written.
type Options struct {
	Format  Format
	Runtime Runtime // that must load it; "": whichever do
	Context int     // tokens that config.json promises; 0: the model's own
	DType   string  // of the weights: float32, bfloat16 or float16
}

// ErrRefused is wrapped by every refusal.
var ErrRefused = errors.New("cannot be exported")

// Refusal lists all that a format has no place for.
type Refusal struct {
	Format  Format
	Reasons []Reason
}

// Reason is one thing that a format has no place for.
type Reason struct {
	What string
	Hint string // the setting that would make it exportable; "": none does
}

func (r *Refusal) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v as %s:", ErrRefused, r.Format)
	for _, why := range r.Reasons {
		fmt.Fprintf(&b, "\n  %s", why.What)
		if why.Hint != "" {
			fmt.Fprintf(&b, " (hint: %s)", why.Hint)
		}
	}
	return b.String()
}

// Unwrap returns ErrRefused.
func (r *Refusal) Unwrap() error { return ErrRefused }

// refusal collects reasons.
type refusal []Reason

func (r *refusal) add(hint, what string, args ...any) {
	*r = append(*r, Reason{fmt.Sprintf(what, args...), hint})
}

// of returns the reasons as an error, nil when there are none.
func (r refusal) of(f Format) error {
	if len(r) == 0 {
		return nil
	}
	return &Refusal{f, r}
}
