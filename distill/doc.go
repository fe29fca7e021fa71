// Package distill turns a pretrained transformer into an attention–Mamba hybrid:
// it scores the attention layers, replaces the least critical ones in stages, and
// trains every stage against the teacher. The method is Apriel-H1's
// (arXiv:2511.02651).
//
// There are five types to know: [Plan] says which layers become Mamba at which
// stage, [MixerSpec] what takes their place, [Phase] what trains on what and for
// how long, [Trainer] takes a phase's steps, [Examiner] measures what came of it.
// [Run] is the flow on one screen, every arrow a value in the run folder:
//
//	recipe ─► teacher ─► scores ─► plan ─► [ swap ─► phases ─► checkpoint ─► evaluation ] ─► finish ─► report
//	          Loaded     Scores    Plan      Swap    Trainer                 Evaluation                 Result
//
// Importance (package importance). One number an attention layer, lower is more
// replaceable; by default how steep the loss is in a gate on each mixer's output,
// for all layers in one backward pass.
//
// Plan. A pure function of scores and recipe. Counts grow from stage to stage:
// given, as shares of all layers, in groups, or as many as a speed-up takes by a
// cost model measured on this machine. With rescoring, each stage is chosen by
// scores of the student as it then is.
//
// Swap. The student starts as the teacher. A swap replaces one mixer, norms and
// MLP stay. Weights are transferred (x←V, B←K, C←Q, out_proj←O, heads aligned)
// and what attention has no counterpart for is drawn (mil) or fitted on
// calibration data in closed form (mil-fit).
//
// Objective. A weighted sum of divergences from the teacher, cross entropy and
// distances of hidden states, each a mean over the unmasked tokens of a step. A
// temperature divides both sides, and the term is multiplied by its square. What
// the losses look at of the teacher may be kept on disk ([TargetCache]).
//
// Stage. Phases after one another, each with a fresh AdamW: first the new mixers
// alone, then everything. The teacher is always the original. Matrices decay,
// norms, biases, A_log and D do not. At the end: evaluation, and a gate that may
// stop the run. After the last stage: training on labels, averages of checkpoints.
//
// Evaluation. Cross entropy, KL and agreement with the teacher on held-out text;
// tasks by generation, as likelihoods hide what generation loses
// (arXiv:2603.26556); speed and state against the context length.
//
// Invariants. Teacher and student share the memory of every weight that does not
// train. A loss or gradient that is not finite never reaches a weight: the step is
// skipped, and a row of them rolls the run back. A step that would do nothing is
// an error. Killed anywhere and resumed, a run ends in the same bits, at any
// number of threads; what was measured once decides a rerun too.
//
// It has no derivative (package layers), parses nothing (recipes) and knows no
// file format (checkpoints).
package distill
