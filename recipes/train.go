package recipes

// Train holds the settings of training.
type Train struct {
	// Learning rate after warm-up.
	LearningRate float64 `yaml:"learning_rate" mapstructure:"learning_rate" json:"learning_rate" default:"1e-4" above:"0"`
	// Learning rate after warm-up: constant, a cosine, or stable and then decaying (wsd).
	Scheduler string `yaml:"lr_scheduler_type" mapstructure:"lr_scheduler_type" json:"lr_scheduler_type" default:"cosine" enum:"constant|cosine|wsd"`
	// Share of the steps that warm up.
	WarmupRatio float64 `yaml:"warmup_ratio,omitempty" mapstructure:"warmup_ratio,omitempty" json:"warmup_ratio,omitempty" default:"0.05" min:"0" max:"1" oneof:"warmup"`
	// Steps that warm up, in place of warmup_ratio.
	WarmupSteps int `yaml:"warmup_steps,omitempty" mapstructure:"warmup_steps,omitempty" json:"warmup_steps,omitempty" min:"0" oneof:"warmup"`
	// Where cosine and wsd end, as a share of the learning rate.
	MinLRRatio float64 `yaml:"min_lr_ratio" mapstructure:"min_lr_ratio" json:"min_lr_ratio" default:"0" min:"0" max:"1"`
	// Share of the steps at the end in which wsd decays.
	DecayRatio float64 `yaml:"decay_ratio" mapstructure:"decay_ratio" json:"decay_ratio" default:"0.2" min:"0" max:"1"`
	// Sequences in a micro-batch.
	BatchSize int `yaml:"per_device_train_batch_size" mapstructure:"per_device_train_batch_size" json:"per_device_train_batch_size" default:"8" min:"1"`
	// Micro-batches in a step.
	Accumulation int `yaml:"gradient_accumulation_steps" mapstructure:"gradient_accumulation_steps" json:"gradient_accumulation_steps" default:"1" min:"1"`
	// Global gradient norm above which gradients are scaled down; 0 never clips.
	MaxGradNorm float64 `yaml:"max_grad_norm" mapstructure:"max_grad_norm" json:"max_grad_norm" default:"1" min:"0"`
	// Decoupled weight decay; norms, biases, A_log and skip are spared.
	WeightDecay float64 `yaml:"weight_decay" mapstructure:"weight_decay" json:"weight_decay" default:"0.1" min:"0"`
	// AdamW's decay of the first moment.
	Beta1 float64 `yaml:"adam_beta1" mapstructure:"adam_beta1" json:"adam_beta1" default:"0.9" min:"0" below:"1"`
	// AdamW's decay of the second moment.
	Beta2 float64 `yaml:"adam_beta2" mapstructure:"adam_beta2" json:"adam_beta2" default:"0.95" min:"0" below:"1"`
	// AdamW's epsilon.
	Epsilon float64 `yaml:"adam_epsilon" mapstructure:"adam_epsilon" json:"adam_epsilon" default:"1e-8" above:"0"`
	// Tokens in a sequence; data.sequence_len if not given.
	SequenceLen int `yaml:"sequence_len" mapstructure:"sequence_len" json:"sequence_len" min:"2"`
	// Keeps only each block's input for the backward pass and runs the block again there: about a quarter more time, no other result, and the activations of one block and the inputs of all instead of all activations.
	CheckpointBlocks bool `yaml:"checkpoint_blocks" mapstructure:"checkpoint_blocks" json:"checkpoint_blocks" default:"false"`
	// Steps between two lines of metrics.
	LoggingSteps int `yaml:"logging_steps" mapstructure:"logging_steps" json:"logging_steps" default:"1" min:"1"`
}

