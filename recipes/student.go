package recipes

// Student says what the converted layers become and which stay.
type Student struct {
	// The mixer that takes attention's place.
	Mixer Mixer `yaml:"mixer" mapstructure:"mixer" json:"mixer"`
	// Layers that are never replaced, counted from 0.
	KeepAttention []int `yaml:"keep_attention" mapstructure:"keep_attention" json:"keep_attention" default:"[]" min:"0"`
}

// Mixer is a Mamba mixer and how it gets its first weights. Sizes of 0 are
// those that the weight transfer needs.
type Mixer struct {
	// Kind of mixer: stock Mamba-2, or Apriel-H1's Mamba-1.
	Type string `yaml:"type" mapstructure:"type" json:"type" default:"mamba2" enum:"mamba2|mamba1"`
	// First weights: transferred from attention, heads aligned (mil) or in the published order (mil-reference); transferred and then fitted to calibration data (mil-fit); or random.
	Init string `yaml:"init" mapstructure:"init" json:"init" default:"mil-fit" enum:"mil|mil-reference|mil-fit|random"`
	// Gated RMSNorm over all of the inner width (transformers) or per group (vLLM, llama.cpp).
	Norm string `yaml:"norm,omitempty" mapstructure:"norm,omitempty" json:"norm,omitempty" default:"full" enum:"full|grouped" when:"type=mamba2"`
	// Width K of the causal convolution.
	Conv int `yaml:"conv" mapstructure:"conv" json:"conv" default:"4" min:"1"`
	// Chunk of the scan; changes speed and rounding only.
	Chunk int `yaml:"chunk,omitempty" mapstructure:"chunk,omitempty" json:"chunk,omitempty" default:"64" min:"1" when:"type=mamba2"`
	// Groups that share B and C; 0 is one a head.
	Groups int `yaml:"groups,omitempty" mapstructure:"groups,omitempty" json:"groups,omitempty" default:"0" min:"0" when:"type=mamba2"`
	// Mamba heads; 0 is the teacher's query heads.
	Heads int `yaml:"heads,omitempty" mapstructure:"heads,omitempty" json:"heads,omitempty" default:"0" min:"0" when:"type=mamba2"`
	// Head width P; 0 is the teacher's.
	HeadDim int `yaml:"head_dim,omitempty" mapstructure:"head_dim,omitempty" json:"head_dim,omitempty" default:"0" min:"0" when:"type=mamba2"`
	// State width N; 0 is head_dim for mamba2 and 16 for mamba1.
	State int `yaml:"state" mapstructure:"state" json:"state" default:"0" min:"0"`
	// Rank of the projection to Δ; 0 is a sixteenth of the model width.
	DtRank int `yaml:"dt_rank,omitempty" mapstructure:"dt_rank,omitempty" json:"dt_rank,omitempty" default:"0" min:"0" when:"type=mamba1"`
	// How mil-fit fits.
	Fit Fit `yaml:"fit,omitempty" mapstructure:"fit,omitempty" json:"fit,omitzero" when:"init=mil-fit"`
}

// Fit holds the settings of the closed-form fits of mil-fit.
type Fit struct {
	// Calibration sequences, read in batches of at most 8 and of no more tokens than those of train.per_device_train_batch_size (or 512).
	Sequences int `yaml:"sequences" mapstructure:"sequences" json:"sequences" default:"64" min:"1"`
	// Ridge of the regressions, relative to the mean of the normal equations' diagonal.
	Ridge float64 `yaml:"ridge" mapstructure:"ridge" json:"ridge" default:"1e-4" above:"0"`
}
