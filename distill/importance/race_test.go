package importance

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"stillhouse/layers"
	"stillhouse/layers/tensor"
)

// script is a Cohort whose losses are known.
type script struct {
	losses [][]float64
	taken  []int
	closed bool
}

func (s *script) Train(alive []int, steps int, tick func()) (all [][]float64, err error) {
	for _, j := range alive {
		all = append(all, s.losses[j][s.taken[j]:s.taken[j]+steps])
		s.taken[j] += steps
		for range steps {
			tick()
		}
	}
	return all, nil
}

func (s *script) Tokens() int64 { return 0 }
func (s *script) Close()        { s.closed = true }

// play races probes with the given losses.
func play(t *testing.T, losses [][]float64, stop Stop) (Scores, *script) {
	t.Helper()
	x := &script{losses: losses, taken: make([]int, len(losses))}
	p := probe(random(t, len(losses), -1, tensor.F32), 1, 4, 1)
	s, err := MMR(p, func(*layers.Model, int) error { return nil }, func([]*layers.Model, []int) Cohort { return x }, len(losses[0]), stop)
	if err != nil {
		t.Fatal(err)
	}
	if !x.closed {
		t.Error("the cohort was not closed")
	}
	return s, x
}

// curve is a loss of some level after the first step that falls by a power of the
// step, on batches whose difficulty all curves share, with some noise of its own.
func curve(steps int, level, power, noise float64, seed uint64) (losses []float64) {
	batch, own := rand.New(rand.NewPCG(1, 1)), rand.New(rand.NewPCG(seed, 2))
	for i := range steps {
		losses = append(losses, level*math.Pow(float64(i+1), -power)*math.Exp(0.8*batch.NormFloat64()+noise*own.NormFloat64()))
	}
	return losses
}

// TestOnlyASettledProbeStops: layer 0 is far from the others, 1 and 2 tie nearly.
// What the batches add to all of them, more than lies between 1 and 2, unsettles
// nothing.
func TestOnlyASettledProbeStops(t *testing.T) {
	losses := [][]float64{curve(64, 9, 0.2, 0.1, 0), curve(64, 1.02, 0.2, 0.1, 1), curve(64, 1, 0.2, 0.1, 2), curve(64, 0.1, 0.2, 0.1, 3)}
	whole, _ := play(t, losses, AtTheEnd)
	race, x := play(t, losses, Racing)
	for l, all := range []bool{false, true, true, false} {
		if got := x.taken[l]; got == 64 != all || got < 4 {
			t.Errorf("layer %d trained for %d steps of 64", l, got)
		}
		if race.Layers[l].Steps != x.taken[l] {
			t.Errorf("layer %d says %d steps, took %d", l, race.Layers[l].Steps, x.taken[l])
		}
	}
	for _, l := range []int{1, 2} {
		if race.Layers[l].Value != whole.Layers[l].Value {
			t.Errorf("layer %d scores %v, without a race %v", l, race.Layers[l].Value, whole.Layers[l].Value)
		}
	}
	if !slices.Equal(race.Order(), whole.Order()) {
		t.Errorf("order %v, without a race %v", race.Order(), whole.Order())
	}
}

// TestAGapThatClosesIsNotSettled: layer 0 starts at three times the other's loss,
// beyond any doubt that the batches leave, and overtakes it in the last steps.
func TestAGapThatClosesIsNotSettled(t *testing.T) {
	losses := [][]float64{curve(64, 3, 0.5, 0.01, 0), curve(64, 1, 0.15, 0.01, 1)}
	race, x := play(t, losses, Racing)
	if !slices.Equal(race.Order(), []int{0, 1}) {
		t.Errorf("order %v after %v steps, values %v", race.Order(), x.taken, race.Layers)
	}
	var ratio []float64
	for i := 4; i < 16; i++ {
		ratio = append(ratio, math.Log(losses[0][i]/losses[1][i]))
	}
	if surely(ratio, 12) != 1 {
		t.Error("the batches alone leave doubt: the test is of nothing")
	}
}

