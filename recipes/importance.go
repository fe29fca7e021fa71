package recipes

// Importance is one way to score attention layers; the lowest scores are
// replaced first. A setting that the method does not use is refused.
type Importance struct {
	// How layers are scored: gate is one backward pass for all; loo leaves one out; swap puts an untrained Mamba mixer in; mmr distils that mixer for a while; restore starts from all Mamba. The others are baselines.
	Method string `yaml:"method" mapstructure:"method" json:"method" default:"gate" enum:"gate|loo|swap|mmr|restore|random|uniform|first|last|manual"`
	// Labels of the gate method: the data's (empirical Fisher) or drawn from the teacher (curvature of the KL).
	Labels string `yaml:"labels,omitempty" mapstructure:"labels,omitempty" json:"labels,omitempty" default:"data" enum:"data|sampled" when:"method=gate"`
	// What is left out: the mixer only, or the whole block as in the paper.
	Scope string `yaml:"scope,omitempty" mapstructure:"scope,omitempty" json:"scope,omitempty" default:"mixer" enum:"mixer|block" when:"method=loo"`
	// What leaving a layer out costs: rise of the cross entropy, KL to the teacher, or fall of the accuracy on eval.tasks.
	Metric string `yaml:"metric,omitempty" mapstructure:"metric,omitempty" json:"metric,omitempty" default:"kl" enum:"cross_entropy|kl|task_accuracy" when:"method=loo"`
	// Data that scores are measured on.
	Calibration Calibration `yaml:"calibration,omitempty" mapstructure:"calibration,omitempty" json:"calibration,omitzero" when:"method=gate|loo|swap|mmr|restore"`
	// Distillation steps: of each layer's mixer (mmr), or of the warm-up with all layers Mamba (restore).
	Steps int `yaml:"steps,omitempty" mapstructure:"steps,omitempty" json:"steps,omitempty" default:"100" min:"1" when:"method=mmr|restore"`
	// Distillation steps after each attention layer that is put back.
	RestoreSteps int `yaml:"restore_steps,omitempty" mapstructure:"restore_steps,omitempty" json:"restore_steps,omitempty" default:"20" min:"1" when:"method=restore"`
	// Learning rate of the short distillations.
	LearningRate float64 `yaml:"learning_rate,omitempty" mapstructure:"learning_rate,omitempty" json:"learning_rate,omitempty" default:"1e-3" above:"0" when:"method=mmr|restore"`
	// Which layers stop before their last step: at the end none; by halving the worse half, again and again, so that those replaced next are found; in a race who is sure of its place, so that the whole ranking is that of all steps, near ties included.
	Stop string `yaml:"stop,omitempty" mapstructure:"stop,omitempty" json:"stop,omitempty" default:"end" enum:"end|halving|racing" when:"method=mmr"`
	// Order of replacement, given by hand; layers left out come last.
	Layers []int `yaml:"layers,omitempty" mapstructure:"layers,omitempty" json:"layers,omitempty" min:"0" when:"method=manual"`
	// Seed of what the method draws; the recipe's if not given.
	Seed uint64 `yaml:"seed,omitempty" mapstructure:"seed,omitempty" json:"seed,omitempty" when:"method=gate|swap|mmr|restore|random"`
}

// Calibration is a fixed sample of data.train.
type Calibration struct {
	// Sequences in the sample, scored in batches of at most 8 and of no more tokens than those of train.per_device_train_batch_size (or 512).
	Sequences int `yaml:"sequences" mapstructure:"sequences" json:"sequences" default:"64" min:"1"`
	// Tokens in a sequence; data.sequence_len if not given.
	SequenceLen int `yaml:"sequence_len" mapstructure:"sequence_len" json:"sequence_len" min:"2"`
}

// distils reports whether the method trains, by the settings of train.
func (m Importance) distils() bool { return m.Method == "mmr" || m.Method == "restore" }

// swaps reports whether the method puts mixers in, so that the student's
// settings change its scores.
func (m Importance) swaps() bool {
	return m.Method == "swap" || m.distils()
}
