// Package checkpoints keeps a run on the disk: what it decided, what it
// measured, and states to go on from after any kind of end.
//
// There are five types here. A [Run] is a run folder, held by one process at a
// time. A [Journal] is a file of lines that grows. A [State] is where training
// stands, apart from the weights. A [Checkpoint] is a saved state whose bytes
// were verified. A [Cache], apart from all these, is a folder of what can be
// computed again.
//
//	run, err := checkpoints.CreateRun("runs/quickstart")      // or OpenRun; locks it
//	err = run.WriteFile(checkpoints.RecipeFile, recipe)       // atomic
//	err = run.Metrics.Append(line)
//	c, err := checkpoints.Save(run, state, weights, moments)
//	...                                                       // killed, restarted
//	c, skipped, err := checkpoints.Latest(run)                // newest that is whole
//	err = run.Metrics.Truncate(c.State.MetricsBytes)
//	weights, err := c.Weights()                               // a safetensors.File
//
// The folder:
//
//	recipe.yaml  plan.json  scores-*.json  metrics.jsonl  timing.jsonl  report.html  log  eval/
//	lock  owner.json                          who runs it
//	checkpoints/step-00000120/                the global step; .2 when one was there
//	    weights.safetensors  optimizer.safetensors  state.json
//	    manifest.json                         size and SHA-256 of each, and of itself
//
// Invariants: a checkpoint is written beside the others under a temporary name,
// every file and folder fsynced, read back, and only then named, so that being
// killed or losing power at any moment leaves the old ones and perhaps the new
// one, whole. Any changed bit of a checkpoint is noticed. A checkpoint with a
// name (the end of a stage) stays; of the others the newest KeepLast do, and an
// older one goes only when that many newer ones were read back and found whole.
// A damaged one is reported, with file and reason, and never deleted.
// metrics.jsonl is fsynced before a checkpoint that records its length.
//
// Packages [stillhouse/checkpoints/safetensors] and [stillhouse/checkpoints/hf]
// read and write the files that come from elsewhere and go there.
//
// The package deliberately knows nothing of models, recipes or what the words
// of a state mean, trusts no clock, and keeps no file that points to the newest
// checkpoint: such a file can be the one that is damaged.
package checkpoints
