package recipes

// Eval says what is measured, and when.
type Eval struct {
	// Tasks with exact answers, by name or with settings.
	Tasks []Task `yaml:"tasks" mapstructure:"tasks" json:"tasks" default:"[]" short:"name"`
	// How tasks are answered. Likelihoods alone hide most of what a conversion loses.
	Modes []string `yaml:"modes" mapstructure:"modes" json:"modes" default:"[loglikelihood, generate]" enum:"loglikelihood|generate"`
	// Context lengths at which prefill, decoding and state size are measured; an empty list measures none.
	Contexts []Count `yaml:"contexts" mapstructure:"contexts" json:"contexts" default:"[]" min:"1"`
	// When the student is evaluated.
	Every string `yaml:"every" mapstructure:"every" json:"every" default:"stage" enum:"phase|stage|end"`
	// Held-out batches read each time; 0 reads all of data.validation.batches.
	Batches int `yaml:"batches" mapstructure:"batches" json:"batches" default:"0" min:"0"`
	// Tokens decoded when speed is measured.
	DecodeTokens int `yaml:"decode_tokens" mapstructure:"decode_tokens" json:"decode_tokens" default:"32" min:"1"`
	// Prompts that teacher and student continue side by side in the report.
	Prompts []string `yaml:"prompts" mapstructure:"prompts" json:"prompts" default:"[]"`
	// Tokens of each continuation.
	MaxNewTokens int `yaml:"max_new_tokens" mapstructure:"max_new_tokens" json:"max_new_tokens" default:"64" min:"1"`
	// Temperature of the continuations; 0 takes the likeliest token. Tasks are always answered so.
	Temperature float64 `yaml:"temperature" mapstructure:"temperature" json:"temperature" default:"0" min:"0"`
}

// Task is one task to evaluate. Its parameters are those it is trained with,
// where data.train has it.
type Task struct {
	// Name of the task.
	Name string `yaml:"name" mapstructure:"name" json:"name" enum:"recall|arithmetic" required:"true"`
	// Items of the test split that are asked.
	Items int `yaml:"items" mapstructure:"items" json:"items" default:"200" min:"1"`

	RecallTask     `yaml:",inline" mapstructure:",squash" json:",inline" when:"name=recall"`
	ArithmeticTask `yaml:",inline" mapstructure:",squash" json:",inline" when:"name=arithmetic"`
}

// Parameters returns what the task is made with, by name.
func (t Task) Parameters() map[string]int {
	return taskParameters(t.Name, t.RecallTask, t.ArithmeticTask)
}

// Metrics of an evaluation that do not depend on tasks.
var evalMetrics = []string{"val_kl", "val_reverse_kl", "val_cross_entropy", "val_perplexity", "val_top1_agreement"}

// MetricNames returns what a gate or a comparison can look at: the held-out
// measures, and TASK.MODE for each task and mode.
func (e Eval) MetricNames() []string {
	names := append([]string(nil), evalMetrics...)
	for _, t := range e.Tasks {
		for _, m := range e.Modes {
			names = append(names, t.Name+"."+m)
		}
	}
	return names
}