// Overrides are the settings of [Train] that one phase has of its own; nil is
// what train says. The names and bounds are those of Train.
type Overrides struct {
	LearningRate     *float64 `yaml:"learning_rate,omitempty" mapstructure:"learning_rate,omitempty" json:"learning_rate,omitempty"`
	Scheduler        *string  `yaml:"lr_scheduler_type,omitempty" mapstructure:"lr_scheduler_type,omitempty" json:"lr_scheduler_type,omitempty"`
	WarmupRatio      *float64 `yaml:"warmup_ratio,omitempty" mapstructure:"warmup_ratio,omitempty" json:"warmup_ratio,omitempty"`
	WarmupSteps      *int     `yaml:"warmup_steps,omitempty" mapstructure:"warmup_steps,omitempty" json:"warmup_steps,omitempty"`
	MinLRRatio       *float64 `yaml:"min_lr_ratio,omitempty" mapstructure:"min_lr_ratio,omitempty" json:"min_lr_ratio,omitempty"`
	DecayRatio       *float64 `yaml:"decay_ratio,omitempty" mapstructure:"decay_ratio,omitempty" json:"decay_ratio,omitempty"`
	BatchSize        *int     `yaml:"per_device_train_batch_size,omitempty" mapstructure:"per_device_train_batch_size,omitempty" json:"per_device_train_batch_size,omitempty"`
	Accumulation     *int     `yaml:"gradient_accumulation_steps,omitempty" mapstructure:"gradient_accumulation_steps,omitempty" json:"gradient_accumulation_steps,omitempty"`
	MaxGradNorm      *float64 `yaml:"max_grad_norm,omitempty" mapstructure:"max_grad_norm,omitempty" json:"max_grad_norm,omitempty"`
	WeightDecay      *float64 `yaml:"weight_decay,omitempty" mapstructure:"weight_decay,omitempty" json:"weight_decay,omitempty"`
	Beta1            *float64 `yaml:"adam_beta1,omitempty" mapstructure:"adam_beta1,omitempty" json:"adam_beta1,omitempty"`
	Beta2            *float64 `yaml:"adam_beta2,omitempty" mapstructure:"adam_beta2,omitempty" json:"adam_beta2,omitempty"`
	Epsilon          *float64 `yaml:"adam_epsilon,omitempty" mapstructure:"adam_epsilon,omitempty" json:"adam_epsilon,omitempty"`
	SequenceLen      *int     `yaml:"sequence_len,omitempty" mapstructure:"sequence_len,omitempty" json:"sequence_len,omitempty"`
	CheckpointBlocks *bool    `yaml:"checkpoint_blocks,omitempty" mapstructure:"checkpoint_blocks,omitempty" json:"checkpoint_blocks,omitempty"`
	LoggingSteps     *int     `yaml:"logging_steps,omitempty" mapstructure:"logging_steps,omitempty" json:"logging_steps,omitempty"`
}

// Over returns t with the overrides in place. Either form of warm-up replaces
// the other.
func (o Overrides) Over(t Train) Train {
	set(&t.LearningRate, o.LearningRate)
	set(&t.Scheduler, o.Scheduler)
	if o.WarmupRatio != nil || o.WarmupSteps != nil {
		t.WarmupRatio, t.WarmupSteps = 0, 0
	}
	set(&t.WarmupRatio, o.WarmupRatio)
	set(&t.WarmupSteps, o.WarmupSteps)
	set(&t.MinLRRatio, o.MinLRRatio)
	set(&t.DecayRatio, o.DecayRatio)
	set(&t.BatchSize, o.BatchSize)
	set(&t.Accumulation, o.Accumulation)
	set(&t.MaxGradNorm, o.MaxGradNorm)
	set(&t.WeightDecay, o.WeightDecay)
	set(&t.Beta1, o.Beta1)
	set(&t.Beta2, o.Beta2)
	set(&t.Epsilon, o.Epsilon)
	set(&t.SequenceLen, o.SequenceLen)
	set(&t.CheckpointBlocks, o.CheckpointBlocks)
	set(&t.LoggingSteps, o.LoggingSteps)
	return t
}

func set[T any](dst, v *T) {
	if v != nil {
		*dst = *v
	}
}

// TokensPerStep returns how many tokens one optimizer step reads.
func (t Train) TokensPerStep() int64 {
	return int64(t.BatchSize) * int64(t.Accumulation) * int64(t.SequenceLen)
}

// Warmup returns the steps of warm-up in a phase of the given length.
func (t Train) Warmup(steps int) int {
	if t.WarmupSteps > 0 {
		return t.WarmupSteps
	}
	return int(t.WarmupRatio * float64(steps))
}
