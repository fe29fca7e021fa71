package importance

import (
	"fmt"
	"math"
	"slices"
	"time"

	"stillhouse/layers"
)

// Trial is a short distillation that can be taken further.
type Trial interface {
	// Train takes steps more and returns the loss of each.
	Train(steps int) ([]float64, error)
	// Tokens returns how many tokens were trained on so far.
	Tokens() int64
	Close()
}

// Start begins a distillation of the mixers of the given layers of m against
// the teacher, everything else frozen.
type Start func(m *layers.Model, train []int) (Trial, error)

// MMR is Apriel-H1's MIL-Mamba-Replacement: each layer alone is swapped for an
// initialised Mamba mixer, which is then distilled for a number of steps; the
// score is the mean loss of the last fifth of them.
//
// With halving, all layers start with a fraction of the steps and the better
// half goes on with twice as many, until the best have had them all: about
// log₂(L) times cheaper, and as good for the layers that will be replaced next.
func MMR(p Probe, replace Replace, start Start, steps int, halving bool) (Scores, error) {
	began := time.Now()
	s := p.scores("mmr", fmt.Sprintf("distillation loss after %d steps", steps))
	alive := make([]int, len(p.Layers)) // indices into s.Layers
	for j := range alive {
		alive[j] = j
	}
	rounds := 1
	if halving {
		for n := len(p.Layers); n > 2; n = (n + 1) / 2 {
			rounds++
		}
	}
	trials := make([]Trial, len(p.Layers))
	defer func() {
		for _, t := range trials {
			if t != nil {
				t.Close()
			}
		}
	}()
	taken := 0
	for round := range rounds {
		upTo := max(1, steps>>(rounds-1-round))
		for k, j := range alive {
			l := p.Layers[j]
			if trials[j] == nil {
				m := p.Student.Share()
				if err := replace(m, l); err != nil {
					return s, fmt.Errorf("importance: mmr: layer %d: %w", l, err)
				}
				t, err := start(m, []int{l})
				if err != nil {
					return s, fmt.Errorf("importance: mmr: layer %d: %w", l, err)
				}
				trials[j] = t
			}
			losses, err := trials[j].Train(upTo - taken)
			if err != nil {
				return s, fmt.Errorf("importance: mmr: layer %d: %w", l, err)
			}
			s.Layers[j].Value = lastFifth(losses)
			if !halving { // nothing will go on: let its memory go
				s.Tokens += trials[j].Tokens()
				trials[j].Close()
				trials[j] = nil
			}
			p.progress(round*len(p.Layers)+k+1, rounds*len(p.Layers))
		}
		taken = upTo
		if round < rounds-1 {
			slices.SortStableFunc(alive, func(a, b int) int {
				if s.Layers[a].Value < s.Layers[b].Value {
					return -1
				}
				return 1
			})
			alive = alive[:(len(alive)+1)/2]
			slices.Sort(alive)
		}
	}
	for _, t := range trials {
		if t != nil {
			s.Tokens += t.Tokens()
		}
	}
	s.Seconds = since(began)
	return s, nil
}

// lastFifth is the mean of the last fifth, at least one value.
func lastFifth(losses []float64) float64 {
	if len(losses) == 0 {
		return math.NaN()
	}
	tail := losses[len(losses)-max(1, len(losses)/5):]
	var sum float64
	for _, v := range tail {
		sum += v
	}
	return sum / float64(len(tail))
}
