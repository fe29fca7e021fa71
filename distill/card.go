package distill

import (
	"fmt"
	"path/filepath"
	"strings"

	"stillhouse/checkpoints"
	"stillhouse/distill/export"
	"stillhouse/recipes"
)

// card is the README.md of exported files: a model card with what the run folder
// knows, if the model comes from a run.
func (x *Exported) card(name string, l *Loaded, version string) []byte {
	var b strings.Builder
	c := &l.Model.Config
	var report *Report
	var teacher string
	run := RunOf(l.Source)
	if run != "" {
		report, teacher = cardReport(run)
	}

	fmt.Fprintf(&b, "---\npipeline_tag: text-generation\n")
	if x.Format != export.GGUF {
		fmt.Fprintf(&b, "library_name: transformers\n")
	}
	if base, ok := strings.CutPrefix(teacher, "hf://"); ok {
		base, _, _ = strings.Cut(base, "@")
		fmt.Fprintf(&b, "base_model: %s\nbase_model_relation: finetune\n", base)
	}
	fmt.Fprintf(&b, "tags: [stillhouse, mamba, hybrid, distillation]\n---\n\n# %s\n\n", name)
	switch mamba := strings.Count(x.Layers, "M"); {
	case mamba > 0 && teacher != "":
		fmt.Fprintf(&b, "A hybrid of attention and Mamba, distilled from `%s`: %d of its %d attention layers are Mamba.\n\n", teacher, mamba, len(x.Layers))
	case mamba > 0:
		fmt.Fprintf(&b, "A hybrid of attention and Mamba: %d of %d layers are Mamba.\n\n", mamba, len(x.Layers))
	default:
		fmt.Fprintf(&b, "A transformer of %d layers.\n\n", len(x.Layers))
	}
	fmt.Fprintf(&b, "```\n%s\n```\n\nA attention, M Mamba, I no layer; the first layer is on the left.\n\n", x.Layers)

	fmt.Fprintf(&b, "| | |\n|---|---|\n| format | %s, matrices in %s, %s of weights |\n", x.Format, x.DType, HumanBytes(x.Bytes))
	fmt.Fprintf(&b, "| loaded by | %s |\n", export.Names(x.Runtimes))
	fmt.Fprintf(&b, "| parameters | %s, width %d, %d query heads over %d of %d, vocabulary %d |\n", HumanCount(int64(l.Model.Size())), c.HiddenSize, c.Heads, c.KVHeads, c.HeadDim, c.VocabSize)
	if teacher != "" {
		fmt.Fprintf(&b, "| teacher | `%s` |\n", teacher)
	}
	if report != nil && report.Version != "" {
		fmt.Fprintf(&b, "| trained by | stillhouse %s |\n", report.Version)
	}
	fmt.Fprintf(&b, "| exported by | stillhouse %s |\n", version)
	if v := x.Verification; v != nil {
		fmt.Fprintf(&b, "| read back | %s |\n", strings.ReplaceAll(v.String(), "|", `\|`))
	}
	b.WriteByte('\n')
	for _, n := range x.Notes {
		fmt.Fprintf(&b, "- %s\n", n)
	}
	if len(x.Notes) > 0 {
		b.WriteByte('\n')
	}
	b.WriteString(x.usage(filepath.Base(filepath.Clean(x.Dir))))
	if report != nil {
		report.cardTable(&b)
		fmt.Fprintf(&b, "## Recipe\n\n```yaml\n%s\n```\n", strings.TrimSpace(report.Recipe))
	}
	return []byte(b.String())
}

// cardReport returns what a run folder holds, nil when it cannot be read, which
// leaves the card shorter.
func cardReport(run string) (*Report, string) {
	r, err := ReadReport(run)
	if err != nil {
		return nil, ""
	}
	recipe, err := recipes.Parse(checkpoints.RecipeFile, []byte(r.Recipe), nil, nil)
	if err != nil {
		return r, ""
	}
	if recipe.Teacher.Train != nil {
		return r, filepath.Join(run, teacherDir)
	}
	return r, recipe.Teacher.Path
}

// usage shows how to load the files.
func (x *Exported) usage(folder string) string {
	switch x.Format {
	case export.GGUF:
		return fmt.Sprintf("```\nllama-cli -m %s/%s\n```\n\n", folder, x.File)
	case export.Apriel:
		return "Apriel-H1's modeling code loads it (`trust_remote_code`, its files beside these); stillhouse does too.\n\n"
	}
	s := ""
	for _, r := range x.Runtimes {
		switch r {
		case export.Transformers:
			s += fmt.Sprintf("```python\nfrom transformers import AutoModelForCausalLM, AutoTokenizer\nmodel, tokenizer = AutoModelForCausalLM.from_pretrained(%q), AutoTokenizer.from_pretrained(%q)\n```\n\n", folder, folder)
		case export.VLLM:
			s += fmt.Sprintf("```\nvllm serve %s\n```\n\n", folder)
		}
	}
	if len(x.Runtimes) == 1 && x.Runtimes[0] == export.VLLM {
		s += "transformers loads these files too and computes something else: it norms Mamba-2 over all groups together.\n\n"
	}
	return s
}

// cardTable writes the run's evaluations.
func (r *Report) cardTable(b *strings.Builder) {
	rows := r.Evaluations()
	if len(rows) == 0 {
		return
	}
	b.WriteString("## Evaluation\n\nOn held-out data, beside the teacher; tasks by generation.\n\n| model | layers | perplexity | KL to teacher | top-1 agreement |")
	for _, t := range rows[0].Tasks {
		if t.Mode == "generate" {
			fmt.Fprintf(b, " %s |", t.Task)
		}
	}
	b.WriteString("\n|---|---|---|---|---|")
	for _, t := range rows[0].Tasks {
		if t.Mode == "generate" {
			b.WriteString("---|")
		}
	}
	b.WriteByte('\n')
	for _, e := range rows {
		fmt.Fprintf(b, "| %s | `%s` | %.3f | %.4f | %.1f %% |", e.Name, e.Strip, e.Perplexity, e.KL, 100*e.Agreement)
		for _, t := range e.Tasks {
			if t.Mode == "generate" {
				fmt.Fprintf(b, " %.1f %% |", 100*t.Accuracy())
			}
		}
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
}
