// Package layers holds everything with a derivative: the transformer, the Mamba
// mixers that take the place of its attention, and what trains them.
//
// Notation, one for the whole project. Shapes stand in brackets, in memory
// order: [B,T,D].
//
//	B  batch               H  query heads           K  convolution width
//	T  time                G  key/value heads,      R  Δ rank (Mamba-1)
//	L  layers                 Mamba-2 groups        V  vocabulary
//	D  model width         P  head width            I  MLP width
//	E  inner width         N  state width
//
// Mamba's own D, the skip weight, is called skip here; A is always -exp(A_log).
//
// Read in this order: [Config] says what a model is; [Model] is
// embedding · blocks · norm · head; a [Block] is
//
//	x = x + Mixer(RMSNorm(x))        attention.go, mamba2.go or mamba1.go
//	x = x + MLP(RMSNorm(x))          mlp.go
//
// and its Mixer is the socket where attention goes out and Mamba comes in.
// A [Config]'s zero values are Llama; what other families have beside it (biases,
// normed queries and keys, multipliers, scaled positions in rope.go, layers that
// see a window or are nothing at all) is said there and nowhere else.
// [Forward] adds a model to an autodiff graph; [Loss] puts the distillation
// objective on top; [AdamW] moves what trains; [Decoder] generates, one step at
// a time, with a cache that grows for attention and does not for Mamba.
//
// Invariants: a [Param] lives outside any graph and may be shared by two models;
// parameters carry Hugging Face's names; weights are stored [out,in], so that
// y = x·Wᵀ; results are bit-identical at any number of threads.
//
// It does not read files, choose layers or decide anything.
package layers
