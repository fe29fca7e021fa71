// Package recipes reads recipes: one YAML file says everything about a run.
//
// There are three types here to know: [Recipe], a tree of plain structs, one a
// section; [Problems], everything wrong with a recipe, each with its line and
// what to do; and [Change], one key that differs between two recipes and what
// that makes of work already done.
//
//	defaults ─► preset (extends) ─► file ─► STILLHOUSE_A__B=… ─► --set a.b=…
//	     merged as trees that know their lines      layers.go
//	     compared with the structs' tags            strict.go    every problem at once
//	     laid over each other by viper              decode.go    ─► Recipe
//	     checked against itself                     check*.go
//
// The struct tags in the files of the sections (teacher.go, data.go, …) are the
// only description of a recipe. The strict reader, the defaults, the resolved
// form ([Recipe.MarshalYAML]) and the schema ([Schema]) all follow them, and the
// comments of the fields are the schema's descriptions.
//
// How values combine:
//   - Maps merge, lists replace, null takes a value away.
//   - A choice in a higher layer takes away what lower layers set for other
//     choices: --set plan.fractions=[0.5] replaces the file's plan.mamba_layers,
//     --set importance.method=random its importance.steps. Within one layer the
//     same is a problem.
//   - A phase has the settings of train, but those it gives itself;
//     [Recipe.StagePhases] resolves them. Changing train in a resolved recipe
//     therefore still reaches its phases.
//   - Settings that a choice does not use are refused, not ignored.
//
// Keys that begin with x- are notes and may stand in any table. Counts are
// written 200k or 1.5M, durations 30s or 24h, sizes 8GiB. Every variable that
// begins with STILLHOUSE_ is taken for a key, but for STILLHOUSE_GOLDENS and
// STILLHOUSE_REAL, which are the tests'.
//
// A task to evaluate is asked with the parameters it is trained with, unless it
// gives its own; rescore: true repeats importance.
//
// What it does not do: it opens no model and no data. What depends on the
// number of layers is checked by [Recipe.Check] when the teacher is known.
// Nobody else sees viper, and nothing of the project is imported here.
package recipes
