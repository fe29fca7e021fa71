package parallel

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// pools calls f with a nil pool and pools of 1 to 5 threads.
func pools(t *testing.T, f func(t *testing.T, p *Pool)) {
	t.Run("nil", func(t *testing.T) { f(t, nil) })
	for threads := 1; threads <= 5; threads++ {
		t.Run(fmt.Sprint(threads), func(t *testing.T) {
			p := New(threads)
			defer p.Close()
			f(t, p)
		})
	}
}

func TestForCallsEveryIndexOnce(t *testing.T) {
	pools(t, func(t *testing.T, p *Pool) {
		for _, n := range []int{0, 1, 2, 3, 7, 100, 1000} {
			for range 20 {
				count := make([]int32, n)
				p.For(n, func(i int) { atomic.AddInt32(&count[i], 1) })
				for i, c := range count {
					if c != 1 {
						t.Fatalf("n=%d: index %d was called %d times", n, i, c)
					}
				}
			}
		}
	})
}

func TestForSeesWhatTheLastForWrote(t *testing.T) {
	pools(t, func(t *testing.T, p *Pool) {
		x := make([]int, 64) // plain writes: the race detector watches the hand-over
		for turn := range 300 {
			p.For(len(x), func(i int) { x[i]++ })
			if got := x[turn%64]; got != turn+1 {
				t.Fatalf("turn %d: got %d", turn, got)
			}
		}
	})
}

func TestForWakesParkedWorkers(t *testing.T) {
	p := New(2)
	defer p.Close()
	for range 5 {
		for p.parked.Load() == 0 {
			runtime.Gosched()
		}
		both := make(chan int, 2)
		meet := make(chan bool)
		p.For(2, func(i int) { // returns only when two goroutines are in here
			both <- i
			select {
			case meet <- true:
			case <-meet:
			}
		})
		if len(both) != 2 {
			t.Fatalf("%d calls, want 2", len(both))
		}
	}
}

func TestForPanicsWithTheOriginalValue(t *testing.T) {
	pools(t, func(t *testing.T, p *Pool) {
		want := errors.New("from f")
		for bad := range 8 {
			func() {
				defer func() {
					if got := recover(); got != want {
						t.Errorf("panic in f(%d): recovered %v, want %v", bad, got, want)
					}
				}()
				p.For(8, func(i int) {
					if i == bad {
						panic(want)
					}
				})
				t.Errorf("panic in f(%d): For returned", bad)
			}()
			var sum atomic.Int64
			p.For(10, func(i int) { sum.Add(int64(i)) })
			if sum.Load() != 45 {
				t.Fatalf("after the panic: sum %d, want 45", sum.Load())
			}
		}
	})
}

func TestForPanicsOnceWhenEveryCallDoes(t *testing.T) {
	p := New(4)
	defer p.Close()
	for range 50 {
		func() {
			defer func() {
				if _, ok := recover().(int); !ok {
					t.Error("want the value of one of the panics")
				}
			}()
			p.For(100, func(i int) { panic(i) })
		}()
	}
}

func TestForLeavesNobodyInsideWhenFEndsItsGoroutine(t *testing.T) {
	p := New(2)
	defer p.Close()
	done := make(chan bool)
	go func() {
		defer close(done)
		defer func() { _ = recover() }() // For's, when a worker was ended instead
		p.For(4, func(int) { runtime.Goexit() })
	}()
	<-done
	if p.busy.Load() || p.state.Load()&(open|inside|waiting) != 0 {
		t.Fatalf("pool is left in state %x", p.state.Load())
	}
}

func TestForInsideForRunsOnItsCaller(t *testing.T) {
	pools(t, func(t *testing.T, p *Pool) {
		var sum atomic.Int64
		p.For(6, func(i int) {
			p.For(6, func(j int) { sum.Add(int64(i * j)) })
		})
		if sum.Load() != 225 {
			t.Fatalf("got %d, want 225", sum.Load())
		}
	})
}

func TestForsFromManyGoroutinesShareAPool(t *testing.T) {
	p := New(3)
	defer p.Close()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				var sum atomic.Int64
				p.For(20, func(i int) { sum.Add(int64(i)) })
				if sum.Load() != 190 {
					t.Errorf("got %d, want 190", sum.Load())
				}
			}
		})
	}
	all.Wait()
}

func TestForWorksOnOneProcessor(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for _, procs := range []int{3, 1} { // a pool made before and one made after the change
		runtime.GOMAXPROCS(procs)
		p := New(3)
		runtime.GOMAXPROCS(1)
		for range 200 {
			var sum atomic.Int64
			p.For(20, func(i int) { sum.Add(int64(i)) })
			if sum.Load() != 190 {
				t.Fatalf("got %d, want 190", sum.Load())
			}
		}
		p.Close()
	}
}

func TestForAllocatesNothing(t *testing.T) {
	p := New(2)
	defer p.Close()
	var x [64]int
	f := func(i int) { x[i]++ }
	if n := testing.AllocsPerRun(100, func() { p.For(len(x), f) }); n != 0 {
		t.Errorf("%v allocations a call, want 0", n)
	}
}

func TestCloseEndsTheWorkersAndLeavesForWorking(t *testing.T) {
	before := runtime.NumGoroutine()
	p := New(6)
	p.For(100, func(int) {})
	p.Close()
	p.Close()
	for end := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines after Close, %d before New", runtime.NumGoroutine(), before)
		}
	}
	n := 0
	p.For(10, func(int) { n++ })
	if n != 10 {
		t.Errorf("For after Close made %d calls, want 10", n)
	}
}

func TestThreadsCountsTheCaller(t *testing.T) {
	if got := (*Pool)(nil).Threads(); got != 1 {
		t.Errorf("nil pool: got %d, want 1", got)
	}
	pools(t, func(t *testing.T, p *Pool) {
		if p != nil && fmt.Sprint(p.Threads()) != t.Name()[len(t.Name())-1:] {
			t.Errorf("%s: got %d", t.Name(), p.Threads())
		}
	})
	p := New(0)
	defer p.Close()
	if got, want := p.Threads(), runtime.GOMAXPROCS(0); got != want {
		t.Errorf("New(0): got %d, want %d", got, want)
	}
}

// BenchmarkFor is the cost of an empty For: back to back, and after a pause in
// which the workers have parked.
func BenchmarkFor(b *testing.B) {
	p := New(0)
	defer p.Close()
	f := func(int) {}
	b.Run("awake", func(b *testing.B) {
		for b.Loop() {
			p.For(p.Threads(), f)
		}
	})
	b.Run("parked", func(b *testing.B) {
		for b.Loop() {
			for p.parked.Load() < int32(p.Threads()-1) {
				runtime.Gosched()
			}
			p.For(p.Threads(), f)
		}
	})
}
