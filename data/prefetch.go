package data

import "sync"

// Position says which rows come next: all the state that reading has.
type Position struct {
	Split Split `json:"split"`
	Row   int64 `json:"row"`
}

// A Prefetcher makes batches ahead of their use, in order, on one goroutine. It
// gives the same batches as Loader.Rows. Close it.
type Prefetcher struct {
	next Position
	err  error // the first one: it ends the batches
	out  chan fetched
	stop chan struct{}
	done sync.WaitGroup
	once sync.Once
}

type fetched struct {
	batch *Batch
	err   error
}

// ahead is how many batches wait for their use.
const ahead = 2

// Prefetch begins to make batches of size rows from the position on.
func (l *Loader) Prefetch(from Position, size int) *Prefetcher {
	p := &Prefetcher{next: from, out: make(chan fetched, ahead), stop: make(chan struct{})}
	p.done.Go(func() {
		for row := from.Row; ; row += int64(size) {
			b, err := l.Rows(from.Split, row, size)
			select {
			case p.out <- fetched{b, err}:
			case <-p.stop:
				return
			}
			if err != nil {
				return
			}
		}
	})
	return p
}

// Next returns the next batch; after an error, always that error. It is for one
// goroutine; after Close it panics.
func (p *Prefetcher) Next() (*Batch, error) {
	if p.err != nil {
		return nil, p.err
	}
	select {
	case <-p.stop:
		panic("data: Prefetcher.Next after Close")
	case f := <-p.out:
		if p.err = f.err; p.err == nil {
			p.next.Row += int64(f.batch.B)
		}
		return f.batch, f.err
	}
}

// Position returns where the batch after the last one returned begins: what a
// checkpoint keeps, whatever is already made ahead.
func (p *Prefetcher) Position() Position { return p.next }

// Close stops the goroutine and waits for it. Closing twice is fine.
func (p *Prefetcher) Close() {
	p.once.Do(func() { close(p.stop) })
	p.done.Wait()
}
