package parallel

import (
	"runtime"
	"time"
)

// patience is how long a worker or a caller watches before it parks. Waking a
// parked goroutine takes 5 to 50 µs; the gaps between the Fors of a training
// step are shorter than that.
const patience = 40 * time.Microsecond

// looks is the number of reads between two looks at the clock, each with a
// yield to the scheduler so that a watcher never keeps a goroutine from
// running. It is about half a microsecond.
const looks = 200

// work is the life of one worker.
func (p *Pool) work() {
	var last uint64 // number of the last job joined
	for {
		switch s := p.state.Load(); {
		case s&quit != 0:
			return
		case p.joinable(s, last):
			if p.state.CompareAndSwap(s, s+1) {
				last = s / job
				p.help()
			}
		case !p.watch(func(s uint64) bool { return s&quit != 0 || p.joinable(s, last) }):
			p.park(last)
		}
	}
}

// joinable reports whether state s offers a job other than the last one.
func (p *Pool) joinable(s, last uint64) bool { return s&open != 0 && s/job != last }

// help takes part in the job it has joined and tells a parked caller when it
// was the last to leave.
func (p *Pool) help() {
	defer func() { // deferred, so that runtime.Goexit in f strands nobody
		if s := p.state.Add(^uint64(0)); s&waiting != 0 && s&inside == 0 {
			p.idle <- struct{}{}
		}
	}()
	p.drain()
}

// watch reads state until ready says so or patience is over.
func (p *Pool) watch(ready func(s uint64) bool) bool {
	if !p.spins {
		runtime.Gosched()
		return ready(p.state.Load())
	}
	for start := time.Now(); time.Since(start) < patience; {
		for range looks {
			if ready(p.state.Load()) {
				return true
			}
		}
		runtime.Gosched()
	}
	return false
}

// park sleeps until a token comes. The count goes up before the last look at
// state and For looks at the count after it has opened state, so one of the two
// sees the other. A token nobody needed wakes a worker once for nothing.
func (p *Pool) park(last uint64) {
	p.parked.Add(1)
	if s := p.state.Load(); s&quit == 0 && !p.joinable(s, last) {
		<-p.wake
	}
	p.parked.Add(-1)
}

// unpark wakes n workers. A full channel holds a token for every worker.
func (p *Pool) unpark(n int) {
	for range n {
		select {
		case p.wake <- struct{}{}:
		default:
			return
		}
	}
}

// await returns when no worker is inside the closed job.
func (p *Pool) await() {
	if p.watch(func(s uint64) bool { return s&inside == 0 }) {
		return
	}
	if p.state.Add(waiting)&inside != 0 {
		<-p.idle
	}
	p.state.And(^waiting)
}
