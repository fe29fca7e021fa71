package layers

import (
	"time"

	"stillhouse/layers/autodiff"
)

// optimizerClock takes the times of the optimizer's two passes. A nil one
// takes none.
type optimizerClock struct {
	took  [2]time.Duration
	calls [2]int
	pass  int
	began time.Time
}

// optimizerPasses names the passes, with the bytes each moves a weight: the
// norm reads the gradient; the update reads weight, two moments and gradient
// and writes the first three.
var optimizerPasses = [2]struct {
	name  string
	bytes int // in units of one element
}{{"grad_norm", 1}, {"adamw", 7}}

func (c *optimizerClock) start(pass int) *optimizerClock {
	if c != nil {
		c.pass, c.began = pass, time.Now()
	}
	return c
}

func (c *optimizerClock) stop() {
	if c != nil {
		c.took[c.pass] += time.Since(c.began)
		c.calls[c.pass]++
	}
}

// Profile switches the taking of times on, from zero, or off.
func (a *AdamW) Profile(on bool) {
	a.clock = nil
	if on {
		a.clock = &optimizerClock{}
	}
}

// Times returns the time of each pass since Profile, all under Forward.
func (a *AdamW) Times() []autodiff.OpTime {
	if a.clock == nil {
		return nil
	}
	elements := 0
	for _, s := range a.state {
		elements += s.Value.Bytes() / 2 // two moments a weight
	}
	var times []autodiff.OpTime
	for i, p := range optimizerPasses {
		calls := a.clock.calls[i]
		times = append(times, autodiff.OpTime{Name: p.name, Forward: a.clock.took[i], ForwardBytes: calls * p.bytes * elements, Calls: calls})
	}
	return times
}
