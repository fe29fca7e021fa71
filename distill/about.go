package distill

import (
	"fmt"
	"runtime"

	"stillhouse/layers"
)

// aboutFile holds an About. It is what a report says that neither the recipe
// nor the figures can tell, kept so that the report can be made again.
const aboutFile = "about.json"

// About is the circumstances of a run.
type About struct {
	Command     string `json:"command"` // that made the run
	Version     string `json:"version"`
	Environment []Pair `json:"environment"`
	Teacher     string `json:"teacher"`    // one line about it
	Unfinished  string `json:"unfinished"` // why the run stopped short; empty when it is complete
}

// Pair is a row of a two-column table.
type Pair struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// underWay is what remains to be read of a run that was killed.
const underWay = "it is under way, or was killed"

// about writes aboutFile anew.
func (x *run) about(unfinished string) error {
	return x.folder.WriteJSON(aboutFile, About{
		Command: x.o.Command, Version: x.o.Version, Teacher: x.result.Teacher, Unfinished: unfinished,
		Environment: []Pair{
			{"processor", fmt.Sprintf("%s/%s, %s kernels, %d threads", runtime.GOOS, runtime.GOARCH, layers.ISA(), x.pool.Threads())},
			{"Go", runtime.Version()},
		},
	})
}
