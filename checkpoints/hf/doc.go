// Package hf reads and writes model folders in Hugging Face's layout, and our
// own models in the same layout.
//
// There are three types here: [Config], what config.json says, typed; [Model],
// an open folder whose weights were checked against it; and [Export], a folder
// to be written.
//
//	m, err := hf.Open("models/SmolLM2-135M")   // or OpenFS, for an embedded one
//	m.Config.HiddenSize                         // sizes, mixers, positions
//	w, err := m.Read("model.norm.weight")       // by Hugging Face's name
//	b, err := m.Config.Encode()                 // or StillhouseConfig
//	err = hf.Save("out", hf.Export{Config: b, Weights: ws})
//
// Read are model_type
//
//	llama                       biases; every scaling of rotary positions
//	mistral, qwen2, qwen3       windows, QKV biases, normed queries and keys
//	granitemoehybrid            without experts: attention and Mamba-2, multipliers, positions or none
//	mamba2                      Mamba-2 alone
//	apriel_ssm_thinker_hybrid,  Apriel-H1: Mistral's layers, Mamba-1 mixers (m2) and identity layers
//	apriel_hybrid_ssm
//	stillhouse                  our own
//
// in the spellings of transformers 4 (rope_theta, rope_scaling, torch_dtype) and
// 5 (rope_parameters, dtype). Whatever in a config.json would change the result
// and is not carried by Config is refused: other model types, experts, quantised
// weights, part-rotary heads, multipliers and biases where the model type has
// none, code that comes with the model. All of it is named at once, in an
// [UnsupportedError] that wraps [ErrUnsupported], so that a caller can tell "not
// yet" from "broken", for which there is [ErrConfig].
//
// Open then holds the names and shapes in model.safetensors, or in the files
// that model.safetensors.index.json lists ([Shards]), against those that the
// configuration calls for, and reports everything that is missing, left over or
// of another shape in one error that wraps [ErrWeights]. Passed over are only what
// a rotary embedding derives from the configuration (inv_freq in older files) and
// a head stored beside the embedding it is tied to, if it holds the same. F16,
// BF16 and F64 are converted when read.
//
// Our own folders have "model_type": "stillhouse" and an object "stillhouse"
// that this package hands over unread; whoever knows what is in it calls
// [Model.Match].
//
// Nothing but config.json, the safetensors files and the files asked for by name
// is ever opened: no pickle (pytorch_model.bin), no code.
package hf
