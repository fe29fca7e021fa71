package recipes

import "strconv"

// Teacher is a finished model or the description of one to train first.
type Teacher struct {
	// A folder, hf://ORG/NAME[@REVISION] or embedded:NAME.
	Path string `yaml:"path,omitempty" mapstructure:"path,omitempty" json:"path,omitempty" oneof:"teacher"`
	// Sizes to plan by while the path's config.json is not at hand; a run reads that.
	Geometry *Geometry `yaml:"geometry,omitempty" mapstructure:"geometry,omitempty" json:"geometry,omitempty" when:"path=*"`
	// Trains a teacher from scratch before everything else.
	Train *TeacherTrain `yaml:"train,omitempty" mapstructure:"train,omitempty" json:"train,omitempty" oneof:"teacher"`
	// Keeps on disk what the objective looks at of the teacher, so that rows that are read again do not run it: by later scorings and evaluations, by a run that goes on, and by the arms of an ablation. Without it nothing is kept.
	Cache *TeacherCache `yaml:"cache,omitempty" mapstructure:"cache,omitempty" json:"cache,omitempty"`
}

// TeacherCache is a folder of the teacher's targets, by sequence and verified; any
// number of runs may share it.
type TeacherCache struct {
	// What is kept of each token: its last hidden state, which changes no result (hidden); or its k largest logits, of which the divergences take all others as one token (topk).
	Targets string `yaml:"targets" mapstructure:"targets" json:"targets" default:"hidden" enum:"hidden|topk"`
	// Logits kept of each token.
	K int `yaml:"k,omitempty" mapstructure:"k,omitempty" json:"k,omitempty" default:"64" min:"1" when:"targets=topk"`
	// Folder; one in the user's cache folder if not given.
	Path string `yaml:"path,omitempty" mapstructure:"path,omitempty" json:"path,omitempty"`
	// Size of the folder, beyond which what was unused longest is given up; 0 is no bound.
	MaxSize Bytes `yaml:"max_size" mapstructure:"max_size" json:"max_size" default:"20GiB"`
}

// results says how the cache changes them; "" for one that does not.
func (c *TeacherCache) results() string {
	if c == nil || c.Targets != "topk" {
		return ""
	}
	return strconv.Itoa(c.K)
}

// TeacherTrain is a teacher from scratch: its sizes, its tokenizer and one phase
// of training by cross entropy. Settings not given are those of train.
type TeacherTrain struct {
	// Sizes of the model.
	Geometry Geometry `yaml:"geometry" mapstructure:"geometry" json:"geometry"`
	// Tokenizer of the model.
	Tokenizer TokenizerTrain `yaml:"tokenizer" mapstructure:"tokenizer" json:"tokenizer"`
	// Type the trained weights are stored in; what is stored is what is used.
	DType string `yaml:"dtype" mapstructure:"dtype" json:"dtype" default:"float32" enum:"float32|bfloat16|float16"`
	// Tokens to train on.
	MaxTokens Count `yaml:"max_tokens,omitempty" mapstructure:"max_tokens,omitempty" json:"max_tokens,omitempty" oneof:"length" min:"1"`
	// Optimizer steps to train for.
	MaxSteps int `yaml:"max_steps,omitempty" mapstructure:"max_steps,omitempty" json:"max_steps,omitempty" oneof:"length" min:"1"`

	Overrides `yaml:",inline" mapstructure:",squash" json:",inline"`
}

// Geometry is the teacher's sizes, under the names of Hugging Face's config.json.
type Geometry struct {
	// Tokens in the vocabulary; the tokenizer's if not given.
	VocabSize int `yaml:"vocab_size,omitempty" mapstructure:"vocab_size,omitempty" json:"vocab_size,omitempty" min:"1"`
	// Model width D.
	HiddenSize int `yaml:"hidden_size" mapstructure:"hidden_size" json:"hidden_size" default:"128" min:"1"`
	// Layers L.
	Layers int `yaml:"num_hidden_layers" mapstructure:"num_hidden_layers" json:"num_hidden_layers" default:"8" min:"1"`
	// Query heads H.
	Heads int `yaml:"num_attention_heads" mapstructure:"num_attention_heads" json:"num_attention_heads" default:"4" min:"1"`
	// Key/value heads G.
	KVHeads int `yaml:"num_key_value_heads" mapstructure:"num_key_value_heads" json:"num_key_value_heads" default:"2" min:"1"`
	// Head width P; hidden_size / num_attention_heads if not given.
	HeadDim int `yaml:"head_dim" mapstructure:"head_dim" json:"head_dim" min:"2"`
	// MLP width I.
	Intermediate int `yaml:"intermediate_size" mapstructure:"intermediate_size" json:"intermediate_size" default:"344" min:"1"`
	// Base of the rotary frequencies.
	RopeTheta float64 `yaml:"rope_theta" mapstructure:"rope_theta" json:"rope_theta" default:"10000" above:"0"`
	// Epsilon of RMSNorm.
	NormEps float64 `yaml:"rms_norm_eps" mapstructure:"rms_norm_eps" json:"rms_norm_eps" default:"1e-5" above:"0"`
	// Whether the head is the embedding.
	Tied bool `yaml:"tie_word_embeddings" mapstructure:"tie_word_embeddings" json:"tie_word_embeddings" default:"true"`
	// Longest context the model's config.json promises.
	MaxPositions Count `yaml:"max_position_embeddings" mapstructure:"max_position_embeddings" json:"max_position_embeddings" default:"4096" min:"1"`
}

// TokenizerTrain is a tokenizer file or the size of one to train on the data.
type TokenizerTrain struct {
	// A tokenizer.json to use as it is.
	Path string `yaml:"path,omitempty" mapstructure:"path,omitempty" json:"path,omitempty" oneof:"tokenizer"`
	// Tokens of a byte-level BPE trained on data.train; 3 special tokens and 256 bytes are among them.
	VocabSize int `yaml:"vocab_size,omitempty" mapstructure:"vocab_size,omitempty" json:"vocab_size,omitempty" oneof:"tokenizer" default:"512" min:"259"`
}
