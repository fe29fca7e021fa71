package parallel

import "fmt"

// ledger is what operations on paper would take.
type ledger struct{ bytes int }

// OnPaper returns a pool of so many threads that runs nothing: operations made
// for it enter the memory they would take, and take none.
func OnPaper(threads int) *Pool {
	if threads < 1 {
		panic(fmt.Sprintf("parallel: OnPaper: %d threads", threads))
	}
	return &Pool{threads: threads, paper: &ledger{}}
}

// Enter reports whether the pool is on paper, and notes the bytes if it is: the
// caller then goes without them.
func (p *Pool) Enter(bytes int) bool {
	if p == nil || p.paper == nil {
		return false
	}
	p.paper.bytes += bytes
	return true
}

// Entered returns the bytes noted so far, 0 of a pool that is not on paper.
func (p *Pool) Entered() int {
	if p == nil || p.paper == nil {
		return 0
	}
	return p.paper.bytes
}
