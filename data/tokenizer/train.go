package tokenizer

import (
	"cmp"
	"container/heap"
	"fmt"
	"iter"
	"maps"
	"slices"
)

// TrainOptions say how large a vocabulary [Train] makes.
type TrainOptions struct {
	// VocabSize is the number of tokens, the 3 special ones and the 256 bytes
	// included: at least 259. Fewer come out if the text has no more to merge.
	VocabSize int
	// MinCount is how often a pair must occur to become a token; 0 means 2.
	MinCount int
}

const (
	firstByte = 3               // ids 0, 1, 2 are BOS, EOS, Pad
	firstWord = firstByte + 256 // the first merged token
	// longestTrained in bytes: longer pre-tokens are data, not language.
	longestTrained = 64
)

// Train makes a tokenizer from texts: it starts from the 256 bytes and merges
// the most frequent pair of neighbours again and again, the pair of smaller ids
// on a tie. The order of texts makes no difference.
func Train(texts iter.Seq[string], opt TrainOptions) (*Tokenizer, error) {
	if opt.VocabSize < firstWord {
		return nil, fmt.Errorf("tokenizer: vocabulary of %d tokens; hint: it holds %d special tokens and 256 bytes, so at least %d",
			opt.VocabSize, firstByte, firstWord)
	}
	if opt.VocabSize > mostIDs {
		return nil, fmt.Errorf("tokenizer: vocabulary of %d tokens; hint: at most %d are kept, and 32000 is usual", opt.VocabSize, mostIDs)
	}
	if opt.MinCount <= 0 {
		opt.MinCount = 2
	}
	t := bare()
	scan := chooseScanner(Pattern)
	counts := map[string]int64{}
	for text := range texts {
		for text != "" {
			n := scan(text)
			if n > 1 && n <= longestTrained {
				counts[text[:n]]++
			}
			text = text[n:]
		}
	}
	tr := newTrainer(t, counts)
	for len(t.tokens) < opt.VocabSize {
		p, ok := tr.best(int64(opt.MinCount))
		if !ok {
			break
		}
		tr.merge(p)
	}
	t.finish()
	t.seams = t.newSeams(t.tokens[firstWord:])
	return t, nil
}

// bare returns the tokenizer before its first merge.
func bare() *Tokenizer {
	t := &Tokenizer{
		tokens:    []string{BOS, EOS, Pad},
		stages:    []stage{scanStage(chooseScanner(Pattern))},
		byteLevel: true,
		unk:       none,
	}
	for id, name := range t.tokens {
		t.added = append(t.added, addedToken{ID: int32(id), Content: name, Special: true})
	}
	for b := range 256 {
		t.byteID[b] = int32(len(t.tokens))
		t.tokens = append(t.tokens, string([]byte{byte(b)}))
	}
	return t
}

// trainer keeps, for every pair, how often it occurs and in which words, and
// updates both around each merge instead of counting anew.
type trainer struct {
	t      *Tokenizer
	words  [][]int32
	times  []int64 // how often words[i] occurs
	ids    map[string]int32
	counts map[pair]int64
	where  map[pair][]int32 // words that had the pair once; some entries are stale
	queue  pairQueue
}

func newTrainer(t *Tokenizer, counts map[string]int64) *trainer {
	tr := &trainer{t: t, ids: map[string]int32{}, counts: map[pair]int64{}, where: map[pair][]int32{}}
	for id, token := range t.tokens[firstByte:] {
		tr.ids[token] = int32(firstByte + id)
	}
	for _, w := range slices.Sorted(maps.Keys(counts)) {
		ids := make([]int32, len(w))
		for i := range len(w) {
			ids[i] = t.byteID[w[i]]
		}
		i := int32(len(tr.words))
		tr.words, tr.times = append(tr.words, ids), append(tr.times, counts[w])
		for j := 1; j < len(ids); j++ {
			tr.count(pair{ids[j-1], ids[j]}, counts[w], i)
		}
	}
	for p, n := range tr.counts {
		tr.queue = append(tr.queue, counted{n, p})
	}
	heap.Init(&tr.queue) // a total order: what is popped does not depend on the map's
	return tr
}

// count adds n occurrences of p in word i.
func (tr *trainer) count(p pair, n int64, i int32) {
	tr.counts[p] += n
	if at := tr.where[p]; n > 0 && (len(at) == 0 || at[len(at)-1] != i) {
		tr.where[p] = append(at, i)
	}
}

// best returns the most frequent pair. The queue may hold old counts: a pair
// that became rarer is put back, one that became more frequent is there twice.
func (tr *trainer) best(least int64) (pair, bool) {
	for len(tr.queue) > 0 {
		top := heap.Pop(&tr.queue).(counted)
		switch now := tr.counts[top.pair]; {
		case now < least:
		case now < top.n:
			heap.Push(&tr.queue, counted{now, top.pair})
		case now == top.n:
			return top.pair, true
		}
	}
	return pair{}, false
}

// merge makes p one token everywhere.
func (tr *trainer) merge(p pair) {
	text := tr.t.tokens[p.left] + tr.t.tokens[p.right]
	id, known := tr.ids[text] // two ways to one string share its id
	if !known {
		id = int32(len(tr.t.tokens))
		tr.t.tokens, tr.ids[text] = append(tr.t.tokens, text), id
	}
	tr.t.ranked, tr.t.merged = append(tr.t.ranked, p), append(tr.t.merged, id)

	var touched []pair
	for _, i := range tr.where[p] {
		w, n := tr.words[i], tr.times[i]
		if !hasPair(w, p) {
			continue
		}
		for j := 1; j < len(w); j++ {
			tr.count(pair{w[j-1], w[j]}, -n, i)
		}
		w = replacePair(w, p, id)
		tr.words[i] = w
		for j := 1; j < len(w); j++ {
			q := pair{w[j-1], w[j]}
			tr.count(q, n, i)
			if q.left == id || q.right == id {
				touched = append(touched, q)
			}
		}
	}
	delete(tr.counts, p)
	delete(tr.where, p)
	slices.SortFunc(touched, pair.compare)
	for _, q := range slices.Compact(touched) {
		if n := tr.counts[q]; n > 0 {
			heap.Push(&tr.queue, counted{n, q})
		}
	}
}

func hasPair(w []int32, p pair) bool {
	for j := 1; j < len(w); j++ {
		if w[j-1] == p.left && w[j] == p.right {
			return true
		}
	}
	return false
}

// replacePair shortens w in place, from the left as the encoder does.
func replacePair(w []int32, p pair, id int32) []int32 {
	out := w[:0]
	for j := 0; j < len(w); j++ {
		if j+1 < len(w) && w[j] == p.left && w[j+1] == p.right {
			out = append(out, id)
			j++
		} else {
			out = append(out, w[j])
		}
	}
	return out
}

func (p pair) compare(q pair) int {
	return cmp.Or(cmp.Compare(p.left, q.left), cmp.Compare(p.right, q.right))
}

type counted struct {
	n    int64
	pair pair
}

// pairQueue is a heap: most frequent first, then smaller ids.
type pairQueue []counted

func (q pairQueue) Len() int      { return len(q) }
func (q pairQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *pairQueue) Push(x any)   { *q = append(*q, x.(counted)) }
func (q *pairQueue) Pop() any {
	old := *q
	x := old[len(old)-1]
	*q = old[:len(old)-1]
	return x
}
func (q pairQueue) Less(i, j int) bool {
	return q[i].n > q[j].n || q[i].n == q[j].n && q[i].pair.compare(q[j].pair) < 0
}