// TestAFewHeavyBatchesUnsettle: layer 0 has the lower loss on all batches but few,
// and the higher mean.
func TestAFewHeavyBatchesUnsettle(t *testing.T) {
	losses := [][]float64{curve(64, 0.3, 0, 0.1, 0), curve(64, 1, 0, 0.1, 1)}
	for i := 6; i < 64; i += 7 {
		losses[0][i] *= 40
	}
	whole, _ := play(t, losses, AtTheEnd)
	race, x := play(t, losses, Racing)
	if want := whole.Order(); !slices.Equal(race.Order(), want) || want[0] != 1 {
		t.Errorf("order %v after %v steps, without a race %v", race.Order(), x.taken, want)
	}
}

// TestWhoStoppedKeepsItsPlace: a departure counts who was before it then, and what
// it scored is not compared with those that trained on.
func TestWhoStoppedKeepsItsPlace(t *testing.T) {
	s := Scores{Layers: []Score{{Layer: 2, Value: 5, Steps: 4}, {Layer: 3, Value: 1, Steps: 64}, {Layer: 5, Value: 9, Steps: 8}, {Layer: 7, Value: 2, Steps: 64}, {Layer: 8, Value: 0.1, Steps: 8}}}
	s.place([]departure{{0, 3}, {2, 1}, {4, 2}}) // of [3 5 7 8]: 2 before 8; of [3 7 8]: 5 after 3; of [3 7]: 8 last
	if got, want := s.Order(), []int{3, 5, 7, 2, 8}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestARaceOfRealProbesRanksAsAllTheirStepsDo, and costs less.
func TestARaceOfRealProbesRanksAsAllTheirStepsDo(t *testing.T) {
	m := random(t, 6, -1, tensor.F32)
	whole, _ := mmr(t, m, 48, AtTheEnd)
	race, g := mmr(t, m, 48, Racing)
	if !slices.Equal(race.Order(), whole.Order()) {
		t.Errorf("order %v, without a race %v", race.Order(), whole.Order())
	}
	if race.Tokens >= whole.Tokens || len(g.seen[0]) != 6 {
		t.Errorf("%d tokens, without a race %d; rounds of %v", race.Tokens, whole.Tokens, g.seen)
	}
	for i, x := range race.Layers {
		if x.Steps == 48 && x.Value != whole.Layers[i].Value {
			t.Errorf("layer %d scores %v, without a race %v", x.Layer, x.Value, whole.Layers[i].Value)
		}
	}
}

// TestLossesThatAreNoNumbersSettleLast, and those of mixers that do what their layers
// did first.
func TestLossesThatAreNoNumbersSettleLast(t *testing.T) {
	nan, zero := make([]float64, 32), make([]float64, 32)
	for i := range nan {
		nan[i] = math.NaN()
	}
	race, x := play(t, [][]float64{nan, curve(32, 1, 0.2, 0.1, 1), zero}, Racing)
	if !slices.Equal(race.Order(), []int{2, 1, 0}) || slices.Max(x.taken) == 32 {
		t.Errorf("order %v after %v steps", race.Order(), x.taken)
	}
}

func TestARaceLooksAboutSixteenTimes(t *testing.T) {
	for steps, want := range map[int]string{1: "[1]", 3: "[1 2 3]", 40: "[2 4 6 8 10 12 14 16 18 20 22 24 26 28 30 32 34 36 38 40]", 100: "[6 12 18 24 30 36 42 48 54 60 66 72 78 84 90 96 100]"} {
		if got := fmt.Sprint(rounds(8, steps, Racing)); got != want {
			t.Errorf("%d steps: rounds end at %s, want %s", steps, got, want)
		}
	}
	if got := MMRSteps(8, 100, Racing); got != 800 {
		t.Errorf("at most %d steps, want 800", got)
	}
}
