// Package importance scores how much each attention layer matters, so that the
// least critical are replaced first.
//
// Every scorer is a function from a [Probe] (a teacher, the student as it
// stands, calibration batches, the layers to score) to [Scores]: one number a
// layer, lower = more replaceable, with what it cost. They differ in what they
// ask and in price, from cheap to dear:
//
//	gate     how steep is the loss in each mixer's output?   one backward pass
//	loo      what does the loss become without the layer?    L forward passes
//	swap     … with an untrained Mamba mixer in its place?   L forward passes
//	mmr      … after that mixer was distilled for a while?   L short trainings
//	restore  all Mamba: how much does one attention give back?   1 long + L short
//
// and Random, Uniform, First, Last and Manual are the baselines that any of
// them has to beat. [Scores.Order] ranks; deciding what to replace when is the
// plan's, in package distill. The trainings of mmr need not all go to their end: see
// [Stop].
//
// The gate scorer is the reason the models are Gorgonia graphs: a gate of ones
// [B] on every mixer's output is one more node a layer, and one symbolic
// backward pass differentiates the loss in all of them, sequence by sequence.
//
// Nothing here trains by itself: mmr and restore are given a function that
// starts a short distillation.
package importance
