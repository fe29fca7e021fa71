// Package vec holds the elementwise and reducing loops that kernels are made
// of, on float32 (assembly where the processor has it, chosen at run time) and
// float64 (portable, for gradient checks).
//
// Each function is one loop over slices of equal length; its doc comment is the
// loop it equals. The float32 transcendental functions are polynomial and
// accurate to 2 units in the last place over the range kernels use. Reductions
// add in a fixed order for a given instruction set, whatever the thread count.
//
// No function checks lengths, allocates, or runs in parallel: callers split.
package vec
