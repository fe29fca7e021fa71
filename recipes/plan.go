package recipes

// Plan says how many layers are Mamba after each stage, in one of four forms.
type Plan struct {
	// Cumulative numbers of Mamba layers, one a stage, e.g. [2, 4, 6].
	MambaLayers []int `yaml:"mamba_layers,omitempty" mapstructure:"mamba_layers,omitempty" json:"mamba_layers,omitempty" min:"1" oneof:"form"`
	// The same as shares of all layers, e.g. [0.25, 0.5].
	Fractions []float64 `yaml:"fractions,omitempty" mapstructure:"fractions,omitempty" json:"fractions,omitempty" above:"0" max:"1" oneof:"form"`
	// Layers replaced at each stage.
	GroupSize int `yaml:"group_size,omitempty" mapstructure:"group_size,omitempty" json:"group_size,omitempty" min:"1" oneof:"form"`
	// Layers replaced in the end; 0 is every layer that may be.
	Total int `yaml:"total,omitempty" mapstructure:"total,omitempty" json:"total,omitempty" default:"0" min:"0" when:"group_size=*"`
	// As many layers as a speed-up takes, by a cost model measured on this machine.
	Budget *Budget `yaml:"budget,omitempty" mapstructure:"budget,omitempty" json:"budget,omitempty" oneof:"form"`
	// Scores the remaining layers again with the student as it stands before every stage but the first: true repeats importance, a mapping says how.
	Rescore *Importance `yaml:"rescore,omitempty" mapstructure:"rescore,omitempty" json:"rescore,omitempty" short:"?"`
}

// Budget is a speed-up to reach.
type Budget struct {
	// Factor over the teacher, e.g. 2.0.
	Speedup float64 `yaml:"speedup" mapstructure:"speedup" json:"speedup" above:"1"`
	// Tokens of context at which it is measured.
	Context Count `yaml:"context" mapstructure:"context" json:"context" default:"16k" min:"1"`
	// What is to be faster.
	What string `yaml:"what" mapstructure:"what" json:"what" default:"decode" enum:"decode|prefill"`
	// Layers replaced at each stage; 0 replaces all in one stage.
	GroupSize int `yaml:"group_size" mapstructure:"group_size" json:"group_size" default:"0" min:"0"`
}

func (p Plan) given() bool {
	return len(p.MambaLayers) > 0 || len(p.Fractions) > 0 || p.GroupSize > 0 || p.Budget != nil
}

// StageCount returns the number of stages; ok is false while it depends on the
// teacher or on a measurement.
func (p Plan) StageCount() (n int, ok bool) {
	switch {
	case len(p.MambaLayers) > 0:
		return len(p.MambaLayers), true
	case len(p.Fractions) > 0:
		return len(p.Fractions), true
	case p.GroupSize > 0 && p.Total > 0:
		return (p.Total + p.GroupSize - 1) / p.GroupSize, true
	case p.Budget != nil && p.Budget.GroupSize == 0:
		return 1, true
	}
	return 0, false
}
