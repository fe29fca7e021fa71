package parallel

import (
	"runtime"
	"sync/atomic"
)

// Pool runs the parts of one operation on up to Threads goroutines. A nil Pool
// runs everything on the caller.
type Pool struct {
	threads int
	spins   bool          // there is a processor for every thread
	paper   *ledger       // of a pool that runs nothing; nil for all others
	wake    chan struct{} // one token wakes one parked worker
	idle    chan struct{} // the last worker to leave wakes a parked caller

	// The job. Written by For before it opens state, read by who has joined.
	f       func(i int)
	n       int64
	failure atomic.Pointer[failure]

	_      [64]byte // keeps the words below from sharing lines with those above
	state  atomic.Uint64
	parked atomic.Int32
	busy   atomic.Bool
	_      [64]byte
	next   atomic.Int64
	_      [64]byte
}

// The state of a Pool in one word: how many workers are inside the job, three
// flags, and the number of the job in the remaining bits.
const (
	inside  uint64 = 1<<16 - 1
	open    uint64 = 1 << 16 // workers may join
	waiting uint64 = 1 << 17 // the caller is parked until nobody is inside
	quit    uint64 = 1 << 18
	job     uint64 = 1 << 19 // the unit of the job number
)

// failure is the value of a panic in f.
type failure struct{ value any }

// New starts a pool of the given number of threads, the caller's included;
// threads <= 0 means GOMAXPROCS.
func New(threads int) *Pool {
	procs := runtime.GOMAXPROCS(0)
	if threads <= 0 {
		threads = procs
	}
	p := &Pool{
		threads: threads,
		spins:   threads <= procs,
		wake:    make(chan struct{}, threads),
		idle:    make(chan struct{}, 1),
	}
	for range threads - 1 {
		go p.work()
	}
	return p
}

// Threads returns the number of goroutines that share the work; 1 for nil.
func (p *Pool) Threads() int {
	if p == nil {
		return 1
	}
	return p.threads
}

// Close ends the workers. A For after Close runs on its caller.
func (p *Pool) Close() {
	if p == nil || p.paper != nil {
		return
	}
	p.state.Or(quit)
	p.unpark(p.threads - 1)
}

// For calls f(0) … f(n-1) and returns when all have returned. When f panics,
// indices not yet handed out are dropped and For panics with the first value.
func (p *Pool) For(n int, f func(i int)) {
	if p != nil && p.paper != nil {
		panic("parallel: For: a pool on paper runs nothing")
	}
	if p == nil || p.threads == 1 || n <= 1 || !p.busy.CompareAndSwap(false, true) {
		for i := range n {
			f(i)
		}
		return
	}
	p.f, p.n = f, int64(n)
	p.next.Store(0)
	p.state.Add(job | open)
	if sleepers := int(p.parked.Load()); sleepers > 0 {
		p.unpark(min(sleepers, p.threads-1, n-1))
	}
	returned := false // stays false when f ends this goroutine by runtime.Goexit
	defer func() {
		p.state.And(^open)
		p.await()
		bad := p.failure.Swap(nil)
		p.f = nil
		p.busy.Store(false)
		if bad != nil && returned {
			panic(bad.value)
		}
	}()
	p.drain()
	returned = true
}

// drain calls f on indices until none is left. It keeps the first panic for
// For, because nobody else could recover one on a worker.
func (p *Pool) drain() {
	finished := false
	defer func() {
		if finished {
			return
		}
		p.next.Store(p.n) // a racing Add only moves it further past the end
		v := recover()
		if v == nil {
			v = "parallel: For: f ended its goroutine"
		}
		p.failure.CompareAndSwap(nil, &failure{v})
	}()
	for i := p.next.Add(1) - 1; i < p.n; i = p.next.Add(1) - 1 {
		p.f(int(i))
	}
	finished = true
}
