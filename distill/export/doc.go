// Package export hands a model out in the formats that stock programs load:
// GraniteMoeHybrid for transformers and vLLM, GGUF for llama.cpp, Apriel-H1's
// hybrid for Mamba-1.
//
// There are three types to know: a [Source] is what is handed out, [Options] say
// how, and [Files] are what it comes to, described before a byte is written:
//
//	err := export.Check(&config, options)      // could such a model be written at all?
//	f, err := export.Prepare(source, options)  // or a *Refusal that lists why not
//	f.Runtimes, f.Notes                         // who loads it; what is not as it was
//	err = f.Save(dir, finish)                   // all of it or nothing
//
// The formats have the same layers as [layers.Model] and disagree on details, each
// of which changes every logit and none of which a program would report:
//
//	norm of Mamba-2     over all of E in transformers, per group in vLLM and llama.cpp;
//	                    nothing in a config.json says which. It is what was trained that
//	                    decides, and the other program is refused by name.
//	rotary pairs        (j, j+P/2) in Hugging Face's layout, (2j, 2j+1) in GGUF
//	rotary positions    off in llama.cpp's hybrids unless a key about something else is set
//	scale of q·k        1 in GraniteMoeHybrid unless attention_multiplier is written
//	widths              tied together by some programs: idle heads fill them up (padding.go)
//	Mamba-1             x and B shared in blocks of N channels, not of P: apriel.go
//
// A weight is a value (value.go): a shape, and how to make it when its turn comes.
// No second copy of a model is held.
//
// Reading is done elsewhere (package distill and checkpoints/hf), by code that has
// the same knowledge a second time: that is what an export is verified with.
// This package decides nothing about training and measures nothing.
package export
