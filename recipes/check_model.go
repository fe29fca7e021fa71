package recipes

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

func (k *checker) checkTeacher() {
	t := k.Teacher.Train
	if k.Teacher.Path == "" && t == nil {
		k.problem(`teacher: {path: "embedded:teacher"}, a folder, hf://org/name, or train: {…} for one from scratch`, "no teacher", "teacher")
		return
	}
	if p := k.Teacher.Path; strings.HasPrefix(p, "hf://") && !hubModel.MatchString(p) {
		k.problem("hf://ORG/NAME or hf://ORG/NAME@REVISION", "teacher.path "+strconv.Quote(p)+" names no model", "teacher.path")
	}
	if g := k.Teacher.Geometry; g != nil && g.Layers != k.layers {
		k.problem("a geometry is to plan by: correct it, or leave it out", fmt.Sprintf("teacher.geometry has %d layers, the model has %d", g.Layers, k.layers), "teacher.geometry", "teacher.geometry.num_hidden_layers")
	}
	if k.Teacher.Cache != nil {
		k.checkTargets()
	}
	if t == nil {
		return
	}
	const at = "teacher.train"
	g := t.Geometry
	if g.Heads > 0 && g.KVHeads > 0 && g.Heads%g.KVHeads != 0 {
		k.problem("each key/value head serves a whole number of query heads",
			fmt.Sprintf("num_attention_heads %d is no multiple of num_key_value_heads %d", g.Heads, g.KVHeads),
			at+".geometry.num_key_value_heads", at+".geometry.num_attention_heads")
	}
	switch {
	case g.HeadDim == 0 && g.Heads > 0:
		k.problem("give head_dim, or a hidden_size that is a multiple of num_attention_heads",
			fmt.Sprintf("hidden_size %d is no multiple of num_attention_heads %d", g.HiddenSize, g.Heads),
			at+".geometry.hidden_size", at+".geometry.num_attention_heads", at+".geometry.head_dim")
	case g.HeadDim%2 != 0:
		k.problem("rotary positions turn pairs", fmt.Sprintf("head_dim %d is odd", g.HeadDim), at+".geometry.head_dim", at+".geometry.hidden_size")
	}
	if v := t.Tokenizer.VocabSize; v > 0 && g.VocabSize > 0 && g.VocabSize < v {
		k.problem("leave one of the two out", fmt.Sprintf("the model has %d tokens, its tokenizer %d", g.VocabSize, v), at+".geometry.vocab_size", at+".tokenizer.vocab_size")
	}
	p, _ := k.TeacherPhase()
	k.checkLength(at, p)
	k.checkOverrides(at, t.Overrides)
}

// checkTargets refuses a cache that the objectives cannot use: it holds what is
// left of the teacher after its last layer.
func (k *checker) checkTargets() {
	inside := func(at string, terms []Term) {
		for i, t := range terms {
			if !t.onLogits() {
				k.problem("remove it, or the term", "teacher.cache holds no outputs of blocks and mixers, which "+entryKey(at, i)+", "+t.Type+", compares", "teacher.cache", entryKey(at, i))
			}
		}
	}
	inside("objective", k.Objective)
	for i, p := range k.Phases {
		inside(entryKey("phases", i)+".objective", p.Objective)
	}
	for i, s := range k.Stages {
		inside(entryKey("stages", i)+".objective", s.Objective)
		for j, p := range s.Phases {
			inside(entryKey(entryKey("stages", i)+".phases", j)+".objective", p.Objective)
		}
	}
}

func (k *checker) checkStudent() {
	m := k.Student.Mixer
	const at = "student.mixer"
	if m.Type == "mamba2" && m.Init == "mil-reference" {
		k.problem("init: mil, or type: mamba1", "mil-reference is an order of Mamba-1's heads; for mamba2 it is the same as mil", at+".init", at+".type")
	}
	if m.Init != "random" && m.Type == "mamba2" && m.HeadDim > 0 && m.State > 0 && m.HeadDim != m.State {
		k.problem("leave both out, or init: random", fmt.Sprintf("a weight transfer needs head_dim and state to be equal, not %d and %d", m.HeadDim, m.State), at+".state", at+".head_dim", at+".init")
	}
	if m.Groups > 0 && m.Heads > 0 && m.Heads%m.Groups != 0 {
		k.problem("each group serves a whole number of heads", fmt.Sprintf("heads %d is no multiple of groups %d", m.Heads, m.Groups), at+".groups", at+".heads")
	}
	k.checkLayers("student.keep_attention", k.Student.KeepAttention)
	if k.Export != nil {
		k.checkExport(m)
	}
}

