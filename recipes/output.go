package recipes

// Checkpoint says how often the state of the run is saved. Stage ends always are.
type Checkpoint struct {
	// Time between two checkpoints; 0 goes by steps alone.
	Every Duration `yaml:"every" mapstructure:"every" json:"every" default:"5m"`
	// Steps between two checkpoints; 0 goes by time alone.
	EverySteps int `yaml:"every_steps" mapstructure:"every_steps" json:"every_steps" default:"0" min:"0"`
	// Checkpoints kept within a stage, the newest; stage ends are kept all.
	KeepLast int `yaml:"keep_last" mapstructure:"keep_last" json:"keep_last" default:"3" min:"1"`
}

// Limits are bounds on what a run may use; 0 is no bound.
type Limits struct {
	// Wall-clock time of the run, over all its resumptions.
	MaxTime Duration `yaml:"max_time" mapstructure:"max_time" json:"max_time" default:"0"`
	// Memory of the process.
	MaxMemory Bytes `yaml:"max_memory" mapstructure:"max_memory" json:"max_memory" default:"0"`
}

// Export is the form in which the student is handed out.
type Export struct {
	// granitemoehybrid for transformers and vLLM, gguf for llama.cpp, apriel_hybrid_ssm for Mamba-1 students; what fits the mixer if not given.
	Format string `yaml:"format" mapstructure:"format" json:"format" enum:"granitemoehybrid|gguf|apriel_hybrid_ssm"`
	// Type of the weights.
	DType string `yaml:"dtype" mapstructure:"dtype" json:"dtype" default:"float32" enum:"float32|bfloat16|float16"`
	// Tokens that the exported configuration promises; 0 is the model's own.
	Context Count `yaml:"context" mapstructure:"context" json:"context" default:"0" min:"0"`
	// Whether logits are recomputed from the exported files and compared.
	Verify bool `yaml:"verify" mapstructure:"verify" json:"verify" default:"true"`
}
