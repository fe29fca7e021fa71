package recipes

// Recipe is one run, written down. [Load] fills it; after that it is never
// changed. Sections that say how something is done have their own file.
type Recipe struct {
	// Version of the recipe format.
	Version int `yaml:"version" mapstructure:"version" json:"version" default:"1" min:"1" max:"1"`
	// Embedded recipe that this one starts from: maps merge, lists replace.
	Extends string `yaml:"extends,omitempty" mapstructure:"extends,omitempty" json:"extends,omitempty"`
	// Name of the run; the file's name if not given.
	Name string `yaml:"name" mapstructure:"name" json:"name"`
	// Seed of everything random: data order, fresh weights, sampled labels.
	Seed uint64 `yaml:"seed" mapstructure:"seed" json:"seed" default:"42"`
	// CPU threads; 0 takes all. Results do not depend on it.
	Threads int `yaml:"threads" mapstructure:"threads" json:"threads" default:"0" min:"0"`
	// Run folder; runs/NAME if not given.
	OutputDir string `yaml:"output_dir" mapstructure:"output_dir" json:"output_dir"`
	// Teacher: the transformer that is converted, and the target of distillation.
	Teacher Teacher `yaml:"teacher" mapstructure:"teacher" json:"teacher"`
	// Data to train and to evaluate on.
	Data Data `yaml:"data" mapstructure:"data" json:"data"`
	// Importance: how attention layers are scored before the first stage.
	Importance Importance `yaml:"importance" mapstructure:"importance" json:"importance"`
	// Student: what takes attention's place.
	Student Student `yaml:"student" mapstructure:"student" json:"student"`
	// Plan: how many layers are replaced, in which stages. Without one a recipe with teacher.train makes the teacher and nothing else.
	Plan Plan `yaml:"plan" mapstructure:"plan" json:"plan"`
	// Objective of every phase: a weighted sum of terms.
	Objective []Term `yaml:"objective" mapstructure:"objective" json:"objective" default:"[{type: reverse_kl}]" short:"type"`
	// Training settings of every phase, under the names of Hugging Face's TrainingArguments.
	Train Train `yaml:"train" mapstructure:"train" json:"train"`
	// Phases of every stage, in order.
	Phases []Phase `yaml:"phases" mapstructure:"phases" json:"phases" default:"[]"`
	// Overrides of single stages: the first entry is for stage 1, and so on.
	Stages []Stage `yaml:"stages" mapstructure:"stages" json:"stages" default:"[]"`
	// Steps after the last stage.
	Finish []Finish `yaml:"finish" mapstructure:"finish" json:"finish" default:"[]" short:"type"`
	// Evaluation.
	Eval Eval `yaml:"eval" mapstructure:"eval" json:"eval"`
	// Checkpoints: how often the run can be killed without loss.
	Checkpoint Checkpoint `yaml:"checkpoint" mapstructure:"checkpoint" json:"checkpoint"`
	// Limits: a run that reaches one saves its state and stops with exit code 12.
	Limits Limits `yaml:"limits" mapstructure:"limits" json:"limits"`
	// Where metrics are written.
	Tracking []string `yaml:"tracking" mapstructure:"tracking" json:"tracking" default:"[jsonl]" enum:"jsonl|tensorboard"`
	// Export of the final student; without it none is made.
	Export *Export `yaml:"export,omitempty" mapstructure:"export,omitempty" json:"export,omitempty"`
	// Ablations: the same recipe in several arms, over several seeds.
	Ablations *Ablations `yaml:"ablations,omitempty" mapstructure:"ablations,omitempty" json:"ablations,omitempty"`

	// tree is what the recipe was read from, defaults included; nil if it was not loaded.
	tree *node
}

// TeacherOnly reports whether the recipe makes a teacher and converts nothing.
func (r *Recipe) TeacherOnly() bool {
	return r.Teacher.Train != nil && !r.Plan.given()
}
