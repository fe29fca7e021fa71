package data

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPrefetchedBatchesAreThoseOfTheLoader(t *testing.T) {
	l := open(t, mixed(), proseTokenizer(t, 400))
	var group sync.WaitGroup
	for _, s := range []Split{Train, Validation} { // two at once, for the race detector
		group.Go(func() {
			p := l.Prefetch(Position{s, 12}, 4)
			defer p.Close()
			for i := range int64(10) {
				got, err := p.Next()
				if err != nil {
					t.Error(err)
					return
				}
				want, err := l.Rows(s, 12+4*i, 4)
				if err != nil {
					t.Error(err)
					return
				}
				if diff := cmp.Diff(want, got, equal...); diff != "" {
					t.Errorf("%v batch %d: %s", s, i, diff)
				}
				if p.Position() != (Position{s, 16 + 4*i}) {
					t.Errorf("position %+v after batch %d", p.Position(), i)
				}
			}
		})
	}
	group.Wait()
}

func TestAPrefetcherCanBeResumedFromItsPosition(t *testing.T) {
	l := open(t, mixed(), proseTokenizer(t, 400))
	p := l.Prefetch(Position{Train, 0}, 3)
	for range 5 {
		if _, err := p.Next(); err != nil {
			t.Fatal(err)
		}
	}
	at := p.Position()
	want, err := p.Next()
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
	p.Close()
	q := l.Prefetch(at, 3)
	defer q.Close()
	got, err := q.Next()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, equal...); diff != "" {
		t.Errorf("the resumed batch differs: %s", diff)
	}
}

func TestAPrefetcherGivesItsErrorAgain(t *testing.T) {
	dir := write(t, map[string]string{"a.txt": "x\n", "b.txt": "y\n"})
	cfg := pathConfig(SourceConfig{Path: dir})
	l := open(t, cfg, byteTokenizer(t))
	for _, name := range []string{"a.txt", "b.txt"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	p := l.Prefetch(Position{Train, 0}, 2)
	defer p.Close()
	for range 3 {
		if _, err := p.Next(); err == nil || !strings.Contains(err.Error(), "no such file") {
			t.Fatalf("got %v", err)
		}
	}
	if p.Position() != (Position{Train, 0}) {
		t.Errorf("position %+v after an error", p.Position())
	}
}
