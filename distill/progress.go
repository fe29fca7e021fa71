package distill

// Progress is told what a run is doing. Its methods are called from the run's
// own goroutine, often: an implementation decides what to show.
type Progress interface {
	// Begin starts a piece of work of total parts, 0 if unknown.
	Begin(what string, total int)
	// Advance says that done parts are finished; facts is one line about now,
	// e.g. "loss 0.412 · 9.1k tok/s". The first Advance of a piece of work that
	// an earlier session began has no facts and says how far that one came.
	Advance(done int, facts string)
	// End closes the piece of work that Begin opened.
	End()
	// Note is one line worth keeping: a decision, a result, a warning.
	Note(line string)
}

// Quiet is a Progress that shows nothing.
type Quiet struct{}

// Begin does nothing.
func (Quiet) Begin(string, int) {}

// Advance does nothing.
func (Quiet) Advance(int, string) {}

// End does nothing.
func (Quiet) End() {}

// Note does nothing.
func (Quiet) Note(string) {}
