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
// Read are model_type llama, mistral, granitemoehybrid without experts, mamba2,
// and stillhouse. Whatever in a config.json would change the result and is not
// carried by Config is refused: other model types, scaled rotary positions,
// biases, normed queries and keys, experts, quantised weights, multipliers other
// than one, code that comes with the model. All of it is named at once, in an
// [UnsupportedError] that wraps [ErrUnsupported], so that a caller can tell "not
// yet" from "broken", for which there is [ErrConfig].
//
// Open then holds the names and shapes in model.safetensors against those that
// the configuration calls for, and reports everything that is missing, left
// over or of another shape in one error that wraps [ErrWeights]. The weights
// that a rotary embedding derives from the configuration (inv_freq in older
// files) are the only ones passed over.
//
// Our own folders have "model_type": "stillhouse" and an object "stillhouse"
// that this package hands over unread; whoever knows what is in it calls
// [Model.Match].
//
// Nothing but config.json, model.safetensors and the files asked for by name is
// ever opened: no pickle (pytorch_model.bin), no code. Sharded weights are
// refused by name.
package hf
