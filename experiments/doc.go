// Package experiments runs ablations: one recipe in several arms over several
// seeds, and says what can and what cannot be concluded from the result.
//
// There are four types here. An [Ablation] is a recipe with its `ablations`
// section; each pair of an arm and a seed is a cell, which is an ordinary run
// of distill.Run in a folder of its own. A [Cell] is what came of one of them, a
// [Comparison] holds one arm against the baseline, and a [Result] is all of it.
//
//	recipe ─► cells (arm × seed) ─► distill.Run each ─► Collect ─► compare ─► table.md, results.json, figure.svg
//
// The folder of an ablation holds the cells and what is made of them; nothing
// else is kept, so that [Collect] makes the same Result again without running:
//
//	runs/controls/ablation.yaml                the recipe, resolved
//	runs/controls/staged-mil-fit-seed-0/…      a run folder like any other
//	runs/controls/table.md results.json figure.svg
//
// # What holds
//
//   - Cells are resumable as runs are: a complete one is reused, one that was
//     interrupted goes on. A cell that failed is reported at once and the others
//     go on; it is tried again only when asked for.
//   - Comparisons are paired by seed: a seed fixes the order of the data and all
//     fresh weights, and the held-out data is the same for all.
//   - An arm with layers_of replaces the layers that its source arm of the same
//     seed ended with, in the order in which that arm replaced them.
//   - Arms that should have trained on equally many tokens and have not are not
//     compared, nor are cells that were examined on different questions.
//
// # The statistics
//
// With n seeds there are n paired differences d. The test is the exact sign-flip
// permutation test: if the arm made no difference, each d could as well have
// had the other sign, so p is the share of the 2ⁿ sign patterns whose mean is as
// far from zero as the one seen (Fisher 1935, §21). It assumes nothing about the
// distribution but that symmetry, and it cannot give less than 2/2ⁿ: three seeds
// never reach p < 0.25, and the table says so. Holm (1979) corrects over the
// arms. Beside p stand the t confidence interval of the mean difference and the
// smallest true difference that a t test of this size would find four times in
// five ([Power]), which do assume normal differences. Only the metric of
// `compare` is tested; the others are described.
//
// # What it does not do
//
// It does not choose the next experiment, stop early when p looks good, or drop
// seeds. It runs cells one after another; several processes started on the same
// ablation share the work, since each passes over a cell that another holds.
package experiments
