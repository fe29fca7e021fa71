package distill

import (
	"time"

	"stillhouse/layers"
)

// prefillTokens are read at a time: enough for whole matrix products, few enough
// that the buffers of a long context stay small.
const prefillTokens = 2048

// patience is how long one context may be measured before its repeats are
// dropped: at long contexts one pass is long enough to be read.
const patience = 4 * time.Second

// MeasureSpeed times prefill and greedy decoding of a model at each context
// length, one sequence; the best of up to three. Contexts may be longer than the
// model was trained for: positions and cache are made to reach, and time does
// not depend on what is said.
func MeasureSpeed(p *layers.Pool, name string, m *layers.Model, contexts []int, decode int) []Speed {
	var speeds []Speed
	for _, n := range contexts {
		s := Speed{Name: name, Context: n}
		d := layers.NewDecoder(p, m, 1, n+decode)
		prompt := make([]int32, n)
		for i := range prompt {
			prompt[i] = int32(i*7919) % int32(m.Config.VocabSize)
		}
		for run, began := 0, time.Now(); run < 3 && (run == 0 || time.Since(began) < patience); run++ {
			d.Reset()
			t := time.Now()
			var id [1]int32
			for at := 0; at < n; at += prefillTokens {
				logits := d.Extend(prompt[at:min(n, at+prefillTokens)])
				id[0] = layers.Sample(logits, 0, 0, nil)
			}
			s.Prefill = max(s.Prefill, float64(n)/time.Since(t).Seconds())
			s.StateBytes = d.StateBytes()
			t = time.Now()
			for range decode {
				id[0] = layers.Sample(d.Extend(id[:]), 0, 0, nil)
			}
			s.Decode = max(s.Decode, float64(decode)/time.Since(t).Seconds())
		}
		speeds = append(speeds, s)
	}
	return speeds
}
