package recipes

// Term is one weighted part of an objective, a mean over unmasked tokens.
type Term struct {
	// Divergence from the teacher's distribution (reverse_kl, forward_kl, jsd), cross_entropy on labels, or distance of block outputs (hidden) or of mixer outputs given the teacher's inputs (mixer).
	Type string `yaml:"type" mapstructure:"type" json:"type" enum:"reverse_kl|forward_kl|jsd|cross_entropy|hidden|mixer" required:"true"`
	// Weight in the sum.
	Weight float64 `yaml:"weight" mapstructure:"weight" json:"weight" default:"1" above:"0"`
	// Divides the logits of teacher and student; the loss is multiplied by its square.
	Temperature float64 `yaml:"temperature,omitempty" mapstructure:"temperature,omitempty" json:"temperature,omitempty" default:"1" above:"0" when:"type=reverse_kl|forward_kl|jsd"`
	// Share of the teacher in jsd's mixture.
	Beta float64 `yaml:"beta,omitempty" mapstructure:"beta,omitempty" json:"beta,omitempty" default:"0.5" above:"0" below:"1" when:"type=jsd"`
	// Distance of hidden and mixer: mean square, or 1 minus the cosine.
	Kind string `yaml:"kind,omitempty" mapstructure:"kind,omitempty" json:"kind,omitempty" default:"mse" enum:"mse|cosine" when:"type=hidden|mixer"`
	// Layers compared; all if not given (mixer: all Mamba layers).
	Layers []int `yaml:"layers,omitempty" mapstructure:"layers,omitempty" json:"layers,omitempty" min:"0" when:"type=hidden|mixer"`
}

// onLogits reports whether the term looks at the model's last outputs.
func (t Term) onLogits() bool { return t.Type != "hidden" && t.Type != "mixer" }