// checkExport refuses forms that cannot hold the mixer: to find out after the
// training would be late.
func (k *checker) checkExport(m Mixer) {
	switch f := k.Export.Format; {
	case f == "":
	case (f == "apriel_hybrid_ssm") != (m.Type == "mamba1"):
		k.problem("mamba1 goes with apriel_hybrid_ssm, mamba2 with granitemoehybrid or gguf", f+" cannot hold "+m.Type, "export.format", "student.mixer.type")
	case f == "gguf" && m.Norm == "full" && m.Groups != 1:
		k.problem("norm: grouped, or groups: 1", "llama.cpp normalises per group, this mixer over all of them", "export.format", "student.mixer.norm", "student.mixer.groups")
	}
}

func (k *checker) checkImportance(at string, m Importance) {
	if m.Method == "manual" && len(m.Layers) == 0 {
		k.problem("layers: [5, 3, 4], first to be replaced first", at+".method manual wants layers", at+".method", at+".layers")
	}
	k.checkLayers(at+".layers", m.Layers)
	for i, l := range m.Layers {
		if slices.Contains(k.Student.KeepAttention, l) {
			k.problem("take it out of one of the two", layer(l)+" is in student.keep_attention", entryKey(at+".layers", i), "student.keep_attention")
		}
	}
	if m.Method == "loo" && m.Metric == "task_accuracy" && len(k.Eval.Tasks) == 0 {
		k.problem("eval: {tasks: [recall]}", "task_accuracy wants tasks", at+".metric", "eval.tasks")
	}
}

// layersKept counts the layers that may not be replaced.
func (k *checker) layersKept() int {
	n := 0
	for i, l := range k.Student.KeepAttention {
		if l < k.layers && !slices.Contains(k.Student.KeepAttention[:i], l) {
			n++
		}
	}
	return n
}

func (k *checker) checkPlan() {
	p := k.Plan
	if !p.given() {
		if k.Teacher.Train == nil {
			k.problem("plan: {mamba_layers: [2, 4, 6]}", "nothing says how many layers to replace", "plan", "plan.mamba_layers", "plan.fractions", "plan.group_size", "plan.budget", "teacher")
			return
		}
		for _, used := range []struct {
			key   string
			given bool
		}{{"phases", len(k.Phases) > 0}, {"stages", len(k.Stages) > 0}, {"finish", len(k.Finish) > 0}, {"export", k.Export != nil}, {"plan.rescore", p.Rescore != nil}, {"teacher.cache", k.Teacher.Cache != nil}} {
			if used.given {
				k.problem("plan: {mamba_layers: [2, 4, 6]}, or remove it", used.key+" has no use without a plan", used.key, "plan.mamba_layers", "plan.fractions", "plan.group_size", "plan.budget")
			}
		}
		return
	}
	for i := 1; i < len(p.MambaLayers); i++ {
		if p.MambaLayers[i] <= p.MambaLayers[i-1] {
			k.problem("counts are cumulative: Mamba layers after each stage", fmt.Sprintf("mamba_layers does not increase: %d after %d", p.MambaLayers[i], p.MambaLayers[i-1]), entryKey("plan.mamba_layers", i))
		}
	}
	counts, list := p.MambaLayers, "plan.mamba_layers"
	for i, x := range p.Fractions {
		if i > 0 && x <= p.Fractions[i-1] {
			k.problem("shares are cumulative: of Mamba layers after each stage", fmt.Sprintf("fractions does not increase: %g after %g", x, p.Fractions[i-1]), entryKey("plan.fractions", i))
		}
	}
	if g := p.GroupSize; g > 0 && p.Total > 0 && g > p.Total {
		k.problem("a smaller group_size", fmt.Sprintf("group_size %d is more than total %d", g, p.Total), "plan.group_size", "plan.total")
	}
	if k.layers == 0 {
		return
	}
	may := k.layers - k.layersKept()
	if may <= 0 {
		k.problem("shorten it", fmt.Sprintf("student.keep_attention keeps all %d layers", k.layers), "student.keep_attention")
		return
	}
	if len(p.Fractions) > 0 {
		counts, list = nil, "plan.fractions"
		for i, x := range p.Fractions {
			n := int(math.Round(x * float64(k.layers)))
			if n == 0 || i > 0 && n == counts[i-1] {
				k.problem("larger steps", fmt.Sprintf("%g of %d layers is %d: stage %d replaces nothing", x, k.layers, n, i+1), entryKey(list, i))
			}
			counts = append(counts, n)
		}
	}
	tooMany := func(key string, n int) {
		k.problem("a smaller number, or a shorter student.keep_attention", fmt.Sprintf("%d layers cannot become Mamba: the teacher has %d and %d are kept", n, k.layers, k.layers-may), key, "student.keep_attention")
	}
	for i, n := range counts {
		if n > may {
			tooMany(entryKey(list, i), n)
			break
		}
	}
	if p.Total > may {
		tooMany("plan.total", p.Total)
	}
	if p.GroupSize > may {
		tooMany("plan.group_size", p.GroupSize)
	}
}
