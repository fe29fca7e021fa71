package autodiff

import (
	"maps"
	"slices"
	"time"

	"stillhouse/layers/tensor"
)

// OpTime is the time spent in the operations of one name, and what they moved.
//
// Bytes are those of a machine without caches: every operand is read once and
// every result written once, after its line was fetched, for a store costs a
// read too unless the line was read already. A kernel that touches only part of
// its operands says so itself:
//
//	Traffic() (forward, backward int)
type OpTime struct {
	Name                        string
	Forward, Backward           time.Duration
	ForwardBytes, BackwardBytes int
	Calls                       int
}

func (o *OpTime) forward(began time.Time, bytes int) {
	o.Forward += time.Since(began)
	o.ForwardBytes += bytes
	o.Calls++
}

func (o *OpTime) backward(began time.Time, bytes int) {
	o.Backward += time.Since(began)
	o.BackwardBytes += bytes
}

// Profile switches the taking of times on or off; it is off at first, and
// costs nothing then.
func (s *Session) Profile(on bool) { s.g.profile = on }

// Times returns the time by operation since Build or ResetTimes, by name.
func (s *Session) Times() []OpTime {
	var times []OpTime
	for _, name := range slices.Sorted(maps.Keys(s.g.times)) {
		if t := *s.g.times[name]; t.Forward+t.Backward > 0 {
			times = append(times, t)
		}
	}
	return times
}

// ResetTimes sets the times to zero.
func (s *Session) ResetTimes() {
	for _, t := range s.g.times {
		*t = OpTime{Name: t.Name}
	}
}

// traffic returns the bytes of one forward pass of the operation.
func (o *forwardOp) traffic() int {
	if t, ok := o.k.(interface{ Traffic() (int, int) }); ok {
		n, _ := t.Traffic()
		return n
	}
	return size(o.args) + 2*o.buf.t.Bytes()
}

// traffic returns the bytes of one backward pass of the operation.
func (o *backwardOp) traffic(out, gout *tensor.Tensor) int {
	if t, ok := o.f.k.(interface{ Traffic() (int, int) }); ok {
		_, n := t.Traffic()
		return n
	}
	n := gout.Bytes() + 2*size(o.gin)
	for _, i := range o.reads {
		switch {
		case i >= 0:
			n += o.args[i].Bytes()
		case i == readsOut:
			n += out.Bytes()
		}
	}
	return n
}

func size(ts []*tensor.Tensor) (bytes int) {
	for _, t := range ts {
		if t != nil {
			bytes += t.Bytes()
		}
	}
	return bytes
}
